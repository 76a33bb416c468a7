import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from forgery_pyfunc.imaging.ela import error_levels


def picture() -> np.ndarray:
    rows, columns = np.mgrid[:64, :96]
    wave = 40 + rows * columns * 5 % 97 + np.abs(columns % 40 - 20) * 4
    return np.stack([wave, 255 - wave, (rows * columns) % 256], -1).astype(np.uint8)


def test_golden_bytes():
    """A change here means that a new Pillow saves differently: retrain before a release."""
    assert hashlib.sha256(error_levels(picture()).tobytes()).hexdigest()[:16] == "6a72dc707aa79de8"


def test_is_the_difference_to_one_save():
    output = io.BytesIO()
    Image.fromarray(picture()).save(output, "JPEG", quality=75, subsampling="4:2:0")
    saved = np.asarray(Image.open(output)).astype(int)
    assert np.array_equal(error_levels(picture(), quality=75), np.abs(picture() - saved))


def test_what_was_saved_before_at_that_quality_changes_less():
    once = picture() - error_levels(picture())
    assert error_levels(once).mean() < error_levels(picture()).mean()


def test_grey_array_is_refused():
    with pytest.raises(ValueError, match="pixels: got uint8"):
        error_levels(picture()[..., 0])


def test_images_longer_than_a_jpeg_may_be():
    strip = np.tile(picture()[:16], (1, 700, 1))
    levels = error_levels(strip)
    assert levels.shape == strip.shape == (16, 67200, 3)
    assert np.array_equal(levels[:, :9584], error_levels(strip[:, :9600])[:, :9584])
