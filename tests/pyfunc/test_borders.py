import base64
import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from forgery_pyfunc import borders
from forgery_pyfunc.calibration import Calibration
from forgery_pyfunc.detector import Detector
from forgery_pyfunc.features import residual
from forgery_pyfunc.imaging.decoding import decode
from tests.conftest import encoded, picture, write_detector


def framed(pixels, top, bottom, left, right, tone=0):
    """Return the picture with bars of one tone, uint8[H, W, 3]."""
    widths = ((top, bottom), (left, right), (0, 0))
    return np.pad(pixels, widths, constant_values=tone)


def grainy(width, height, seed=0):
    """Return a picture with grain, uint8[height, width, 3]."""
    noise = np.random.default_rng(seed).normal(0, 30, (height, width, 3))
    return (picture(width, height) + ndimage.uniform_filter(noise, (2, 2, 0))).clip(40, 220)


@pytest.mark.parametrize("tone", [0, 255])
@pytest.mark.parametrize("quality", [None, 60, 90])
def test_what_lies_inside_bars_is_found_and_starts_on_the_grid(tone, quality):
    pixels = framed(grainy(208, 160).astype(np.uint8), 60, 44, 32, 0, tone)
    data = encoded(pixels, "PNG") if quality is None else encoded(pixels, quality=quality)
    rows, columns = borders.inside(decode(data).luma, 64)
    assert rows.start % 16 == columns.start % 16 == 0
    assert 60 + 16 <= rows.start < 60 + 32
    assert 60 + 160 - 24 <= rows.stop <= 60 + 160 - 8
    assert 32 + 8 <= columns.start < 32 + 32
    assert columns.stop == 240


def test_a_bar_within_a_border_is_found_too():
    inner = framed(grainy(200, 200).astype(np.uint8), 90, 90, 0, 0)
    luma = framed(inner, 20, 20, 20, 20, tone=255)[..., 0]
    rows, columns = borders.inside(luma, 64)
    assert 20 + 90 <= rows.start < rows.stop <= 20 + 90 + 200
    assert 20 <= columns.start < columns.stop <= 20 + 200


@pytest.mark.parametrize("tone", [0, 255])
def test_a_tone_that_fades_into_the_picture_is_no_bar(tone):
    """As clipped skies and nights do, whose edge is not straight."""
    pixels = grainy(240, 200)[..., 0]
    edge = 60 + 25 * np.sin(np.arange(240) / 20)
    pixels[np.arange(200)[:, None] < edge] = tone
    assert borders.inside(pixels.astype(np.uint8), 64) == (slice(0, 200), slice(0, 240))


def test_a_picture_without_bars_is_left_whole():
    whole = slice(0, 128), slice(0, 192)
    assert borders.inside(picture()[..., 0], 64) == whole
    thin = framed(picture(), 6, 6, 6, 6)[..., 0]
    assert borders.inside(thin, 64) == (slice(0, 140), slice(0, 204))
    shaded = np.linspace(0, 255, 128)[:, None].repeat(192, 1).astype(np.uint8)
    assert borders.inside(shaded, 64) == whole
    assert borders.inside(np.full((128, 192), 7, np.uint8), 64) == whole


def test_bars_that_leave_too_little_stay_and_those_across_go():
    pixels = grainy(80, 300).astype(np.uint8)
    luma = framed(pixels, 100, 100, 10, 0)[..., 0]
    rows, columns = borders.inside(luma, 64)
    assert columns == slice(0, 90)
    assert (rows.start, rows.stop) == (128, 384)


def test_features_of_a_part_are_those_of_the_whole():
    image = decode(encoded(grainy(256, 192).astype(np.uint8), quality=80))
    whole = residual.extract(image)
    part = residual.extract(image.part(slice(32, 192), slice(48, 256)))
    np.testing.assert_allclose(part[4:-4, 4:-4], whole[8:-4, 10:-4], atol=1e-3)


@pytest.mark.parametrize("options", [{"format": "PNG"}, {"exif": 6, "quality": 95}])
def test_bars_change_neither_probability_nor_map_of_what_is_inside(options, tmp_path):
    calibration = Calibration(t_lo=0.3, t_hi=0.7, size_slope=0.4)
    detector = Detector.load(write_detector(tmp_path / "d", calibration=calibration))
    bars = framed(grainy(379, 261).astype(np.uint8), 96, 40, 64, 0)
    rows, columns = borders.inside(bars[..., 0], 64)
    if options.pop("exif", None):
        turned = Image.Exif()
        turned[0x0112] = 6
        data = encoded(bars, exif=turned, **options)
    else:
        data = encoded(bars, options["format"])
    decoded = decode(data)
    inner = decoded.part(*borders.inside(decoded.luma, 64))
    logit = detector.logits(inner).image
    record = detector.score(data, with_heatmap=True)
    expected = calibration.probability(logit, inner.width * inner.height)
    assert record.probability == pytest.approx(expected)
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(record.heatmap))))
    assert drawn.shape == (record.height, record.width)
    stored = np.rot90(drawn) if decoded.orientation == 6 else drawn
    assert stored.shape == bars.shape[:2]
    outside = np.ones(stored.shape, bool)
    outside[rows.start - 8 : rows.stop + 8, columns.start - 8 :] = False
    assert (stored[outside] == 0).all()
    assert stored[rows.start + 8 : rows.stop - 8, columns.start + 8 : columns.stop].min() > 0


def test_a_picture_in_a_phones_frame_is_not_taken_for_an_empty_one(tmp_path):
    detector = Detector.load(write_detector(tmp_path / "d"))
    bars = framed(grainy(360, 200).astype(np.uint8), 300, 300, 0, 0)
    assert detector.score(encoded(bars)).reason is None
