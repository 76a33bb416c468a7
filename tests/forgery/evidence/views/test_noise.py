import numpy as np

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
