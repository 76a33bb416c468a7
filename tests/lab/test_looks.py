import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from forgery_lab import scenes
from forgery_lab.looks import given_a_look

PICTURE = scenes.render("nat", np.random.default_rng(2), 121, 163)


@given(st.integers(0, 2**32 - 1))
def test_a_look_keeps_size_and_type_and_depends_on_its_seed_alone(seed):
    looked = given_a_look(PICTURE, np.random.default_rng(seed))
    assert looked.shape == PICTURE.shape
    assert looked.dtype == np.uint8
    assert np.array_equal(looked, given_a_look(PICTURE, np.random.default_rng(seed)))


def test_looks_differ_in_tone_and_in_fine_detail_and_some_change_nothing():
    looks = [given_a_look(PICTURE, np.random.default_rng(seed)) for seed in range(80)]
    detail = np.array([np.abs(np.diff(look.astype(float), axis=1)).mean() for look in looks])
    tone = np.array([look.mean() for look in looks])
    own = np.abs(np.diff(PICTURE.astype(float), axis=1)).mean()
    assert (detail > 1.3 * own).mean() > 0.1
    assert (detail < 0.95 * own).mean() > 0.05
    assert tone.std() > 3
    assert 0.05 < np.mean([np.array_equal(look, PICTURE) for look in looks]) < 0.5


def test_what_was_seen_stays_to_be_seen():
    for seed in range(40):
        looked = given_a_look(PICTURE, np.random.default_rng(seed))
        likeness = np.corrcoef(PICTURE.mean(axis=2).ravel(), looked.mean(axis=2).ravel())[0, 1]
        assert likeness > 0.9
