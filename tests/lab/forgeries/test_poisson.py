import numpy as np
import pytest

from forgery_lab.forgeries.poisson import harmonic, seamless


@pytest.fixture
def ramp():
    """float32[90, 121, 3] that rises evenly, and so solves Laplace's equation."""
    y, x = np.mgrid[:90, :121].astype(np.float32)
    return np.stack([y + x, 2 * y - x, 0.5 * x], axis=-1)


def disc(shape, radius):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (y - shape[0] // 2) ** 2 + (x - shape[1] // 2) ** 2 < radius**2


def test_a_hole_in_a_ramp_is_filled_with_the_ramp(ramp):
    hole = disc(ramp.shape, 35)
    filled = harmonic(np.where(hole[..., None], -999, ramp).astype(np.float32), ~hole)
    assert np.array_equal(filled[~hole], ramp[~hole])
    assert np.abs(filled - ramp).max() < 1


def test_a_fill_lies_between_the_values_around():
    rng = np.random.default_rng(0)
    values = rng.uniform(10, 20, (40, 33, 3)).astype(np.float32)
    known = rng.random((40, 33)) < 0.02
    filled = harmonic(values, known)
    assert filled.min() >= values[known].min()
    assert filled.max() <= values[known].max()


def test_all_known_stays_and_nothing_known_is_zero(ramp):
    none = np.zeros(ramp.shape[:2], bool)
    assert np.array_equal(harmonic(ramp, ~none), ramp)
    assert not harmonic(ramp, none).any()


@pytest.mark.parametrize("mixed", [False, True])
def test_what_is_cloned_keeps_its_gradients_and_takes_the_level_of_the_host(ramp, mixed):
    rng = np.random.default_rng(3)
    pattern = 30 * np.sin(np.mgrid[:90, :121].sum(axis=0) / 3.0)
    above = np.float32(200) + np.repeat(pattern[..., None], 3, axis=-1).astype(np.float32)
    below = 60 + rng.normal(0, 0.01, above.shape).astype(np.float32)
    inside = disc(ramp.shape, 30)
    joined = seamless(below, above, inside, mixed)
    assert np.array_equal(joined[~inside], below[~inside])
    core = disc(ramp.shape, 26)
    slopes = np.diff(joined, axis=1)[core[:, 1:]], np.diff(above, axis=1)[core[:, 1:]]
    assert np.corrcoef(slopes[0].ravel(), slopes[1].ravel())[0, 1] > 0.95
    assert abs(joined[inside].mean() - 60) < 30


def test_mixed_gradients_let_the_host_show_through_a_plain_part(ramp):
    below = 100 + 20 * np.sin(ramp)
    plain = np.full_like(below, 180)
    joined = seamless(below, plain, disc(ramp.shape, 30), mixed=True)
    assert np.abs(joined - below).mean() < 2
