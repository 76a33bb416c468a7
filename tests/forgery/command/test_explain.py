import json

import numpy as np
import pytest
from PIL import Image

from forgery.evidence.views import VIEWS
from forgery_pyfunc.imaging.jpeg_encoder import encode
from tests.forgery.command.runner import forgery
from tests.forgery.evidence.scenes import scene
from tests.pyfunc.explaining.test_copied import grainy
from tests.pyfunc.features.test_copymove import with_copy
from tests.webui.pictures import picture


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encode(scene(256, 384), quality=90))
    return path


def test_evidence_lies_beside_the_picture_in_full_size(photo):
    result = forgery("explain", photo)
    assert result.exit_code == 0, result.stderr
    folder = photo.with_name("photo-evidence")
    files = {path.name for path in folder.iterdir()}
    assert files == {"verdict.txt", "heatmap.png", *(f"{name}.png" for name in VIEWS)}
    for path in folder.glob("*.png"):
        with Image.open(path) as drawn:
            assert np.asarray(drawn).any() or path.name == "grid.png", path.name
            if path.name != "ghosts.png":  # nine maps on one sheet
                assert drawn.size == (384, 256), path.name
    assert (folder / "verdict.txt").read_text() == result.stdout
    assert result.stdout.startswith("photo.jpg: No ")
    assert "\nWhy: " in result.stdout
    assert "\nEarlier saves (" in result.stdout
    assert result.stderr == f"Written to {folder}\n"


def test_a_copy_is_framed_and_told(tmp_path):
    path = tmp_path / "copied.jpg"
    path.write_bytes(encode(with_copy(grainy(), 80, (32, 40), (120, 240)), quality=95))
    said = json.loads(forgery("explain", path, "--json").stdout)
    assert said["record"]["explanation"]["kind"] == "copy"
    assert said["why"]["summary"].startswith("Mainly because places in the picture look like")
    assert "200 pixels to the" in said["why"]["reasons"][0]["text"]
    assert "copies_overlay" not in said["why"]
    with Image.open(tmp_path / "copied-evidence" / "copies.png") as drawn:
        assert drawn.size == (384, 256)


def test_verdict_and_facts_as_json_without_the_place(photo, tmp_path):
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (47.0, 30.0, 0.0), 3: "E", 4: (8.0, 30.0, 0.0)}
    path = tmp_path / "there.jpg"
    Image.fromarray(scene(256, 384)).save(path, exif=exif)
    said = json.loads(forgery("explain", path, "--json", "-o", tmp_path / "out").stdout)
    assert said["record"]["verdict"]
    assert "heatmap" not in said["record"]
    assert {one["file"] for one in said["files"]} == {
        p.name for p in (tmp_path / "out").glob("*.png")
    }
    assert said["facts"]["has_location"]
    assert said["facts"]["location"] is None
    told = json.loads(forgery("explain", path, "--json", "--location").stdout)
    assert told["facts"]["location"].startswith("47.5")


def test_what_cannot_be_explained_says_why_and_writes_nothing(tmp_path):
    (tmp_path / "notes.txt").write_text("notes")
    result = forgery("explain", tmp_path / "notes.txt")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {tmp_path / 'notes.txt'}: The file is text")
    assert forgery("explain", tmp_path / "gone").stderr.endswith(
        "gone: No such file or directory\n"
    )
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt"}


def test_a_picture_too_small_for_the_method_is_explained_as_far_as_it_goes(tmp_path):
    (tmp_path / "ela.png").write_bytes(picture(90, "PNG", 40, 40))
    assert "Too small to judge" in forgery("explain", tmp_path / "ela.png").stdout
    before = (tmp_path / "ela.png").read_bytes()
    result = forgery("explain", tmp_path / "ela.png", "-o", tmp_path)
    assert "would be overwritten" in result.stderr
    assert (tmp_path / "ela.png").read_bytes() == before


def test_metadata_cannot_command_a_terminal(tmp_path):
    exif = Image.Exif()
    exif[0x0131] = "Soft\x1b[31mware"
    Image.fromarray(scene(128, 128)).save(tmp_path / "a.jpg", exif=exif)
    said = forgery("explain", tmp_path / "a.jpg").stdout
    assert "ware" in said
    assert "\x1b" not in said
