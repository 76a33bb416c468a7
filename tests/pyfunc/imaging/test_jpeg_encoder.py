import hashlib

import numpy as np
import pytest

from forgery_pyfunc.imaging.jpeg_encoder import encode


def picture() -> np.ndarray:
    rows, columns = np.mgrid[:64, :96]
    wave = 40 + rows * columns * 5 % 97 + np.abs(columns % 40 - 20) * 4
    return np.stack([wave, 255 - wave, (rows * columns) % 256], -1).astype(np.uint8)


def test_golden_bytes():
    """A change here means that a new Pillow saves differently: retrain before a release."""
    digests = [
        hashlib.sha256(encode(picture(), **options)).hexdigest()[:16]
        for options in (
            {"quality": 90},
            {"quality": 70, "subsampling": "4:4:4"},
            {"tables": [range(1, 65), range(2, 66)]},
        )
    ]
    assert digests == ["b3ce0f503ff77fc1", "e3c8099eb8915360", "41402244569d51f4"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"quality": 0},
        {"quality": 101},
        {"quality": 90, "tables": [[1] * 64]},
        {"tables": [[1] * 63]},
        {"tables": [[0] * 64]},
        {"tables": []},
        {"quality": 90, "subsampling": "4:1:1"},
    ],
)
def test_bad_parameters_are_named(options):
    with pytest.raises(ValueError, match=r"quality|tables|subsampling"):
        encode(picture(), **options)


def test_bad_pixels_are_named():
    with pytest.raises(ValueError, match="pixels: got float64"):
        encode(picture() / 255.0, quality=90)
    with pytest.raises(ValueError, match="sides from 1 to 65500"):
        encode(np.zeros((8, 65501), np.uint8), quality=90)
