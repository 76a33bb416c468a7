import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from forgery_pyfunc.detector import Detector
from tests.conftest import encoded, picture


@pytest.fixture(scope="module")
def detector(detector_folder):
    return Detector.load(detector_folder)


def drawing():
    image = Image.new("RGB", (320, 240), "white")
    pen = ImageDraw.Draw(image)
    pen.ellipse((40, 40, 200, 180), fill="red", outline="black", width=3)
    pen.line((0, 230, 319, 10), fill="blue", width=2)
    return np.asarray(image)


def screenshot():
    image = Image.new("RGB", (480, 320), (240, 240, 240))
    pen = ImageDraw.Draw(image)
    for line in range(6):
        pen.text((20, 20 + 50 * line), "File  Edit  View  a line of text in a window", fill="black")
    return np.asarray(image)


NOISE = np.random.default_rng(0).integers(0, 256, (128, 192, 3), np.uint8)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
@pytest.mark.parametrize(
    ("pixels", "code"),
    [
        (np.full((128, 192, 3), 77, np.uint8), "not_a_photograph"),
        (drawing(), "not_a_photograph"),
        (screenshot(), "not_a_photograph"),
        (NOISE, "noise"),
    ],
    ids=["one tone", "drawing", "screenshot", "noise"],
)
def test_what_is_no_photograph_is_inconclusive_with_the_reason(detector, pixels, code, file_format):
    record = detector.score(encoded(pixels, file_format))
    assert record["verdict"] == "inconclusive"
    assert record["reason"].startswith(f"{code}: ")
    assert record["probability"] is None
    assert record["error"] is None


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "P", "RGBA", "I;16"])
def test_photographs_of_every_mode_are_scored(detector, mode):
    image = Image.fromarray(picture())
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 256)
    else:
        image = image.convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "TIFF" if mode in ("CMYK", "I;16") else "PNG")
    record = detector.score(buffer.getvalue(), with_heatmap=True)
    assert record["reason"] is None
    assert 0 <= record["probability"] <= 1
    assert record["heatmap"]


@pytest.mark.parametrize("size", [(4000, 64), (64, 4000), (65, 71)])
def test_long_thin_and_small_photographs_are_scored(detector, size):
    record = detector.score(encoded(picture(*size), quality=80))
    assert record["reason"] is None
    assert (record["width"], record["height"]) == size
