"""Feature stores: the right numbers for every example, whole, restartable and within budget."""

import hashlib
import io
import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from forgery_lab.errors import DataError
from forgery_lab.examples import feature_store
from forgery_lab.examples.feature_store import Example, FeatureStore, ManifestSource
from forgery_lab.examples.histories import HistoryMatcher, ImageKey
from forgery_pyfunc.features import channels, extract
from forgery_pyfunc.imaging.decoding import decode

GIGABYTE = 1e9
SIZES = ((96, 80), (70, 101))


def picture(number):
    """Return uint8[H, W, 3] of its own for every number."""
    width, height = SIZES[number % 2]
    rng = np.random.default_rng(number)
    rough = Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8))
    return np.asarray(rough.resize((width, height), Image.Resampling.BICUBIC))


def as_jpeg(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def forged_mask(number):
    width, height = SIZES[number % 2]
    mask = np.zeros((height, width), np.uint8)
    mask[8:28, 16:40] = 255
    return mask


@dataclass(frozen=True)
class Pictures:
    """A source of its own kind: generated pictures, every second one forged."""

    count: int
    broken: tuple[int, ...] = ()
    version: int = 1
    calls: list = field(default_factory=list)

    def table(self):
        numbers = range(self.count)
        return pd.DataFrame(
            {
                "id": [str(n) for n in numbers],
                "label": [n % 2 for n in numbers],
                "group": [f"g{n}" for n in numbers],
                "split": "train",
                "draw": 0,
                "width": [SIZES[n % 2][0] for n in numbers],
                "height": [SIZES[n % 2][1] for n in numbers],
            }
        )

    def example(self, number):
        self.calls.append(number)
        if number in self.broken:
            return Example(b"\xff\xd8 no picture")
        return Example(as_jpeg(picture(number)), forged_mask(number) if number % 2 else None)

    def settings(self):
        return {"pictures": self.count, "version": self.version}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    return feature_store.build(Pictures(5), folder, ["residual"], GIGABYTE, workers=1)


def test_features_are_those_of_the_served_model(store):
    for number in range(5):
        expected = extract(decode(as_jpeg(picture(number))), ["residual"])
        assert store.features(number).dtype == np.float16
        np.testing.assert_array_equal(store.features(number), expected.astype(np.float16))


def test_targets_are_the_forged_fraction_of_every_block(store):
    targets = np.asarray(store.targets(1), float)
    assert targets.shape == (101 // 8, 70 // 8)
    assert targets[1, 2] == 1
    assert targets[3, 2] == 0.5
    assert targets.sum() == 3 * 2.5
    assert not store.targets(0).any()


def test_selections_keep_their_features(store):
    forged = store.select(store.index["label"] == 1)
    assert list(forged.index["id"]) == ["1", "3"]
    np.testing.assert_array_equal(forged.features(0), store.features(1))


def test_several_processes_give_the_same_store(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_store, "SHARD_EXAMPLES", 2)
    seen = []
    args = (["residual"], GIGABYTE)
    many = feature_store.build(
        Pictures(6), tmp_path / "many", *args, workers=2, progress=lambda *p: seen.append(p)
    )
    one = feature_store.build(Pictures(6), tmp_path / "one", *args, workers=1)
    assert seen == [(2, 6), (4, 6), (6, 6)]
    for number in range(6):
        np.testing.assert_array_equal(many.features(number), one.features(number))
    assert list(many.index["id"]) == list(one.index["id"])


class StoppedError(Exception):
    pass


def test_a_stopped_store_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_store, "SHARD_EXAMPLES", 2)

    def stop(done, total):
        if done == 4:
            raise StoppedError

    source = Pictures(8)
    with pytest.raises(StoppedError):
        feature_store.build(source, tmp_path, ["residual"], GIGABYTE, 1, stop)
    with pytest.raises(DataError, match="no finished features"):
        FeatureStore.open(tmp_path)
    assert source.calls == [0, 1, 2, 3]
    source.calls.clear()
    assert len(feature_store.build(source, tmp_path, ["residual"], GIGABYTE, 1)) == 8
    assert source.calls == [4, 5, 6, 7]
    source.calls.clear()
    feature_store.build(source, tmp_path, ["residual"], GIGABYTE, 1)
    assert source.calls == []


def test_what_a_killed_process_was_writing_does_not_stay_in_the_store(tmp_path):
    feature_store.build(Pictures(2), tmp_path, ["residual"], GIGABYTE, 1)
    whole = sorted(path.name for path in tmp_path.iterdir())
    (tmp_path / ".shard-00000.features.npy.0.partial").write_bytes(b"half")
    feature_store.build(Pictures(2), tmp_path, ["residual"], GIGABYTE, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == whole


class TwoDraws(Pictures):
    """Each picture twice; the second variants wait until they are asked for."""

    def __init__(self, count):
        super().__init__(count)
        self.wanted = threading.Event()

    def table(self):
        first = super().table()
        return pd.concat([first, first.assign(draw=1)])

    def example(self, number):
        if number >= self.count:
            assert self.wanted.wait(30)
        return super().example(number % self.count)


def test_the_first_draw_is_there_while_the_second_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_store, "SHARD_EXAMPLES", 2)
    source = TwoDraws(3)
    with feature_store.growing(source, tmp_path, ["residual"], GIGABYTE, 1) as store:
        first = store.first(1)
        assert first.index["draw"].tolist() == [0, 0, 0]
        assert store.finished == 2
        with pytest.raises(DataError, match="no finished features"):
            FeatureStore.open(tmp_path)
        source.wanted.set()
        assert store.draws == 2
        whole = store.whole()
    assert whole.index["draw"].tolist() == [0, 0, 0, 1, 1, 1]
    np.testing.assert_array_equal(whole.features(1), first.features(1))
    assert len(FeatureStore.open(tmp_path)) == 6


def test_what_ends_the_computing_is_said_to_who_waits(tmp_path):
    with (
        feature_store.growing(Pictures(2, broken=(0, 1)), tmp_path, ["residual"], GIGABYTE, 1) as s,
        pytest.raises(DataError, match="none of 2 images could be read"),
    ):
        s.whole()

    def stop(done, total):
        raise StoppedError

    arguments = (Pictures(2), tmp_path / "other", ["residual"], GIGABYTE, 1, stop)
    with feature_store.growing(*arguments) as store, pytest.raises(StoppedError):
        store.first(1)


def test_other_settings_start_anew(tmp_path):
    feature_store.build(Pictures(2), tmp_path, ["residual"], GIGABYTE, 1)
    changed = Pictures(2, version=2)
    feature_store.build(changed, tmp_path, ["residual"], GIGABYTE, 1)
    assert changed.calls == [0, 1]


@pytest.mark.parametrize("removed", range(1, 7))
def test_a_store_whose_removal_was_stopped_is_made_whole(tmp_path, monkeypatch, removed):
    monkeypatch.setattr(feature_store, "SHARD_EXAMPLES", 2)
    arguments = (tmp_path, ["residual"], GIGABYTE, 1)
    feature_store.build(Pictures(4), *arguments)
    left = [removed]

    def unlink(path, missing_ok=False):
        if not left[0]:
            raise StoppedError
        left[0] -= 1
        path.rename(tmp_path.with_name(f"{tmp_path.name}-{left[0]}"))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink)
        with pytest.raises(StoppedError):
            feature_store.build(Pictures(4, version=2), *arguments)
    again = feature_store.build(Pictures(4), *arguments)
    expected = extract(decode(as_jpeg(picture(3))), ["residual"]).astype(np.float16)
    np.testing.assert_array_equal(again.features(3), expected)


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"precious")
    with pytest.raises(DataError, match="not empty"):
        feature_store.build(Pictures(2), tmp_path, ["residual"], GIGABYTE, 1)
    assert (tmp_path / "holiday.jpg").read_bytes() == b"precious"


def test_too_small_a_budget_is_said_before_any_work(tmp_path):
    source = Pictures(10)
    with pytest.raises(DataError, match=r"take 0\.00 GB.*fewer draws"):
        feature_store.build(source, tmp_path / "new", ["residual"], 1000, 1)
    assert source.calls == []
    assert not (tmp_path / "new").exists()


def test_the_stated_need_is_what_the_arrays_take(store):
    stated = feature_store.needed_bytes(Pictures(5).table(), ["residual"])
    blocks = sum(np.prod(store.targets(n).shape) for n in range(5))
    assert stated == blocks * (len(channels(["residual"])) + 1) * 2


def test_unreadable_images_are_counted_and_listed(tmp_path):
    store = feature_store.build(Pictures(4, broken=(2,)), tmp_path, ["residual"], GIGABYTE, 1)
    assert list(store.index["id"]) == ["0", "1", "3"]
    np.testing.assert_array_equal(
        store.features(2), extract(decode(as_jpeg(picture(3))), ["residual"]).astype(np.float16)
    )
    failed = feature_store.failures(tmp_path)
    assert list(failed["id"]) == ["2"]
    assert failed["error"].str.len().min() > 10


def test_nothing_but_unreadable_images_is_an_error(tmp_path):
    with pytest.raises(DataError, match="none of 2 images"):
        feature_store.build(Pictures(2, broken=(0, 1)), tmp_path, ["residual"], GIGABYTE, 1)


def test_the_classic_features_have_no_block_targets(tmp_path):
    store = feature_store.build(Pictures(2), tmp_path, ["ela"], GIGABYTE, 1)
    assert store.features(0).shape == (128, 128, 3)
    assert np.isnan(store.targets(1)).all()


def key_of(row):
    return ImageKey(row["label"], row["sha256"])


@pytest.fixture
def data_set(tmp_path):
    """A manifest of four pictures on disk: two forged, one with a mask of another size."""
    rows = []
    for number in range(4):
        data = as_jpeg(picture(number))
        (tmp_path / f"{number}.jpg").write_bytes(data)
        mask = forged_mask(number)
        Image.fromarray(mask if number == 1 else mask[:, :-3]).save(tmp_path / f"{number}.png")
        width, height = SIZES[number % 2]
        rows.append(
            {
                "path": f"{number}.jpg",
                "label": number % 2,
                "kind": "splice" if number % 2 else "authentic",
                "group": f"g{number}",
                "split": "train",
                "sha256": hashlib.sha256(data).hexdigest(),
                "format": "JPEG",
                "width": width,
                "height": height,
                "mask_path": f"{number}.png" if number % 2 else None,
            }
        )
    return pd.DataFrame(rows), tmp_path


def test_a_manifest_gives_every_image_in_every_draw(data_set):
    rows, root = data_set
    source = ManifestSource(rows, root, HistoryMatcher.fit(rows, root, 0), draws=3)
    table = source.table()
    assert len(table) == 12
    assert set(zip(table["id"], table["draw"], strict=True)) == {
        (sha, draw) for sha in rows["sha256"] for draw in range(3)
    }
    last = source.example(9)
    expected, _ = source.matcher.save(key_of(rows.iloc[1]), (root / "1.jpg").read_bytes(), 2)
    assert table["id"].iloc[9] == rows["sha256"].iloc[1]
    assert last.data == expected
    assert last.mask.shape == (101, 70)
    assert source.example(1).data != last.data
    json.dumps(source.settings())


def test_rescaled_draws_come_after_the_others(data_set):
    rows, root = data_set
    matcher = HistoryMatcher.fit(rows, root, 0)
    source = ManifestSource(rows.assign(split="train"), root, matcher, draws=2, rescaled=1)
    table = source.table()
    assert table["draw"].value_counts().to_dict() == {0: 4, 1: 4, 2: 4}
    row = rows.iloc[1]
    expected, mask = matcher.save(
        key_of(row), (root / "1.jpg").read_bytes(), 2, "scale", forged_mask(1)
    )
    made = source.example(9)
    assert (table["id"].iloc[9], table["draw"].iloc[9]) == (row["sha256"], 2)
    assert made.data == expected
    assert np.array_equal(made.mask, mask != 0)


def test_a_validation_image_stands_for_itself_once_in_each_kind(data_set):
    rows, root = data_set
    rows = rows.assign(split=["train", "validation", "train", "validation"])
    matcher = HistoryMatcher.fit(rows, root, 0)
    source = ManifestSource(rows, root, matcher, draws=3, rescaled=2)
    table = source.table()
    drawn = table.groupby("split")["draw"].agg(lambda draws: sorted(set(draws)))
    assert drawn.to_dict() == {"train": [0, 1, 2, 3, 4], "validation": [0, 3]}
    number = int(np.flatnonzero((table["split"] == "validation") & (table["draw"] == 3))[0])
    sha = table["id"].iloc[number]
    place = int(np.flatnonzero(rows["sha256"] == sha)[0])
    expected, _ = matcher.save(
        key_of(rows.iloc[place]), (root / f"{place}.jpg").read_bytes(), 3, "scale"
    )
    assert source.example(number).data == expected


def test_files_as_they_are_stay_as_they_are(data_set):
    rows, root = data_set
    source = ManifestSource(rows, root)
    assert source.example(2).data == (root / "2.jpg").read_bytes()
    with pytest.raises(DataError, match="draws: got 2"):
        ManifestSource(rows, root, draws=2)
    with pytest.raises(DataError, match="1 rescaled"):
        ManifestSource(rows, root, rescaled=1)


def test_a_changed_mask_or_code_gives_another_store(data_set, tmp_path_factory, monkeypatch):
    rows, root = data_set
    folder = tmp_path_factory.mktemp("stores")

    def digest():
        source = ManifestSource(rows, root)
        return feature_store.build(source, folder, ["residual"], GIGABYTE, workers=1).digest

    first = digest()
    assert first == digest() == FeatureStore.open(folder).digest
    Image.fromarray(255 - forged_mask(1)).save(root / "1.png")
    second = digest()
    module = ModuleType("changed")
    module.__file__ = str(root / "1.jpg")
    monkeypatch.setattr(feature_store, "CODE", (*feature_store.CODE[:-1], module))
    assert len({first, second, digest()}) == 3


def test_a_moved_source_file_is_an_error(tmp_path, monkeypatch):
    moved = ModuleType("moved")
    moved.__file__ = str(tmp_path / "moved.py")
    monkeypatch.setattr(feature_store, "CODE", (*feature_store.CODE, moved))
    with pytest.raises(DataError, match=r"moved\.py: this source file of moved cannot be read"):
        feature_store.build(Pictures(2), tmp_path / "store", ["residual"], GIGABYTE, 1)
    assert not (tmp_path / "store/store.json").exists()


def test_a_package_is_digested_with_every_module_in_it(tmp_path):
    package = ModuleType("package")
    package.__file__ = str(tmp_path / "__init__.py")
    with pytest.raises(DataError, match="cannot be read"):
        feature_store.code_digests([package])
    (tmp_path / "__init__.py").touch()
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/module.py").write_text("first")
    first = feature_store.code_digests([package])
    assert set(first) == {"package/__init__.py", "package/inner/module.py"}
    (tmp_path / "inner/module.py").write_text("second")
    assert feature_store.code_digests([package]) != first


def test_the_code_of_decoding_features_histories_and_masks_counts():
    names = set(feature_store.code_digests(feature_store.CODE))
    expected = ["imaging/ela.py", "features/residual.py", "features/blocks.py"]
    assert {f"forgery_pyfunc.{name}" for name in expected} <= names
    for name in ("histories", "masks", "feature_store"):
        assert f"forgery_lab.examples.{name}/{name}.py" in names


def test_many_shards_take_few_file_descriptors():
    assert feature_store._open_shard.cache_info().maxsize <= 256


def test_a_mask_of_another_size_is_no_mask(data_set):
    rows, root = data_set
    source = ManifestSource(rows, root)
    assert source.example(1).mask is not None
    assert source.example(3).mask is None
