import numpy as np
import pytest

from forgery_pyfunc.explaining import grain
from forgery_pyfunc.features import extract
from forgery_pyfunc.imaging.decoding import decode
from tests.conftest import encoded
from tests.pyfunc.features.test_copymove import scene


def features_of(noise_inside, noise_outside=4.0, quality=None):
    rng = np.random.default_rng(2)
    part = np.zeros((32, 48), bool)
    part[8:20, 10:26] = True
    deviation = np.where(part, noise_inside, noise_outside).repeat(8, 0).repeat(8, 1)
    pixels = scene(256, 384) + deviation[..., None] * rng.normal(0, 1, (256, 384, 1))
    pixels = pixels.clip(0, 255).astype(np.uint8)
    image = decode(encoded(pixels, "PNG"))
    return extract(image, ["residual"]), part


@pytest.mark.parametrize(("inside", "ratio"), [(8.0, 2.0), (4.0, 1.0), (2.0, 0.5)])
def test_the_ratio_of_the_grain(inside, ratio):
    features, part = features_of(inside)
    assert grain.grain_ratio(features, part) == pytest.approx(ratio, rel=0.15)
    _, error = grain.error_ratio(features, part)
    assert (error > 1.1) == (ratio > 1)
    assert (error < 0.9) == (ratio < 1)


def test_too_few_blocks_are_not_compared():
    features, part = features_of(8.0)
    few = np.zeros_like(part)
    few[0, :3] = True
    for marked in (few, ~few, np.ones_like(part)):
        assert grain.grain_ratio(features, marked) is None
        assert grain.error_ratio(features, marked) is None
