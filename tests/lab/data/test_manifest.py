"""The manifest's schema, its file and its digest."""

import pandas as pd
import pytest

from forgery_lab.data import manifest
from forgery_lab.errors import DataError


def row(number=1, **changes):
    return {
        "path": f"Au/Au_ani_{number:05}.jpg",
        "label": 0,
        "kind": "authentic",
        "category": "ani",
        "source_ids": [f"ani{number:05}"],
        "group": "g1",
        "sha256": f"{number:064x}",
        "phash": f"{number:016x}",
        "format": "JPEG",
        "width": 384,
        "height": 256,
        "mode": "RGB",
        "jpeg_quality": 90,
        "jpeg_tables": "abc",
        "mask_path": None,
        "subsampling": "4:2:0",
        "bytes": 1000,
        **changes,
    }


def forged(number=2, **changes):
    return row(
        number,
        **{
            "path": f"Tp/Tp_D_NRN_S_N_ani00001_art0000{number}_00001.tif",
            "label": 1,
            "kind": "splice",
            "source_ids": ["ani00001", f"art0000{number}"],
            "format": "TIFF",
            "jpeg_quality": None,
            "jpeg_tables": None,
            "subsampling": None,
            "mask_path": "Groundtruth/x_gt.png",
            **changes,
        },
    )


def test_a_manifest_survives_its_file(tmp_path):
    frame = manifest.build([forged(), row()])
    manifest.write(frame, tmp_path / "made" / "manifest.parquet")
    again = manifest.read(tmp_path / "made" / "manifest.parquet")
    pd.testing.assert_frame_equal(frame, again)
    assert again["path"].is_monotonic_increasing
    assert again["label"].dtype == "int8"
    assert again["jpeg_quality"].dtype == "Int16"
    assert again["jpeg_quality"].isna().tolist() == [False, True]
    assert again["mask_path"].isna().tolist() == [True, False]
    assert again["source_ids"].tolist() == [["ani00001"], ["ani00001", "art00002"]]
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["manifest.parquet"]


def test_the_same_manifest_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        manifest.write(manifest.build([row(), forged()]), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"path": "../x.jpg"}, r"path, row 0: got '../x.jpg'"),
        ({"path": "/x.jpg"}, "path, row 0"),
        ({"label": 2, "kind": "splice"}, r"label, row 0: got 2; allowed: 0"),
        ({"label": 1}, "kind, row 0: 'authentic' contradicts the label 1"),
        ({"kind": "fake"}, "kind, row 0: got 'fake'; allowed: authentic, splice"),
        ({"sha256": "XYZ"}, "sha256, row 0: got 'XYZ'; allowed: 64 hexadecimal digits"),
        ({"phash": "12"}, "phash, row 0"),
        ({"width": 0}, "width, row 0: got 0; allowed: 1 or more"),
        ({"width": "wide"}, "width: a value is not of type int32"),
        ({"jpeg_quality": 101}, "jpeg_quality, row 0: got 101"),
        ({"group": None}, "group, row 0: got nothing"),
        ({"source_ids": [""]}, "source_ids, row 0"),
        ({"mask_path": "a\\b"}, "mask_path, row 0"),
        ({"colour": "red"}, "columns: the manifest has unknown colour"),
    ],
)
def test_a_fault_is_named(changes, said):
    with pytest.raises(DataError, match=said):
        manifest.build([row(**changes)])


def test_missing_columns_and_double_paths_are_named(tmp_path):
    with pytest.raises(DataError, match="lacks sha256, mask_path"):
        manifest.validate(manifest.build([row()]).drop(columns=["sha256", "mask_path"]))
    with pytest.raises(DataError, match="occurs in two rows"):
        manifest.build([row(), row()])


def test_a_refused_manifest_leaves_no_file(tmp_path):
    frame = manifest.build([row()]).assign(width=-1)
    with pytest.raises(DataError, match="width"):
        manifest.write(frame, tmp_path / "manifest.parquet")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_manifest_is_said(tmp_path):
    with pytest.raises(DataError, match=r"missing.parquet: there is no such manifest"):
        manifest.read(tmp_path / "missing.parquet")
    (tmp_path / "text.parquet").write_text("no parquet")
    with pytest.raises(DataError, match="not a Parquet file"):
        manifest.read(tmp_path / "text.parquet")
    pd.DataFrame({"path": ["a"]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(DataError, match=r"other.parquet: columns: the manifest lacks label"):
        manifest.read(tmp_path / "other.parquet")


def test_the_digest_is_of_the_content_and_not_of_the_order():
    frame = manifest.build([row(), forged()])
    mixed = frame.iloc[::-1][frame.columns[::-1]].reset_index(drop=True)
    assert manifest.digest(mixed) == manifest.digest(frame)
    assert manifest.digest(manifest.build([row(), forged(width=385)])) != manifest.digest(frame)
    assert len(manifest.digest(frame)) == 32
