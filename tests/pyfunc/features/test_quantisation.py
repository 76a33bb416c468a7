"""Quantisation steps: from the file's table, or from the pixels that a save left."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from forgery import SHIPPED
from forgery_pyfunc.detector import Detector
from forgery_pyfunc.features.quantisation import FINE_STEP, luma_table
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.jpeg_encoder import encode
from forgery_pyfunc.imaging.jpeg_header import ZIGZAG, standard_table
from tests.conftest import encoded

SEEN = ZIGZAG[1:21]
CASE = (
    Path(__file__).resolve().parents[4]
    / "shared/cases/photo-authentic-0.28-its-png-forged-0.97.jpg"
)


def scene(height: int = 256, width: int = 384, seed: int = 1) -> np.ndarray:
    """Return uint8[height, width, 3], coarse and fine detail without clipped pixels."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(70, 180, (height // 6 + 2, width // 6 + 2, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    return (smooth + rng.normal(0, 6, smooth.shape)).clip(1, 254).astype(np.uint8)


def saved(pixels: np.ndarray, quality: int) -> np.ndarray:
    return decode(encode(pixels, quality=quality)).pixels


def steps_of(data: bytes) -> np.ndarray:
    return luma_table(decode(data)).ravel()[SEEN]


@pytest.mark.parametrize("quality", [55, 70, 80, 90, 95])
@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF"])
def test_a_lossless_copy_of_a_jpeg_has_its_table(quality, file_format):
    data = encoded(saved(scene(), quality), file_format)
    np.testing.assert_array_equal(steps_of(data), standard_table(quality).ravel()[SEEN])


def test_a_lossless_copy_has_the_table_of_a_camera_too():
    table = standard_table(85)
    table.ravel()[ZIGZAG[1:64:3]] += 2
    data = encode(scene(), tables=[table.ravel().tolist(), standard_table(85).ravel().tolist()])
    copy = encoded(decode(data).pixels, "PNG")
    np.testing.assert_array_equal(steps_of(data), table.ravel()[SEEN])
    np.testing.assert_array_equal(steps_of(copy), table.ravel()[SEEN])


def test_a_save_too_fine_to_matter_leaves_the_table_of_the_one_before():
    data = encode(saved(scene(), 75), quality=100, subsampling="4:4:4")
    np.testing.assert_array_equal(steps_of(data), standard_table(75).ravel()[SEEN])


def never_saved(pixels):
    return pixels


def shifted(pixels):
    return saved(pixels, 80)[3:, 5:]


def reduced(pixels):
    return np.asarray(Image.fromarray(saved(pixels, 80)).resize((300, 200)))


def with_a_pasted_part(pixels):
    pixels = saved(pixels, 80).copy()
    pixels[64:128, 100:180] = saved(scene(seed=2), 80)[3:67, 5:85]
    return pixels


def of_one_tone(pixels):
    return np.full_like(pixels, 90)


def clipped(pixels):
    return np.where(pixels > 120, 255, 0).astype(np.uint8)


@pytest.mark.parametrize(
    "made", [never_saved, shifted, reduced, with_a_pasted_part, of_one_tone, clipped]
)
@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
def test_pixels_that_no_one_save_left_have_fine_steps(made, file_format):
    pixels = np.ascontiguousarray(made(scene()))
    options = {"quality": 100, "subsampling": 0} if file_format == "JPEG" else {}
    assert (steps_of(encoded(pixels, file_format, **options)) == FINE_STEP).all()


def test_a_large_image_is_read_by_a_sample_of_its_blocks():
    data = io.BytesIO()
    Image.fromarray(saved(scene(1600, 2400), 85)).save(data, "BMP")
    np.testing.assert_array_equal(steps_of(data.getvalue()), standard_table(85).ravel()[SEEN])


@pytest.mark.skipif(not CASE.is_file(), reason="the shared cases are not here")
def test_the_png_of_an_authentic_photograph_stays_authentic():
    detector = Detector.load(SHIPPED)
    photo = detector.score(CASE)
    copy = detector.score(encoded(decode(CASE.read_bytes()).pixels, "PNG"))
    assert photo.verdict == copy.verdict == "authentic"
    assert copy.probability == pytest.approx(photo.probability, abs=0.05)
