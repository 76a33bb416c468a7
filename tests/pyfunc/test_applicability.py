import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from forgery import SHIPPED
from forgery_lab.forgeries import scenes
from forgery_pyfunc.detector import CLASSIFIER_FILE, Detector
from tests.conftest import encoded, picture

CASE = Path(__file__).resolve().parents[3] / "shared/cases/screenshot-3-called-forged-0.97.png"


@pytest.fixture(scope="module")
def detector(detector_folder):
    """One that judges drawings and screenshots too."""
    return Detector.load(detector_folder)


@pytest.fixture(scope="module")
def judge(detector_folder, tmp_path_factory):
    """One that brings the shipped classifier of photographs."""
    folder = tmp_path_factory.mktemp("judge") / "detector"
    shutil.copytree(detector_folder, folder)
    shutil.copy(SHIPPED / CLASSIFIER_FILE, folder)
    return Detector.load(folder)


def drawing():
    image = Image.new("RGB", (320, 240), "white")
    pen = ImageDraw.Draw(image)
    pen.ellipse((40, 40, 200, 180), fill="red", outline="black", width=3)
    pen.line((0, 230, 319, 10), fill="blue", width=2)
    return np.asarray(image)


def written(ground, size, lines, every, start, text, ink):
    """Lines of text on a ground, as a window shows them."""
    image = Image.new("RGB", size, ground)
    pen = ImageDraw.Draw(image)
    for line in range(lines):
        pen.text((start[0], start[1] + every * line), text, fill=ink)
    return np.asarray(image)


def screenshot():
    text = "File  Edit  View  a line of text in a window"
    return written((240, 240, 240), (480, 320), 6, 50, (20, 20), text, "black")


def page(noise=2.0):
    """A scanned page: letters on paper, turned a little, blurred and grainy."""
    image = Image.new("L", (620, 880), 245)
    pen = ImageDraw.Draw(image)
    for line in range(38):
        pen.text((40, 30 + 22 * line), "Lorem ipsum dolor sit amet consectetur " * 2, fill=30)
    image = image.rotate(0.7, Image.Resampling.BICUBIC, fillcolor=245)
    image = image.filter(ImageFilter.GaussianBlur(0.6))
    grain = np.random.default_rng(1).normal(0, noise, (880, 620))
    return np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)[..., np.newaxis].repeat(3, 2)


def window_of_text():
    """A screenshot full of letters, light on dark."""
    text = "def forged(picture): return verdict()"
    return written((30, 32, 40), (640, 400), 22, 18, (8, 4), text, "white")


NOISE = np.random.default_rng(0).integers(0, 256, (128, 192, 3), np.uint8)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
@pytest.mark.parametrize(
    ("pixels", "code"),
    [
        (np.full((128, 192, 3), 77, np.uint8), "not_a_photograph"),
        (drawing(), "not_a_photograph"),
        (screenshot(), "not_a_photograph"),
        (page(), "not_a_photograph"),
        (page(noise=5.0), "not_a_photograph"),
        (window_of_text(), "not_a_photograph"),
        (NOISE, "noise"),
    ],
    ids=["one tone", "drawing", "screenshot", "page", "grainy page", "window of text", "noise"],
)
def test_what_is_no_photograph_is_inconclusive_with_the_reason(judge, pixels, code, file_format):
    record = judge.score(encoded(pixels, file_format))
    assert record.verdict == "inconclusive"
    assert record.reason.startswith(f"{code}: ")
    assert record.probability is None
    assert record.error is None


@pytest.mark.parametrize("pixels", [drawing(), screenshot(), page(), window_of_text()])
def test_without_a_classifier_drawings_and_screenshots_are_judged(detector, pixels):
    record = detector.score(encoded(pixels))
    assert record.reason is None
    assert 0 <= record.probability <= 1


@pytest.mark.parametrize("pixels", [np.full((128, 192, 3), 77, np.uint8), NOISE])
def test_blank_images_and_noise_are_declined_without_a_classifier(detector, pixels):
    assert detector.score(encoded(pixels)).verdict == "inconclusive"


def test_the_reason_says_how_likely_a_photograph_was(judge):
    reason = judge.score(encoded(screenshot(), "PNG")).reason
    assert re.search(r"probability of being a photograph 0\.\d\d\)", reason)


@pytest.mark.skipif(not CASE.is_file(), reason="needs ../shared/cases")
def test_the_screenshot_that_was_called_forged_is_declined():
    assert Detector.shipped().score(CASE).reason.startswith("not_a_photograph: ")


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "RGBA", "I;16"])
def test_photographs_of_every_mode_are_scored(detector, mode):
    image = Image.fromarray(picture())
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 256)
    else:
        image = image.convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "TIFF" if mode in ("CMYK", "I;16") else "PNG")
    record = detector.score(buffer.getvalue(), with_heatmap=True)
    assert record.reason is None
    assert 0 <= record.probability <= 1
    assert record.heatmap


@pytest.mark.parametrize("colours", [16, 256])
@pytest.mark.parametrize("mode", ["P", "RGB"])
def test_a_photograph_of_a_palette_is_inconclusive_with_the_reason(detector, colours, mode):
    rng = np.random.default_rng(0)
    image = Image.fromarray(scenes.render("nat", rng, 200, 260)).quantize(colours).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    record = detector.score(buffer.getvalue())
    assert record.verdict == "inconclusive"
    assert record.reason.startswith("few_colours: ")


@pytest.mark.parametrize("size", [(4000, 64), (64, 4000), (65, 71)])
def test_long_thin_and_small_photographs_are_scored(detector, size):
    record = detector.score(encoded(picture(*size), quality=80))
    assert record.reason is None
    assert (record.width, record.height) == size
