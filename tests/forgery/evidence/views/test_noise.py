import numpy as np
import pytest
from PIL import Image, ImageFilter

from forgery.evidence.views.noise import noise_residual
from tests.forgery.evidence.scenes import png


def test_noise_residual_is_neutral_where_all_is_smooth():
    pixels = np.full((64, 96, 3), 90, np.uint8)
    rng = np.random.default_rng(0)
    pixels[:, 48:] += rng.integers(0, 9, (64, 48, 1), np.uint8)
    values = noise_residual(png(pixels))
    assert values.shape == (64, 96)
    assert (values[:, :46] == 128).all()
    assert values[:, 50:].std() > 10


@pytest.mark.parametrize("shape", [(300, 70), (1, 9), (128, 1)])
def test_noise_residual_is_what_a_median_filter_takes_away(shape):
    luma = np.random.default_rng(1).integers(96, 160, shape, np.uint8)
    median = np.asarray(Image.fromarray(luma).filter(ImageFilter.MedianFilter(3)))
    expected = np.clip(128 + 8 * (luma.astype(int) - median), 0, 255)
    assert np.array_equal(noise_residual(png(luma)), expected)
