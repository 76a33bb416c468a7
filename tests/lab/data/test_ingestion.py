"""From folders with every known fault to a manifest and a list that says so."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from forgery_lab.data import ingestion, manifest
from forgery_lab.data.manifest_figures import summary_figures
from forgery_lab.errors import DataError
from forgery_pyfunc.imaging.guards import Limits

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


def picture(seed, size=(96, 64)):
    """A picture of its own: coarse noise, so that perceptual hashes are far apart."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 12, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def mask(size=(96, 64), box=(8, 8, 40, 40)):
    image = Image.new("L", size)
    image.paste(255, box)
    return image


def sound(root):
    """Two authentic images and two forgeries with their masks, and nothing wrong."""
    for folder in ("Au", "Tp", "Groundtruth"):
        (root / folder).mkdir(parents=True)
    picture(1).save(root / "Au/Au_ani_00001.jpg", quality=80)
    picture(2).save(root / "Au/Au_art_00002.jpg", quality=90)
    for seed, name in (
        (3, "Tp_D_NRN_S_N_ani00001_art00002_00001"),
        (4, "Tp_S_NNN_S_N_pla00009_pla00009_00002"),
    ):
        picture(seed).save(root / f"Tp/{name}.tif")
        mask().save(root / f"Groundtruth/{name}_gt.png")
    return root


def issues_of(summary):
    return {(issue.file, issue.code) for issue in summary.issues}


def test_a_sound_data_set_becomes_a_manifest_and_nothing_is_said(tmp_path):
    frame, summary = ingestion.ingest(sound(tmp_path))
    pd.testing.assert_frame_equal(manifest.validate(frame), frame)
    assert summary.issues == ()
    assert summary.counts == {}
    by_path = frame.set_index("path")
    assert by_path["kind"].to_dict() == {
        "Au/Au_ani_00001.jpg": "authentic",
        "Au/Au_art_00002.jpg": "authentic",
        "Tp/Tp_D_NRN_S_N_ani00001_art00002_00001.tif": "splice",
        "Tp/Tp_S_NNN_S_N_pla00009_pla00009_00002.tif": "copy-move",
    }
    splice = by_path.loc["Tp/Tp_D_NRN_S_N_ani00001_art00002_00001.tif"]
    assert splice["source_ids"] == ["ani00001", "art00002"]
    assert splice["mask_path"] == "Groundtruth/Tp_D_NRN_S_N_ani00001_art00002_00001_gt.png"
    assert (splice["format"], splice["width"], splice["height"]) == ("TIFF", 96, 64)
    assert pd.isna(splice["jpeg_quality"])
    authentic = by_path.loc["Au/Au_ani_00001.jpg"]
    assert (authentic["jpeg_quality"], authentic["subsampling"]) == (80, "4:2:0")
    # The splice joins its two sources; the copy-move of another photograph stands alone.
    assert by_path["group"].nunique() == 2
    assert splice["group"] == authentic["group"]


def test_the_summary_is_json_and_the_same_for_the_same_files(tmp_path):
    sound(tmp_path / "a" / "CASIA2")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    (frame, one), (_, two) = ingestion.ingest(tmp_path / "a"), ingestion.ingest(tmp_path / "b")
    assert json.dumps(one.to_dict()) == json.dumps(two.to_dict())
    assert one.digest == manifest.digest(frame)
    assert frame["path"].str.startswith("CASIA2/").all()
    assert (one.images, one.authentic, one.forged, one.masks) == (4, 2, 2, 2)
    assert one.formats == {"JPEG": 2, "TIFF": 2}
    assert one.sizes == {"96×64": 4}


def test_files_that_cannot_be_used_are_left_out_and_named(tmp_path):
    root = sound(tmp_path)
    (root / "Au/Au_ani_00003.jpg").write_text("no picture at all")
    (root / "Au/Au_ani_00004.jpg").write_bytes(b"")
    whole = (root / "Au/Au_ani_00001.jpg").read_bytes()
    (root / "Au/Au_ani_00005.jpg").write_bytes(whole[: len(whole) // 2])
    picture(5).save(root / "Au/gif.png", "GIF")
    picture(6, (10, 10)).save(root / "Tp/Tp_S_NNN_S_N_pla00008_pla00008_00003.png")
    picture(7, (400, 300)).save(root / "Au/Au_ani_00006.png")
    (root / "Au/Thumbs.db").write_bytes(b"x")
    (root / "Tp/._hidden.jpg").write_bytes(b"x")
    (root / "readme.txt").write_text("hello")
    (root / "Au/Au_ani_00007.jpg").symlink_to(root / "nowhere.jpg")
    picture(8).save(root / "Au/Tp_S_NNN_S_N_pla00007_pla00007_00004.png")
    frame, summary = ingestion.ingest(root, limits=Limits(max_pixels=100_000))
    assert len(frame) == 4
    assert issues_of(summary) == {
        ("Au/Au_ani_00003.jpg", "not_an_image"),
        ("Au/Au_ani_00004.jpg", "empty_image"),
        ("Au/Au_ani_00005.jpg", "broken_image"),
        ("Au/Au_ani_00006.png", "too_many_pixels"),
        ("Au/Au_ani_00007.jpg", "foreign_file"),
        ("Au/gif.png", "unsupported_format"),
        ("Au/Thumbs.db", "foreign_file"),
        ("Au/Tp_S_NNN_S_N_pla00007_pla00007_00004.png", "wrong_folder"),
        ("Tp/._hidden.jpg", "foreign_file"),
        ("Tp/Tp_S_NNN_S_N_pla00008_pla00008_00003.png", "too_small"),
        ("readme.txt", "foreign_file"),
    }
    assert all(issue.code in ingestion.LEFT_OUT for issue in summary.issues)
    assert all(issue.reason.endswith(".") for issue in summary.issues)
    assert summary.counts["foreign_file"] == 4


def test_odd_images_are_kept_and_counted(tmp_path):
    root = sound(tmp_path)
    picture(10).convert("CMYK").save(root / "Au/Au_ani_00010.jpg")
    deep = np.asarray(picture(11).convert("L"), np.uint16) * 257
    Image.fromarray(deep).save(root / "Au/Au_ani_00011.png")
    picture(12).save(
        root / "Au/Au_ani_00012.webp", save_all=True, append_images=[picture(13)], lossless=True
    )
    picture(14).save(root / "Au/Au_ani_00014.jpg", "PNG")
    picture(15).save(root / "Tp/holiday.png")
    mask().save(root / "Groundtruth/holiday.png")
    picture(16).save(root / "Tp/Tp_S_NNN_S_N_ani00001_art00002_00016.png")
    mask().save(root / "Groundtruth/Tp_D_NNN_S_N_art00002_ani00001_00016_gt.png")
    frame, summary = ingestion.ingest(root)
    assert issues_of(summary) == {
        ("Au/Au_ani_00010.jpg", "cmyk"),
        ("Au/Au_ani_00011.png", "sixteen_bit"),
        ("Au/Au_ani_00012.webp", "animated"),
        ("Au/Au_ani_00014.jpg", "wrong_extension"),
        ("Tp/holiday.png", "misnamed"),
        ("Tp/Tp_S_NNN_S_N_ani00001_art00002_00016.png", "name_corrected"),
    }
    rows = frame.set_index("path")
    assert len(rows) == 10
    assert rows.loc["Tp/holiday.png", "kind"] == "unknown"
    assert rows.loc["Tp/holiday.png", "source_ids"] == []
    assert rows.loc["Tp/holiday.png", "mask_path"] == "Groundtruth/holiday.png"
    corrected = rows.loc["Tp/Tp_S_NNN_S_N_ani00001_art00002_00016.png"]
    assert (corrected["kind"], corrected["source_ids"]) == ("splice", ["art00002", "ani00001"])


def test_duplicates_leave_one_row_that_knows_all_sources(tmp_path):
    root = sound(tmp_path)
    shutil.copy(root / "Au/Au_ani_00001.jpg", root / "Au/Au_nat_00050.jpg")
    picture(20).save(root / "Au/Au_sec_00020.png")
    shutil.copy(root / "Au/Au_sec_00020.png", root / "Tp/Tp_S_NNN_S_N_sec00020_sec00020_00020.png")
    frame, summary = ingestion.ingest(root)
    assert {issue for issue in issues_of(summary) if issue[1] != "mask_missing"} == {
        ("Au/Au_nat_00050.jpg", "duplicate"),
        ("Au/Au_sec_00020.png", "contradictory_label"),
        ("Tp/Tp_S_NNN_S_N_sec00020_sec00020_00020.png", "contradictory_label"),
    }
    rows = frame.set_index("path")
    assert len(rows) == 4
    assert rows.loc["Au/Au_ani_00001.jpg", "source_ids"] == ["ani00001", "nat00050"]


def test_near_duplicates_share_a_group(tmp_path):
    root = sound(tmp_path)
    picture(1).save(root / "Au/Au_cha_00030.jpg", quality=50)
    frame, _ = ingestion.ingest(root)
    group = frame.set_index("path")["group"]
    assert group["Au/Au_cha_00030.jpg"] == group["Au/Au_ani_00001.jpg"]


@pytest.mark.parametrize(
    ("faulty", "code", "used"),
    [
        (mask((64, 96)), "mask_rotated", False),
        (mask((97, 64)), "mask_wrong_size", False),
        (Image.new("L", (96, 64)), "mask_blank", False),
        (Image.new("L", (96, 64), 255), "mask_blank", False),
        (mask().point(lambda v: v and 200), "mask_not_binary", True),
        (None, "mask_unreadable", False),
    ],
)
def test_faulty_masks_are_named_and_used_only_where_they_can_be(tmp_path, faulty, code, used):
    root = sound(tmp_path)
    path = root / "Groundtruth/Tp_D_NRN_S_N_ani00001_art00002_00001_gt.png"
    if faulty is None:
        path.write_bytes(path.read_bytes()[:60])
    else:
        faulty.save(path)
    frame, summary = ingestion.ingest(root)
    assert issues_of(summary) == {(path.relative_to(root).as_posix(), code)}
    row = frame[frame["path"].str.contains("ani00001_art00002")].iloc[0]
    assert (not pd.isna(row["mask_path"])) == used
    assert len(frame) == 4


def test_masks_and_images_without_each_other_are_named(tmp_path):
    root = sound(tmp_path)
    lonely = root / "Groundtruth/Tp_D_NRN_S_N_ani00001_art00002_00001_gt.png"
    lonely.rename(root / "Groundtruth/Tp_D_NRN_S_N_cha00001_cha00002_00777_gt.png")
    _, summary = ingestion.ingest(root)
    assert issues_of(summary) == {
        ("Groundtruth/Tp_D_NRN_S_N_cha00001_cha00002_00777_gt.png", "mask_without_image"),
        ("Tp/Tp_D_NRN_S_N_ani00001_art00002_00001.tif", "mask_missing"),
    }
    assert summary.masks == 1


def test_a_data_set_without_masks_says_so_once(tmp_path):
    root = sound(tmp_path)
    shutil.rmtree(root / "Groundtruth")
    frame, summary = ingestion.ingest(root)
    assert summary.counts == {"no_masks": 1}
    assert frame["mask_path"].isna().all()


@pytest.mark.parametrize("folder", ["Au", "Tp"])
def test_one_class_is_not_enough(tmp_path, folder):
    root = sound(tmp_path)
    kept = list((root / folder).iterdir())
    for path in kept:
        path.write_text("no picture")
    with pytest.raises(DataError, match=f"{folder}: no image in this folder can be used .*is text"):
        ingestion.ingest(root)
    for path in kept:
        path.unlink()
    with pytest.raises(DataError, match=f"{folder}: there is no image in this folder; both"):
        ingestion.ingest(root)


def test_several_processes_and_progress_give_what_one_gives(tmp_path):
    root = sound(tmp_path)
    for number in range(100, 165):
        picture(number, (48, 32)).save(root / f"Au/Au_ani_{number:05}.jpg")
    seen = []
    frame, summary = ingestion.ingest(root, workers=2, progress=lambda *at: seen.append(at))
    alone, same = ingestion.ingest(root, workers=1)
    pd.testing.assert_frame_equal(frame, alone)
    assert summary == same
    assert seen == [(done, 71) for done in range(1, 72)]


def test_images_above_the_usual_size_are_read_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(ingestion, "USUAL_PIXELS", 1000)
    _, summary = ingestion.ingest(sound(tmp_path))
    assert (summary.images, summary.masks, summary.issues) == (4, 2, ())


def test_figures_show_classes_formats_sizes_and_qualities(tmp_path):
    frame, _ = ingestion.ingest(sound(tmp_path))
    figures = summary_figures(frame)
    assert sorted(figures) == ["classes", "formats", "qualities", "sizes"]
    for name, figure in figures.items():
        assert isinstance(figure, Figure)
        figure.savefig(tmp_path / f"{name}.png")
        assert len(figure.axes[0].get_title()) > 5


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs CASIA in ../shared/data")
def test_the_real_sample_of_casia_2():
    frame, summary = ingestion.ingest(SHARED / "casia2_sample", workers=1)
    assert (summary.authentic, summary.forged, summary.masks) == (40, 56, 18)
    assert summary.formats == {"JPEG": 58, "TIFF": 38}
    assert summary.counts == {"mask_missing": 38, "mask_not_binary": 1}
    assert frame["group"].nunique() < len(frame)
