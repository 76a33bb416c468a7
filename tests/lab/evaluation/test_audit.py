"""Audit: a planted shortcut is caught, a clean data set is not accused."""

import json

import numpy as np
import pytest
from PIL import Image

from forgery_lab.data import folders
from forgery_lab.errors import DataError
from forgery_lab.evaluation import audit
from forgery_pyfunc.imaging.jpeg_encoder import encode


def write(root, first, second, number=60, names=("real", "fake")):
    """Write two classes of noise pictures; `first` and `second` save the pixels of one each."""
    rng = np.random.default_rng(0)
    for name, save in zip(names, (first, second), strict=True):
        (root / name).mkdir(parents=True)
        for i in range(number):
            small = Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8))
            pixels = np.asarray(small.resize((64, 64), Image.Resampling.BICUBIC))
            data, extension = save(pixels, rng)
            (root / name / f"{name}_{i}.{extension}").write_bytes(data)
    return root


def plain(pixels, rng):
    return encode(pixels, quality=int(rng.integers(80, 96))), "jpg"


def planted(pixels, rng):
    """The same qualities, but saved by another program: 4:4:4."""
    return encode(pixels, quality=int(rng.integers(80, 96)), subsampling="4:4:4"), "jpg"


@pytest.fixture(scope="module")
def caught(tmp_path_factory):
    return audit.audit(
        write(tmp_path_factory.mktemp("shortcut"), plain, planted), seed=0, resamples=200
    )


def by_rule(found):
    return {one.rule: one for one in found.findings}


def test_a_planted_shortcut_is_caught_and_named(caught):
    assert caught.telling == "nearly all"
    assert caught.verdict.startswith("Nearly all of the label can be predicted")
    rules = by_rule(caught)
    assert rules["header"].auc.low > 0.95
    assert rules["extension"].auc.value == pytest.approx(0.5, abs=0.1)
    assert rules["size"].auc.value == pytest.approx(0.5, abs=0.1)
    assert caught.classes == {"real": 60, "fake": 60}
    assert any("Match the compression histories" in advice for advice in caught.advice)


def test_a_data_set_without_shortcut_is_not_accused(tmp_path):
    found = audit.audit(write(tmp_path, plain, plain, 100), seed=0, resamples=200)
    assert found.telling == "little"
    assert found.verdict.startswith("Little of the label")
    assert not any("Match" in advice for advice in found.advice)


def test_an_extension_is_told_and_shown_by_example(tmp_path):
    def as_png(pixels, rng):
        import io

        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        return buffer.getvalue(), "png"

    found = audit.audit(write(tmp_path, plain, as_png, 30), seed=0, resamples=100)
    extension = by_rule(found)["extension"]
    assert extension.auc.value > 0.95
    assert "100% of 30 images are forged" in extension.example or "0% of 30" in extension.example


def test_the_same_file_in_both_classes_is_counted(tmp_path):
    root = write(tmp_path, plain, plain, 30)
    for path in sorted((root / "real").iterdir())[:3]:
        (root / "fake" / f"copy_{path.name}").write_bytes(path.read_bytes())
    found = audit.audit(root, seed=0, resamples=100)
    assert found.duplicates["identical_across_classes"] == 3
    assert any("byte-identical" in advice for advice in found.advice)


def test_unreadable_files_are_listed_and_the_rest_goes_on(tmp_path):
    root = write(tmp_path, plain, plain, 15)
    (root / "real" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    found = audit.audit(root, seed=0, resamples=100)
    assert [one["file"] for one in found.left_out] == ["real/broken.jpg"]


def test_html_and_json_say_the_same(caught, tmp_path):
    audit.write(tmp_path, caught)
    page = (tmp_path / audit.PAGE).read_text()
    data = json.loads((tmp_path / audit.DATA).read_text())
    assert data["verdict"] == caught.verdict
    assert caught.verdict.replace("'", "&#39;") in page
    assert "http" not in page


def test_casia_folders_are_taken_as_such(tmp_path):
    root = write(tmp_path, plain, plain, 12, names=("Au", "Tp"))
    (root / "Groundtruth").mkdir()
    (root / "Groundtruth" / "a_gt.png").write_bytes(b"")
    found, forged = folders.two_classes(root)
    assert set(found) == {"Au", "Tp"}
    assert forged == "Tp"


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda root: None, "two subfolders with images"),
        (lambda root: write(root, plain, plain, 12, ("one", "two")) / "one", "found: none"),
        (lambda root: write(root, plain, plain, 4), "an audit needs 10"),
        (lambda root: root / "missing", "is not a folder"),
    ],
)
def test_folders_that_cannot_be_audited_are_refused_in_a_sentence(tmp_path, prepare, message):
    with pytest.raises(DataError, match=message):
        audit.audit(prepare(tmp_path) or tmp_path, seed=0)


def test_elsewhere_takes_a_folder_of_photographs_as_authentic(tmp_path):
    write(tmp_path, plain, plain, 5, names=("nikon", "canon"))
    rows, refused = folders.elsewhere(tmp_path)
    assert (len(rows), rows["label"].sum(), refused) == (10, 0, [])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no image"):
        folders.elsewhere(tmp_path / "empty")
