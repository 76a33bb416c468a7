import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forgery_lab.forgeries import scenes
from forgery_lab.forgeries.retouching import EDITS, Straightening, WholeEdit, edited

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
        assert picture.shape == PICTURE.shape
        assert picture.dtype == np.uint8
        assert not np.array_equal(picture, PICTURE)
        likeness = np.corrcoef(PICTURE.mean(axis=2).ravel(), picture.mean(axis=2).ravel())[0, 1]
        assert likeness > 0.4  # a strong vignette has about 0.5


@pytest.mark.parametrize("name", ["vignetted", "lit", "filtered", "greyed", "tone-mapped"])
def test_light_and_colour_change_everywhere_and_leave_no_edge(name):
    grey = np.full((96, 128, 3), 120, np.uint8)
    for seed in range(20):
        levels = EDITS[name](grey, np.random.default_rng(seed)).astype(int)
        for axis in (0, 1):
            assert np.abs(np.diff(levels, axis=axis)).max() <= 16


def test_a_vignette_darkens_the_corners_more_than_the_middle():
    grey = np.full((90, 120, 3), 128, np.uint8)
    drawn = [EDITS["vignetted"](grey, np.random.default_rng(seed)) for seed in range(30)]
    fall = [int(one[45, 60, 0]) - int(one[0, 0, 0]) for one in drawn]
    assert np.median(fall) > 15
    assert min(fall) < 0


def test_turning_moves_picture_and_mask_alike_and_shows_nothing_from_outside():
    picture = np.full((90, 140, 3), 200, np.uint8)
    mask = np.zeros((90, 140), bool)
    mask[30:60, 50:90] = True
    picture[mask] = 90
    for seed in range(30):
        edit = WholeEdit(straightening=Straightening.drawn(np.random.default_rng(seed)))
        moved, place = edit.apply(picture, mask, 140)
        assert moved.shape == picture.shape
        assert place.shape == mask.shape
        assert place.dtype == bool
        assert moved.min() > 40  # bicubic undershoots; black would come from outside
        assert np.mean((moved[..., 0] < 145) == place) > 0.98


def test_a_frame_is_of_one_tone_and_stays_within_the_largest_size():
    mask = np.ones(PICTURE.shape[:2], bool)
    edit = WholeEdit(frame=(0.1, 255))
    framed, place = edit.apply(PICTURE, mask, 1000)
    assert framed.shape == (133, 179, 3)
    assert (framed[~place] == 255).all()
    assert np.array_equal(framed[place].reshape(PICTURE.shape), PICTURE)
    assert max(edit.apply(PICTURE, mask, 170)[0].shape) <= 171
    assert np.array_equal(edit.apply(PICTURE, mask, 163)[0], PICTURE)


def test_what_is_drawn_does_something():
    rng = np.random.default_rng(3)
    drawn = [WholeEdit.drawn(rng) for _ in range(400)]
    assert WholeEdit() not in drawn
    assert 0.87 < np.mean([one.tones is not None for one in drawn]) < 0.98
    assert 0.13 < np.mean([one.straightening is not None for one in drawn]) < 0.27
    assert 0.04 < np.mean([one.frame is not None for one in drawn]) < 0.13
