import io

import numpy as np
import pytest
from PIL import Image
from scipy import fft

from forgery_pyfunc import features
from forgery_pyfunc.features import quantisation
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.jpeg_encoder import encode
from forgery_pyfunc.imaging.jpeg_header import ZIGZAG, standard_table


def scene(height: int = 136, width: int = 1100) -> np.ndarray:
    rng = np.random.default_rng(2)
    coarse = rng.integers(60, 196, (height // 4 + 2, width // 4 + 2, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def lossless(pixels: np.ndarray) -> bytes:
    output = io.BytesIO()
    Image.fromarray(pixels).save(output, "PNG")
    return output.getvalue()


def test_levels_are_those_that_an_encoder_of_our_own_wrote():
    """Blocks made from known levels, shown without loss, must give these levels back."""
    rng = np.random.default_rng(0)
    table = standard_table(80)
    levels = np.zeros((9, 12, 64))
    levels[..., ZIGZAG[:21]] = rng.integers(-3, 4, (9, 12, 21))
    levels[..., 0] = 0
    blocks = fft.idctn(levels.reshape(9, 12, 8, 8) * table, axes=(2, 3), norm="ortho") + 128
    luma = np.clip(np.rint(blocks), 0, 255).astype(np.uint8).transpose(0, 2, 1, 3).reshape(72, 96)
    image = decode(encode(luma, tables=[table.ravel().tolist()]))
    values = features.extract(image, ["dct"])
    same = values[..., :20] == levels[..., ZIGZAG[1:21]]
    assert same.mean() > 0.995


@pytest.mark.parametrize("quality", [50, 75, 92])
def test_equals_the_slow_reference(quality):
    image = decode(encode(scene(), quality=quality))
    values = features.extract(image, ["dct"])
    table = standard_table(quality)
    assert values.shape == (17, 137, 40)
    for i, j in ((0, 0), (16, 136), (3, 129), (11, 64)):
        block = image.luma[8 * i : 8 * i + 8, 8 * j : 8 * j + 8].astype(float)
        levels = np.rint(fft.dctn(block, norm="ortho") / table).ravel()[ZIGZAG[1:21]]
        assert np.array_equal(values[i, j, :20], np.clip(levels, -5, 5))
        assert np.allclose(values[i, j, 20:], np.log2(table.ravel()[ZIGZAG[1:21]]) - 3)


def test_a_lossless_copy_has_the_levels_of_the_jpeg():
    saved = decode(encode(scene(), quality=80))
    copy = decode(lossless(saved.pixels))
    same = features.extract(copy, ["dct"]) == features.extract(saved, ["dct"])
    assert same.mean() > 0.999


def test_cmyk_jpeg_is_not_read_with_the_table_of_its_cyan():
    output = io.BytesIO()
    Image.fromarray(scene()).convert("CMYK").save(output, "JPEG", quality=40)
    values = features.extract(decode(output.getvalue()), ["dct"])
    assert np.allclose(2 ** (values[0, 0, 20:] + 3), quantisation.FINE_STEP)
