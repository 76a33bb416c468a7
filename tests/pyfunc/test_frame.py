import base64
import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from forgery_pyfunc import frame
from forgery_pyfunc.decoding import decode
from forgery_pyfunc.detector import Detector
from tests.conftest import encoded, picture, write_detector


def framed(pixels, top, bottom, left, right, tone=0):
    """Return the picture with bars of one tone, uint8[H, W, 3]."""
    widths = ((top, bottom), (left, right), (0, 0))
    return np.pad(pixels, widths, constant_values=tone)


@pytest.mark.parametrize("tone", [0, 255, 90])
@pytest.mark.parametrize("quality", [None, 60, 90])
def test_what_lies_inside_bars_is_found_and_starts_on_the_grid(tone, quality):
    pixels = framed(picture(208, 160), 60, 44, 32, 0, tone)
    data = encoded(pixels, "PNG") if quality is None else encoded(pixels, quality=quality)
    rows, columns = frame.inside(decode(data).luma, 64)
    assert rows.start % 8 == columns.start % 8 == 0
    assert 60 <= rows.start <= 60 + 16
    assert 60 + 160 - 16 <= rows.stop <= 60 + 160
    assert 32 <= columns.start <= 32 + 16
    assert columns.stop == 240


def test_a_picture_without_bars_is_left_whole():
    luma = picture()[..., 0]
    whole = slice(0, 128), slice(0, 192)
    assert frame.inside(luma, 64) == whole
    thin = framed(picture(), 6, 6, 6, 6)[..., 0]
    assert frame.inside(thin, 64) == (slice(0, 140), slice(0, 204))
    shaded = np.linspace(0, 255, 128)[:, None].repeat(192, 1).astype(np.uint8)
    assert frame.inside(shaded, 64) == whole


def test_too_little_inside_is_left_whole():
    luma = framed(picture(192, 70), 50, 50, 0, 0)[..., 0]
    assert frame.inside(luma, 64) == (slice(0, 170), slice(0, 192))
    assert frame.inside(np.full((128, 192), 7, np.uint8), 64) == (slice(0, 128), slice(0, 192))


def test_bars_change_neither_probability_nor_map_of_what_is_inside(tmp_path):
    detector = Detector.load(write_detector(tmp_path / "d"))
    grain = ndimage.uniform_filter(np.random.default_rng(0).normal(0, 30, (256, 384, 3)), (2, 2, 0))
    pixels = (picture(384, 256) + grain).clip(0, 255).astype(np.uint8)
    bars = framed(pixels, 96, 96, 0, 0)
    plain = detector.score(encoded(pixels[8:248], "PNG"), with_heatmap=True)
    barred = detector.score(encoded(bars, "PNG"), with_heatmap=True)
    assert (barred["width"], barred["height"]) == (384, 448)
    assert barred["probability"] == pytest.approx(plain["probability"], abs=1e-6)
    inner, outer = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(record["heatmap"]))))
        for record in (plain, barred)
    )
    assert outer.shape == (448, 384)
    assert (outer[:90] == 0).all()
    assert (outer[-90:] == 0).all()
    assert (outer[112:336] == inner[8:232]).all()
