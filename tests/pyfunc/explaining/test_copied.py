import numpy as np
import pytest

from forgery_pyfunc.explaining import copied
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.jpeg_encoder import encode
from tests.pyfunc.features.test_copymove import scene, with_copy

EVERYWHERE = np.ones((32, 48), bool)


def marked(*corners, shape=(32, 48), size=80):
    """The blocks of squares of pixels, of which the upper left corners are given."""
    blocks = np.zeros(shape, bool)
    for y, x in corners:
        blocks[y // 8 : (y + size) // 8, x // 8 : (x + size) // 8] = True
    return blocks


def grainy(height=256, width=384):
    grain = np.random.default_rng(5).normal(0, 4, (height, width, 1))
    return np.clip(scene(height, width) + grain, 0, 255).astype(np.uint8)


def image_of(pixels, quality=92):
    return decode(encode(pixels, quality=quality))


@pytest.mark.parametrize("target", [(120, 240), (121, 243), (40, 290)])
def test_the_two_places_of_a_copy_and_how_far_they_are_apart(target):
    source = (32, 40)
    image = image_of(with_copy(grainy(), 80, source, target), quality=95)
    (pair,) = copied.find(image, marked(source, target))
    down, right = target[0] - source[0], target[1] - source[1]
    assert (pair.down, pair.right) in [(down, right), (-down, -right)]
    assert pair.likeness > 0.6
    corner = source if (pair.down, pair.right) == (down, right) else target
    rows, columns = np.nonzero(pair.place)
    assert abs(8 * rows.min() - corner[0]) <= 16
    assert abs(8 * rows.max() + 8 - corner[0] - 80) <= 16
    assert abs(8 * columns.min() - corner[1]) <= 16
    assert abs(8 * columns.max() + 8 - corner[1] - 80) <= 16


def test_two_copies_are_two_pairs_the_larger_first():
    pixels = with_copy(grainy(), 80, (20, 20), (150, 250))
    image = image_of(with_copy(pixels, 56, (20, 200), (180, 40)))
    places = marked((20, 20), (150, 250), (20, 200), (180, 40))
    pairs = copied.find(image, places)
    assert [(abs(pair.down), abs(pair.right)) for pair in pairs] == [(130, 230), (160, 160)]


def test_what_is_not_marked_is_not_named():
    image = image_of(with_copy(grainy(), 80, (32, 40), (120, 240)))
    assert copied.find(image, marked((20, 280))) == []
    assert len(copied.find(image, marked((20, 280), (120, 240)))) == 1


def test_nothing_is_copied_in_an_untouched_picture_nor_in_a_pattern_that_repeats():
    assert copied.find(image_of(grainy()), EVERYWHERE) == []
    y, x = np.mgrid[:256, :384]
    tiles = 128 + 50 * ((x // 24 + y // 24) % 2) - 25
    tiled = np.repeat(tiles[..., None], 3, 2) + np.random.default_rng(1).normal(0, 5, (256, 384, 1))
    assert copied.find(image_of(tiled.clip(0, 255).astype(np.uint8)), EVERYWHERE) == []


def test_a_large_picture_is_searched_reduced_and_measured_in_full():
    pixels = with_copy(grainy(1280, 1600), 320, (100, 120), (801, 1003))
    places = marked((100, 120), (801, 1003), shape=(160, 200), size=320)
    (pair,) = copied.find(image_of(pixels), places)
    assert (abs(pair.down), abs(pair.right)) == (701, 883)
