import json
from collections import Counter, defaultdict

import numpy as np
import pytest
from PIL import Image

from forgery_lab.data import casia
from forgery_lab.errors import DataError
from forgery_lab.sources import demo

COUNT = 72


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "casia"
    demo.write(folder, seed=3, count=COUNT, processes=2)
    return folder


@pytest.fixture(scope="module")
def records(folder):
    lines = (folder / "records.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_it_is_a_casia_folder_whose_names_tell_class_and_sources(folder, records):
    layout = casia.find_layout(folder)
    assert layout.masks is not None
    assert len(records) == COUNT
    files = {p.relative_to(folder).as_posix() for p in folder.glob("[AT][up]/*")}
    assert files == {record["file"] for record in records}
    for record in records:
        name = casia.parse(record["file"])
        assert name is not None
        assert not name.corrections
        expected = "copy-move" if record["kind"] == "removal" else record["kind"]
        assert name.kind == expected
    assert {record["kind"] for record in records} >= {"authentic", "splice", "copy-move"}


def test_every_source_of_a_forgery_is_there_as_an_authentic_image(records):
    names = [casia.parse(record["file"]) for record in records]
    authentic = [name.source_ids[0] for name in names if name.label == 0]
    assert len(authentic) == len(set(authentic))
    for name in names:
        assert set(name.source_ids) <= set(authentic)


def test_sources_form_many_small_components_and_a_photograph_lies_in_one(records):
    parent = {}

    def root(source):
        while parent.setdefault(source, source) != source:
            source = parent[source]
        return source

    photographs = defaultdict(set)
    for record in records:
        ids = casia.parse(record["file"]).source_ids
        parent[root(ids[-1])] = root(ids[0])
    for record in records:
        if record.get("photograph"):
            source = casia.parse(record["file"]).source_ids[0]
            photographs[record["photograph"]].add(root(source))
    sizes = Counter(root(casia.parse(record["file"]).source_ids[0]) for record in records)
    assert len(sizes) >= COUNT // 8
    assert max(sizes.values()) <= 12
    assert photographs
    complete = list(photographs.values())[:-1]
    assert all(len(roots) == 1 for roots in complete)


def test_each_forgery_has_a_mask_of_its_size_and_no_other_file_has_one(folder, records):
    masks = {p.name for p in (folder / "Groundtruth").iterdir()}
    for record in records:
        stem = record["file"].split("/")[1].rsplit(".", 1)[0]
        assert (f"{stem}_gt.png" in masks) == (record["kind"] != "authentic")
        if record["kind"] == "authentic":
            continue
        with Image.open(folder / "Groundtruth" / f"{stem}_gt.png") as mask:
            values = np.asarray(mask)
        with Image.open(folder / record["file"]) as image:
            assert values.shape == (image.height, image.width)
        assert set(np.unique(values)) == {0, 255}
        assert 0.004 < (values > 0).mean() < 0.28


def test_both_classes_have_the_same_formats_and_both_orientations(folder):
    formats = {part: Counter(p.suffix for p in (folder / part).iterdir()) for part in ("Au", "Tp")}
    for counts in formats.values():
        assert counts[".jpg"] / counts.total() > 0.4
        assert len(counts) >= 3
    sizes = {Image.open(p).size for p in (folder / "Au").iterdir()}
    assert sizes == {(384, 256), (256, 384)}


def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_processes(tmp_path):
    for name, processes in (("one", 1), ("two", 2)):
        demo.write(tmp_path / name, seed=5, count=14, processes=processes)
    demo.write(tmp_path / "other", seed=6, count=14, processes=1)

    def bytes_of(name):
        files = sorted(p for p in (tmp_path / name).rglob("*") if p.is_file())
        return {p.relative_to(tmp_path / name).as_posix(): p.read_bytes() for p in files}

    assert bytes_of("one") == bytes_of("two")
    assert bytes_of("one") != bytes_of("other")


def test_progress_reaches_the_end_and_an_interruption_leaves_nothing(tmp_path):
    seen = []
    counts = demo.write(
        tmp_path / "a", 1, 12, progress=lambda done, total: seen.append((done, total)), processes=1
    )
    assert seen[-1] == (12, 12)
    assert counts["authentic"] + counts["splice"] + counts["copy-move"] == 12
    assert counts["forged"] >= 3

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        demo.write(tmp_path / "b", 1, 12, progress=interrupt, processes=1)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_full_folder_and_a_tiny_count_are_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="not an empty folder"):
        demo.write(tmp_path, 1, 12)
    with pytest.raises(DataError, match="count: got 3; allowed: 12 or more"):
        demo.write(tmp_path / "x", 1, 3)
