"""The sealed test: its plan, pictures and figures; forging itself where OpenCV is installed."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.panel import figures
from benchmarks.sealed import encoders, plan, strokes, table, views
from forgery_lab.errors import DataError
from forgery_lab.sources.sealed import sealed
from tests.conftest import encoded


@pytest.fixture(scope="module")
def recipes():
    return plan.recipes()


def test_all_that_is_forged_is_sealed(recipes):
    used = {digits for one in recipes for digits in (one.host, one.donor)}
    assert len(used) >= 55
    assert all(sum(one.startswith(digits) for one in sealed()) == 1 for digits in used)


def test_kinds_are_about_equal_in_number(recipes):
    counts = pd.Series([one.kind for one in recipes]).value_counts()
    assert set(counts.index) == set(plan.KINDS)
    assert counts.min() >= 0.8 * counts.max()


def test_a_row_of_an_unknown_kind_is_refused(tmp_path):
    head, row, *_ = plan.PLAN.read_text().splitlines()
    (tmp_path / "plan.tsv").write_text(f"{head}\n{row.replace('seamless splice', 'warp')}")
    with pytest.raises(ValueError, match="'warp' is none of seamless splice"):
        plan.recipes(tmp_path / "plan.tsv")


def test_two_forgeries_of_one_name_are_refused(tmp_path):
    rows = plan.PLAN.read_text().splitlines()
    (tmp_path / "plan.tsv").write_text("\n".join([rows[0], rows[1], rows[1]]))
    with pytest.raises(ValueError, match="one name"):
        plan.recipes(tmp_path / "plan.tsv")


@pytest.mark.parametrize("original", [(640, 480), (1600, 1200), (2448, 3264), (4608, 3072)])
def test_a_view_shows_what_is_needed(recipes, original):
    for one in recipes:
        view = views.drawn(one.rng("view"), original, one.needed, one.target)
        left, top = view.point(*one.needed[:2])
        right, bottom = view.point(*one.needed[2:])
        assert left >= -1
        assert top >= -1
        assert right <= view.width + 1
        assert bottom <= view.height + 1
        assert max(view.width, view.height) <= views.MOST_WHOLE
        assert view == views.drawn(one.rng("view"), original, one.needed, one.target)


def test_a_stamp_covers_its_region_with_what_lies_at_the_offset():
    picture = np.zeros((80, 160, 3), np.uint8)
    picture[:, 80:] = 200
    mask = np.zeros((80, 160), bool)
    mask[20:60, 20:60] = True
    paths = strokes.over(mask, 8, np.random.default_rng(0))
    made, paint = strokes.stamped(picture, paths, (80, 0), 8, 0.5)
    assert (made[24:56, 24:56] > 150).mean() > 0.95
    assert (made[:, 90:] == picture[:, 90:]).all()
    assert (made == picture).all(axis=2)[paint == 0].all()


def test_saves_are_drawn_among_the_encoders_of_this_machine(monkeypatch):
    lacking = encoders.Encoder(lambda *_: b"", "no_such", 9)
    only = {"cjpeg": encoders.ENCODERS["cjpeg"], "none": lacking}
    monkeypatch.setattr(encoders, "ENCODERS", only)
    monkeypatch.setattr(encoders.shutil, "which", lambda name: name if name == "cjpeg" else None)
    rng = np.random.default_rng(0)
    assert {encoders.drawn(rng).encoder for _ in range(20)} == {"cjpeg"}
    assert encoders.missing() == ["none (no_such)"]
    assert encoders.drawn(rng, middle=True).quality >= 80


@pytest.fixture
def made(tmp_path):
    """A set of two forgeries, as `make` writes it."""
    for name in ("forged", "authentic", "masks"):
        (tmp_path / name).mkdir()
    rows = []
    for number, (kind, host) in enumerate([("heal", "a"), ("paste", "b")]):
        picture = np.full((32, 48, 3), 90 * number, np.uint8)
        for folder in ("forged", "authentic"):
            (tmp_path / folder / f"{number}.jpg").write_bytes(encoded(picture, quality=80))
        mask = np.zeros((32, 48), np.uint8)
        mask[:16] = 255
        Image.fromarray(mask).save(tmp_path / "masks" / f"{number}.png")
        rows.append(
            {
                "name": str(number),
                "kind": kind,
                "tool": f"tool of {kind}",
                "host": host,
                "donor": "c" if kind == "paste" else host,
                "forged": f"forged/{number}.jpg",
                "authentic": f"authentic/{number}.jpg",
                "mask": f"masks/{number}.png",
            }
        )
    pd.DataFrame(rows).to_csv(tmp_path / table.TABLE, sep="\t", index=False)
    return tmp_path


def test_every_forgery_has_a_mask_and_a_counterpart_of_one_source(made):
    pictures = table.pictures(table.read(made), made)
    assert [(one.name, one.label, one.source) for one in pictures] == [
        ("0", 1, "a"), ("0", 0, "a"), ("1", 1, "b"), ("1", 0, "b"),
    ]  # fmt: skip
    forged, authentic = (one.make() for one in pictures[:2])
    assert forged.mask.mean() == 0.5
    assert authentic.mask is None


def test_what_a_detector_learnt_from_is_left_out(made):
    rows = table.read(made)
    assert list(table.without(rows, {"a"})["name"]) == ["1"]
    assert list(table.without(rows, {"c"})["name"]) == ["0"]


def test_a_folder_without_a_set_is_named(tmp_path):
    with pytest.raises(DataError, match="make the set first"):
        table.read(tmp_path)


def test_figures_stand_in_all_by_kind_and_by_tool(made):
    rows = table.read(made)
    scores = pd.DataFrame(
        [
            {"detector": 0, "group": "sealed", "name": one.name, "source": one.source,
             "label": one.label, "kind": "", "texture": False, "probability": 0.9 * one.label,
             "verdict": "forged" if one.label else "authentic",
             "block_auc": 0.8, "f1": 0.5, "best_f1": 0.6}
            for one in table.pictures(rows, made)
        ]
    )  # fmt: skip
    lines = figures.lines(table.groups(scores, rows))
    groups = ["all", "kind: heal", "kind: paste", "tool: tool of heal", "tool: tool of paste"]
    assert sorted({line.group for line in lines}) == groups
    found = {line.figure: line.interval.value for line in lines if line.group == "kind: heal"}
    assert found == {"AUC": 1, "F1 at 0.5": 1, "recall at t_hi": 1, "called forged": 0,
                     "map, block_auc": 0.8, "map, f1": 0.5, "map, best_f1": 0.6}  # fmt: skip


def test_a_removal_and_a_copy_change_their_masks_alone():
    pytest.importorskip("cv2", reason="OpenCV is installed for `make` alone")
    from benchmarks.sealed import forging

    rng = np.random.default_rng(0)
    host = rng.integers(90, 110, (120, 160, 3), dtype=np.uint8)
    host[40:60, 40:60] = 250
    region = np.zeros((120, 160), bool)
    region[40:60, 40:60] = True
    telea = [one for one in plan.recipes() if one.tool.endswith("Telea")]
    removal = next(one for one in telea if one.shape != "ink")
    made = forging.forge(forging.Scene(removal, host, region))
    assert made.pixels[40:60, 40:60].max() < 130
    assert (made.pixels == host).all(axis=2)[~made.mask].all()

    copy = next(one for one in plan.recipes() if one.kind == "copy-move" and one.shape == "object")
    layer, alpha = forging.cut(host, region).placed(host, 120, 100)
    made = forging.forge(forging.Scene(copy, host, region, layer, alpha))
    assert made.pixels[85:95, 115:125].min() > 240
    assert (made.pixels == host).all(axis=2)[~made.mask].mean() > 0.99
    assert made.mask[80:100, 110:130].mean() > 0.9
