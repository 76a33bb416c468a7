"""Folders, names, corrections and masks of CASIA 1.0 and 2.0."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forgery_lab.data import casia
from forgery_lab.errors import DataError

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


def made(folder, *parts):
    for part in parts:
        (folder / part).mkdir(parents=True)
    return folder


# --- folders


@pytest.mark.parametrize("masks", ["Groundtruth", "CASIA 2 Groundtruth"])
@pytest.mark.parametrize("deeper", ["", "CASIA2", "archive/CASIA2"])
def test_the_data_set_is_found_also_when_it_lies_deeper(tmp_path, deeper, masks):
    root = made(tmp_path / deeper, "Au", "Tp", masks)
    assert casia.find_layout(tmp_path) == casia.Layout(root, root / "Au", root / "Tp", root / masks)


def test_masks_are_optional(tmp_path):
    assert casia.find_layout(made(tmp_path, "Au", "Tp")).masks is None


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([], "the folder is empty"),
        (["Au"], "the folder Tp/ of tampered images is missing"),
        (["Tp"], "the folder Au/ of authentic images is missing"),
        (["CASIA2/Tp"], "the folder Au/ of authentic images is missing"),
        (["holiday"], "the folders Au/ and Tp/ are missing"),
        (["one/Au", "one/Tp", "two/Au", "two/Tp"], r"several data sets here \(one, two\)"),
    ],
)
def test_what_is_missing_is_said_with_the_folder(tmp_path, parts, said):
    with pytest.raises(DataError, match=said) as error:
        casia.find_layout(made(tmp_path, *parts))
    assert str(tmp_path) in str(error.value)


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(DataError, match="there is no such folder; expected: Au/"):
        casia.find_layout(tmp_path / "nowhere")


# --- names


@pytest.mark.parametrize(
    ("name", "kind", "category", "ids", "number"),
    [
        ("Au_ani_00001.jpg", "authentic", "ani", ("ani00001",), None),
        ("Au_ani_0001.jpg", "authentic", "ani", ("ani00001",), None),
        ("Au/Au_txt_30029.bmp", "authentic", "txt", ("txt30029",), None),
        (
            "Tp_D_CRN_S_N_cha00063_art00014_11818.jpg",
            "splice",
            "cha",
            ("cha00063", "art00014"),
            11818,
        ),
        ("Tp_S_CnN_S_N_txt00071_txt00071_01297.tif", "copy-move", "txt", ("txt00071",), 1297),
        ("Tp_D_CNN_M_N_arc00086_xxx00000_00306.tif", "splice", "arc", ("arc00086",), 306),
        ("Sp_S_NNN_C_txt0015_txt0015_0015.jpg", "copy-move", "txt", ("txt00015",), 15),
        ("Sp_D_NRN_A_ani0003_arc0066_0405_gt.png", "splice", "ani", ("ani00003", "arc00066"), 405),
    ],
)
def test_names_of_both_editions_are_read_alike(name, kind, category, ids, number):
    assert casia.parse(name) == casia.CasiaName(kind, category, ids, number)


@pytest.mark.parametrize(
    ("name", "kind", "ids", "correction"),
    [
        (
            "Sp_S_NNN_A_arc0002_arc0026_0201.jpg",
            "splice",
            ("arc00002", "arc00026"),
            "the letter S contradicts",
        ),
        (
            "Sp_D_NNN_A_nat0052_nat0052_0325.jpg",
            "copy-move",
            ("nat00052",),
            "the letter D contradicts",
        ),
        (
            "Sp_D_NRN_A_sce0011_cha0011_0542.jpg",
            "splice",
            ("sec00011", "cha00011"),
            "sce is read as sec",
        ),
        (
            "Sp_D_NNN_A_ani0099_ani0100.0288.jpg",
            "splice",
            ("ani00099", "ani00100"),
            "there is a dot before",
        ),
    ],
)
def test_faulty_names_are_mended_and_it_is_said(name, kind, ids, correction):
    parsed = casia.parse(name)
    assert (parsed.kind, parsed.source_ids) == (kind, ids)
    assert correction in parsed.corrections[0]


@given(st.text(max_size=60))
def test_any_other_name_is_none_and_never_an_error(name):
    parsed = casia.parse(name)
    assert parsed is None or name.lower().lstrip("./").rpartition("/")[2][:2] in ("au", "tp", "sp")


def test_the_name_of_the_mask_corrects_that_of_the_image():
    image = casia.parse("Sp_D_NRN_A_cha0037_cha0037_0513.jpg")
    mask = casia.parse("Sp_D_NRN_A_cha0037_cha0043_0513_gt.png")
    corrected = casia.correct(image, mask)
    assert corrected.kind == "splice"
    assert corrected.source_ids == ("cha00037", "cha00043")
    assert "the mask's name corrects it" in corrected.corrections[0]
    assert casia.correct(image, None) is image


# --- masks


def test_masks_are_matched_by_name_then_by_number_and_ids():
    pairs = {
        "Sp_D_NNN_A_ani0001_art0002_0001.jpg": "Sp_D_NNN_A_ani0001_art0002_0001_gt.png",
        "Sp_D_NRN_A_ani0003_arc0066_0405.jpg": "Sp_D_NRN_A_arc0066_ani0003_0405_gt.png",
        "Sp_S_NNN_A_arc0002_arc0026_0201.jpg": "Tp_D_NNN_A_arc0002_arc0026_0201_gt.png",
        "Sp_D_NNN_A_sec0049_sec0049_0117.jpg": "Sp_D_NNN_A_sec0049_sec0050_0117_gt.png",
        "Sp_D_NRN_A_ant0063_nat0065_0443.jpg": "Sp_D_NRN_A_nat0063_nat0065_0443_gt.png",
        "my forgery.png": "my forgery_gt.png",
        "same name.png": "same name.bmp",
    }
    others = ["Sp_D_NRN_A_ani0009_ani0010_0900.jpg"]
    strangers = ["Sp_D_NRN_A_nat0001_nat0002_0900_gt.png", "nonsense.png"]
    assert casia.match_masks([*pairs, *others], [*pairs.values(), *strangers]) == pairs


def test_a_mask_that_two_images_could_claim_is_left():
    images = ["Sp_D_NNN_A_ani0001_art0002_0001.jpg", "Sp_D_NNN_A_art0002_ani0001_0001.jpg"]
    assert casia.match_masks(images, ["Sp_S_NNN_A_ani0001_art0002_0001_gt.png"]) == {}


# --- the real names


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the CASIA name lists in ../shared/data")
def test_all_names_of_casia_2_are_read():
    def names(which):
        return (SHARED / "casia2_names" / f"{which}_list.txt").read_text().split("\n")

    authentic = [name for name in names("au") if name]
    tampered = [name for name in names("tp") if name]
    masks = [name for name in names("groundtruth") if name.startswith("Tp_")]
    parsed = [casia.parse(name) for name in [*authentic, *tampered]]
    assert Counter(one.kind for one in parsed) == {
        "authentic": 7491,
        "copy-move": 3295,
        "splice": 1828,
    }
    # The corrected names contradict themselves nowhere, so the rule behind the correction holds.
    assert not any(one.corrections for one in parsed)
    assert len(casia.match_masks(tampered, masks)) == 5122


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs CASIA 1.0 in ../shared/data")
def test_all_but_one_mask_of_casia_1_are_found():
    layout = casia.find_layout(SHARED / "casia1")
    images = [path.name for path in layout.tampered.iterdir()]
    masks = [path.name for path in layout.masks.iterdir()]
    found = casia.match_masks(images, masks)
    assert set(images) - set(found) == {"Sp_D_NRN_A_sce0011_cha0011_0542.jpg"}
    assert set(found.values()) == set(masks)
