from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from forgery_lab.errors import DataError
from forgery_lab.examples import feature_store
from forgery_lab.examples.feature_store import FeatureStore
from forgery_lab.examples.pairs import Pairs, Plan, prepared
from forgery_lab.examples.saving_history import EDITED_LIVES, LIVES
from forgery_lab.forgeries import scenes
from forgery_lab.sources import photographs
from forgery_lab.training import release
from forgery_pyfunc.calibration import Calibration
from forgery_pyfunc.imaging.decoding import decode

PLAN = Plan(seed=3, sides=(96, 192), places=(("camera", 2), ("web", 1)), draws=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six camera originals of three makes, and six photographs of the web."""
    root = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(4)
    for name in ("photos", "photos_web"):
        (root / name).mkdir()
    for number in range(6):
        picture = Image.fromarray(scenes.render("nat", rng, 200, 260))
        exif = Image.Exif()
        exif[0x010F] = f"Make{number % 3} Ltd"
        picture.save(root / "photos" / f"{number}.jpg", quality=92, exif=exif)
        web = Image.fromarray(scenes.render("ind", rng, 160, 130))
        web.save(root / "photos_web" / f"{number}.jpg", quality=69)
    (root / "photos" / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    return root


@pytest.fixture(scope="module")
def pairs(folder):
    return Pairs(photographs.find(folder), PLAN)


def test_all_photographs_of_a_make_are_in_one_part(pairs):
    found = pairs.photographs
    assert found["origin"].value_counts().to_dict() == {"camera": 6, "web": 6}
    cameras = found[found["origin"] == "camera"]
    assert (cameras.groupby("make")["part"].nunique() == 1).all()
    assert sorted(cameras["part"].unique()) == [0, 1, 2]


def test_a_folder_without_one_kind_of_photograph_is_refused(tmp_path):
    with pytest.raises(DataError, match="contains no photograph of origin camera that may teach"):
        photographs.find(tmp_path)


def test_both_sides_of_a_pair_differ_only_where_it_is_forged(pairs):
    table = pairs.table()
    forged = table[table["label"] == 1].index
    assert len(forged) == (6 * 2 + 6) * PLAN.draws
    for number in forged:
        mine, other = pairs.example(number), pairs.example(number - 1)
        assert table.loc[number, "drawn_by"] == table.loc[number - 1, "drawn_by"]
        image, authentic = decode(mine.data), decode(other.data)
        assert image.format == authentic.format
        assert image.pixels.shape == authentic.pixels.shape == (*mine.mask.shape, 3)
        if image.jpeg is not None:
            assert image.jpeg.tables == authentic.jpeg.tables
            assert image.jpeg.subsampling == authentic.jpeg.subsampling
        change = np.abs(image.pixels.astype(int) - authentic.pixels).max(axis=2)
        assert mine.mask.any()
        assert change[mine.mask].mean() > 3 * change[~mine.mask].mean()


def test_the_same_number_gives_the_same_file(pairs):
    again = Pairs(pairs.photographs, PLAN)
    number = int(pairs.table().query("label == 1").index[5])
    assert pairs.example(number).data == again.example(number).data


def test_lives_are_in_the_table_and_shared_by_both_sides(pairs):
    table = pairs.table()
    assert set(table.loc[table["kind"] == "shipped", "life"]) == {"shipped"}
    drawn = table[table["kind"] == "pair"]
    assert set(drawn["life"]) <= set(LIVES)
    assert (drawn.groupby("drawn_by")["life"].nunique() == 1).all()
    assert drawn["life"].nunique() > 5


def test_photographs_are_edited_as_a_whole_anew_in_every_draw(pairs):
    table = pairs.table()
    edited = table[table["kind"] == "edited"]
    assert len(edited) == 12 * PLAN.draws
    assert set(edited["label"]) == {0}
    assert set(edited["life"]) <= set(EDITED_LIVES)
    files = [pairs.example(number) for number in edited.index]
    assert len({file.data for file in files}) == len(files)
    for file in files:
        assert file.mask is None
        assert max(decode(file.data).pixels.shape) <= PLAN.sides[1]


def test_what_is_cut_out_keeps_pixels_and_mostly_the_grid():
    photo = np.random.default_rng(0).integers(0, 255, (400, 600, 3), np.uint8)
    whole = {photo[r, c].tobytes(): (r, c) for r in range(400) for c in range(600)}
    corners = []
    for seed in range(60):
        cut = prepared(photo, (100, 200), np.random.default_rng(seed))
        assert max(cut.shape[:2]) in range(99, 201)
        corners += [whole[c] for c in [cut[0, 0].tobytes()] if c in whole]
    aligned = [row % 8 == column % 8 == 0 for row, column in corners]
    assert 10 < len(corners) < 50
    assert np.mean(aligned) > 0.5


def test_learning_and_judging_sees_no_photograph_twice(pairs, tmp_path):
    store = feature_store.build(pairs, tmp_path / "features", ["residual"], 1e9, workers=1)
    sides = release.sides(store, 1)
    assert not set(sides.train.index["group"]) & set(sides.held_out.index["group"])
    assert set(sides.validation.index["kind"]) == {"pair"}
    assert set(sides.validation.index["draw"]) == {0}
    seen = release.training_manifest(pairs.photographs, 1)
    assert len(seen) == 12
    assert seen["phash"].str.fullmatch("[0-9a-f]{16}").all()
    assert set(seen["split"]) == {"train", "validation"}
    assert set(seen["source"]) == {"photos", "photos_web"}


def test_thresholds_are_cross_fitted_over_parts():
    def judged(t_hi, probabilities):
        index = pd.DataFrame(
            {"origin": "camera", "source": "photos", "kind": "shipped", "label": 0,
             "group": ["a", "b"], "probability": probabilities}
        )  # fmt: skip
        return release.Judged(index, Calibration(t_hi=t_hi, t_lo=0.1))

    parts = [judged(0.9, [0.2, 0.75]), judged(0.7, [0.95, 0.3]), judged(0.6, [0.1, 0.1])]
    found = release.cross_fitted(parts)
    assert found == {"camera": {"share": 2 / 6, "alarms": 2, "number": 6}}


def test_auc_is_told_by_life():
    index = pd.DataFrame(
        {
            "kind": ["pair"] * 6 + ["shipped"],
            "life": ["uploaded"] * 4 + ["cropped"] * 2 + ["shipped"],
            "label": [0, 1, 0, 1, 1, 0, 0],
            "probability": [0.1, 0.9, 0.6, 0.4, 0.8, 0.2, 0.5],
        }
    )
    found = release.Judged(index, Calibration()).auc_by_life()
    assert found == {
        "cropped": {"auc": 1.0, "number": 2},
        "uploaded": {"auc": 0.75, "number": 4},
    }


def test_places_are_those_of_the_source_or_else_of_the_origin():
    plan = Plan(seed=0, draws=1)
    assert plan.places_of("camera", "cameras") == 18
    assert plan.places_of("web", "clothes") == 1
    assert plan.places_of("web", "cameras") == plan.places_of("web", "pixls") == 4


def test_small_sources_of_the_web_choose_a_threshold_together():
    sizes = {"clothes": 60, "food": 50, "pixls": 49, "mate": 2, "cameras": 5}
    rows = [
        {"origin": origin, "source": source, "group": f"{origin} {source} {number}"}
        for origin, wanted in (("web", sizes), ("camera", {"cameras": 70}))
        for source, size in wanted.items()
        for number in range(size)
        for _ in range(2)
    ]
    found = release.sources_of(pd.DataFrame(rows)).value_counts().to_dict()
    assert found == {"camera": 140, "clothes": 120, "food": 100, "other web": 112}


class Ranked:
    """A held-out store of which a network says what the test wants."""

    def __init__(self, index):
        self.index = index


def test_the_strictest_kind_of_photograph_chooses_the_threshold(monkeypatch):
    rng = np.random.default_rng(0)
    rows = [
        {"origin": "camera" if source == "cameras" else "web", "source": source, "kind": "pair",
         "group": f"{source} {number}", "label": label, "pixels": 384 * 256,
         "logit": rng.normal(3 * label + raised * (1 - label))}
        for source, raised in (("cameras", 0), ("clothes", 0), ("food", 2))
        for number in range(100)
        for label in (0, 1)
    ]  # fmt: skip
    index = pd.DataFrame(rows)
    said = SimpleNamespace(image=index["logit"].to_numpy(), blocks=None)
    monkeypatch.setattr(release, "predict", lambda model, store: said)
    monkeypatch.setattr(release, "forged_blocks", lambda scores, store: [])
    judged = release.judge(None, Ranked(index.drop(columns="logit")))
    alarms = judged.false_alarms()
    assert set(alarms) == {"camera pair", "clothes pair", "food pair"}
    assert alarms["food pair"] == {"share": 0.03, "number": 100}
    assert max(one["share"] for one in alarms.values()) == 0.03
    assert "100 camera originals of makes and photographs of the web (100 clothes, 100 food)" in (
        judged.calibration.chosen_on
    )


def test_a_large_kind_of_a_source_chooses_the_threshold_where_it_is_the_strictest(monkeypatch):
    rng = np.random.default_rng(0)
    rows = [
        {"origin": "camera", "source": "cameras", "kind": kind, "group": str(number),
         "label": label, "pixels": 384 * 256,
         "logit": rng.normal(3 * label + (2 if kind != "pair" else 0) * (1 - label))}
        for kind, count in (("pair", 600), ("shipped", 40), ("edited", 10))
        for number in range(count)
        for label in ((0, 1) if kind == "pair" else (0,))
    ]  # fmt: skip
    index = pd.DataFrame(rows)
    groups = release.authentic_groups(index)
    assert sorted(group.sum() for group in groups) == [40, 600, 650]
    said = SimpleNamespace(image=index["logit"].to_numpy(), blocks=None)
    monkeypatch.setattr(release, "predict", lambda model, store: said)
    monkeypatch.setattr(release, "forged_blocks", lambda scores, store: [])
    alarms = release.judge(None, Ranked(index.drop(columns="logit"))).false_alarms()
    assert alarms["camera shipped"] == {"share": 0.025, "number": 40}


def test_a_photograph_that_is_alone_in_its_part_lends_itself_to_no_splice(pairs):
    lonely = pairs.photographs.groupby("part").head(1).reset_index(drop=True)
    alone = Pairs(
        lonely, Plan(seed=3, draws=2, sides=(96, 192), places=(("camera", 4), ("web", 4)))
    )
    table = alone.table()
    for number in table[table["label"] == 1].index:
        assert alone.example(number).mask.any()


class Growing:
    """A growing store of three draws that is always ready."""

    draws = 3

    def __init__(self, index):
        self.index = index

    def first(self, draws):
        return FeatureStore(self.index[self.index["draw"] < draws], ("residual",))


def test_draws_are_added_over_the_epochs():
    index = pd.DataFrame(
        {
            "id": ["a.0.0"] * 3 + ["b.0.0"],
            "draw": [0, 1, 2, 0],
            "kind": "pair",
            "split": ["part 0"] * 3 + ["part 1"],
        }
    )
    train = release.OutsidePart(Growing(index), held_out=1, epochs=12)
    draws = [train.at_epoch(epoch).index["draw"].tolist() for epoch in range(12)]
    assert draws == [[0]] * 2 + [[0, 1]] * 2 + [[0, 1, 2]] * 8
