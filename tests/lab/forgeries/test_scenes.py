import numpy as np
import pytest

from forgery_lab.data import casia
from forgery_lab.errors import DataError
from forgery_lab.forgeries import scenes


@pytest.mark.parametrize("category", scenes.CATEGORIES)
@pytest.mark.parametrize("size", [(256, 384), (384, 256), (65, 101)])
def test_a_scene_has_the_size_asked_for_and_depends_on_its_seed_alone(category, size):
    first, again, other = (
        scenes.render(category, np.random.default_rng(seed), *size) for seed in (1, 1, 2)
    )
    assert first.shape == (*size, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("category", scenes.CATEGORIES)
def test_a_scene_looks_like_a_picture_and_not_like_noise(category):
    for seed in range(4):
        pixels = scenes.render(category, np.random.default_rng(seed)).astype(float)
        luma = pixels.mean(axis=2)
        neighbours = np.corrcoef(luma[:, :-1].ravel(), luma[:, 1:].ravel())[0, 1]
        assert neighbours > 0.7
        assert luma.std() > 8
        assert (luma >= 254).mean() < 0.25


def test_categories_are_casias():
    assert set(scenes.CATEGORIES) <= set(casia.CATEGORIES)


def test_unknown_categories_and_tiny_sizes_are_refused():
    with pytest.raises(DataError, match="category: got 'dog'; allowed: nat"):
        scenes.render("dog", np.random.default_rng(0))
    with pytest.raises(DataError, match="got 40x256 pixels"):
        scenes.render("nat", np.random.default_rng(0), 256, 40)
