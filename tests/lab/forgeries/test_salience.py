import numpy as np
import pytest
from scipy import ndimage

from forgery_lab.forgeries.salience import salience


@pytest.fixture
def host():
    """A picture of soft noise, uint8[300, 400, 3]."""
    noise = np.random.default_rng(0).normal(0, 1, (300, 400, 3))
    soft = ndimage.gaussian_filter(noise, (6, 6, 0), mode="wrap")
    return (128 + 20 * soft / soft.std()).clip(0, 255).astype(np.uint8)


@pytest.fixture
def mask():
    """An ellipse in the middle, bool[300, 400]."""
    y, x = np.mgrid[:300, :400]
    return ((y - 150) / 40.0) ** 2 + ((x - 200) / 55.0) ** 2 < 1


def pasted(host, mask, pixels):
    return np.where(mask[..., None], pixels, host)


def test_a_part_of_the_same_texture_stands_out_less_than_another_colour_or_sharpness(host, mask):
    moved = np.roll(host, 150, axis=1)
    other = (moved.astype(int) + 60).clip(0, 255).astype(np.uint8)
    grain = np.random.default_rng(1).normal(0, 25, host.shape)
    sharp = (moved + grain).clip(0, 255).astype(np.uint8)
    same, coloured, sharper = (
        salience(host, pasted(host, mask, pixels), mask) for pixels in (moved, other, sharp)
    )
    assert same < 0.7 * coloured
    assert same < 0.7 * sharper


def test_a_larger_part_stands_out_more(host):
    found = []
    for radius in (30, 90):
        y, x = np.mgrid[:300, :400]
        inside = (y - 150) ** 2 + (x - 200) ** 2 < radius**2
        brighter = (host.astype(int) + 50).clip(0, 255).astype(np.uint8)
        found.append(salience(host, pasted(host, inside, brighter), inside))
    assert found[0] < found[1]


def test_a_part_on_the_pictures_edge_is_judged_as_elsewhere(host):
    found = []
    for brightness in (0, 60):
        for bottom in (290, 300):
            inside = np.zeros(host.shape[:2], bool)
            inside[bottom - 80 : bottom, 100:220] = True
            before = (host.astype(int) + brightness).clip(0, 255).astype(np.uint8)
            other = (before.astype(int) - 30).clip(0, 255).astype(np.uint8)
            found.append(salience(before, pasted(before, inside, other), inside))
    assert max(found) < 1.15 * min(found)


def test_a_change_that_nobody_can_see_is_not_preferred(host, mask):
    moved = pasted(host, mask, np.roll(host, 150, axis=1))
    assert salience(host, moved, mask) < salience(host, host.copy(), mask)


def test_a_mask_of_nothing_or_everything_is_worst(host):
    for inside in (np.zeros(host.shape[:2], bool), np.ones(host.shape[:2], bool)):
        assert salience(host, host, inside) == float("inf")
