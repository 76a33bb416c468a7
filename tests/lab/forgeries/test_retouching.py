import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forgery_lab.forgeries import scenes
from forgery_lab.forgeries.retouching import EDITS, edited

PICTURE = scenes.render("nat", np.random.default_rng(2), 121, 163)


@given(st.integers(0, 2**32 - 1))
def test_an_edit_keeps_size_and_type_and_depends_on_its_seed_alone(seed):
    picture = edited(PICTURE, seed)
    assert picture.shape == PICTURE.shape
    assert picture.dtype == np.uint8
    assert np.array_equal(picture, edited(PICTURE, seed))


@pytest.mark.parametrize("name", EDITS)
def test_every_edit_changes_the_picture_and_what_was_seen_stays_to_be_seen(name):
    for seed in range(20):
        picture = EDITS[name](PICTURE, np.random.default_rng(seed))
        assert not np.array_equal(picture, PICTURE)
        likeness = np.corrcoef(PICTURE.mean(axis=2).ravel(), picture.mean(axis=2).ravel())[0, 1]
        assert likeness > 0.5  # a strong vignette has about 0.6


def test_a_vignette_darkens_the_corners_more_than_the_middle():
    grey = np.full((90, 120, 3), 128, np.uint8)
    drawn = [EDITS["vignetted"](grey, np.random.default_rng(seed)) for seed in range(30)]
    fall = [int(one[45, 60, 0]) - int(one[0, 0, 0]) for one in drawn]
    assert np.median(fall) > 15
    assert min(fall) < 0
