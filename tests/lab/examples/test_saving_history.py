from collections import Counter

import numpy as np
import pytest

from forgery_lab.examples.saving_history import (
    EDITED_LIVES,
    FAINTEST,
    LIVES,
    SavingHistory,
    Step,
    drawn_life,
)
from forgery_lab.forgeries import scenes
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.jpeg_header import estimate_quality


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    return [SavingHistory.drawn(rng) for _ in range(3000)]


def quality(step):
    return 100 if step.save is None else estimate_quality(step.save.tables[0])[0]


@pytest.mark.parametrize("lives", [LIVES, EDITED_LIVES], ids=["pairs", "edited"])
def test_shares_add_up_and_are_drawn(lives):
    assert sum(life.share for life in lives.values()) == pytest.approx(1)
    rng = np.random.default_rng(1)
    counted = Counter(drawn_life(rng, lives) for _ in range(5000))
    for name, life in lives.items():
        assert counted[name] / 5000 == pytest.approx(life.share, abs=0.02)


def test_a_life_is_the_first_that_is_drawn():
    for seed in range(50):
        history = SavingHistory.drawn(np.random.default_rng(seed))
        assert history.life == drawn_life(np.random.default_rng(seed))
        assert history == SavingHistory.drawn(np.random.default_rng(seed))


def test_a_third_are_saved_on_one_grid_and_one_in_eight_ends_lossless(drawn):
    aligned = [
        len(history.before) == 1
        and len(history.after) == 2
        and all(step.shift == (0, 0) and step.scale == 1 for step in history.after)
        and history.after[-1].save is not None
        and 70 <= quality(history.after[-1]) <= 95
        for history in drawn
    ]
    assert 0.3 < np.mean(aligned) < 0.4
    assert np.mean([history.after[-1].save is None for history in drawn]) == pytest.approx(
        0.12, abs=0.03
    )


def test_what_leaves_no_trace_is_rare(drawn):
    assert np.mean([min(step.scale for step in h.after) < 0.6 for h in drawn]) <= 0.03
    aligned = [h for h in drawn if all(s.scale == 1 and s.shift == (0, 0) for s in h.before)]
    faint = [
        bool(h.before) and min(map(quality, h.after)) < min(map(quality, h.before)) - FAINTEST
        for h in aligned
    ]
    assert 0 < np.mean(faint) < 0.05


def test_pictures_are_saved_up_to_four_times_and_with_many_tables(drawn):
    saves = [[s.save for s in (*h.before, *h.after) if s.save is not None] for h in drawn]
    assert {len(one) for one in saves} == {0, 1, 2, 3, 4}
    assert len({save.tables for one in saves for save in one}) > 150


def test_start_and_finish_move_picture_and_mask_alike():
    rng = np.random.default_rng(5)
    picture = scenes.render("nat", rng, 96, 136)
    for _ in range(25):
        history = SavingHistory.drawn(rng)
        start = history.start(picture)
        mask = np.zeros(start.shape[:2], bool)
        mask[20:-20, 20:-20] = True
        finished, alone = history.finish(start, mask, 160), history.finish(start, None, 160)
        assert finished.data == alone.data
        shape = decode(finished.data).pixels.shape
        assert shape[:2] == finished.mask.shape
        assert max(shape) <= 160
        assert finished.mask.any()


def test_an_enlarged_picture_is_no_larger_than_was_said():
    history = SavingHistory("enlarged", (), None, (Step(scale=2.0),))
    picture, mask = np.zeros((100, 150, 3), np.uint8), np.zeros((100, 150), np.uint8)
    for largest, expected in ((500, (200, 300)), (180, (120, 180)), (90, (100, 150))):
        example = history.finish(picture, mask, largest)
        assert decode(example.data).pixels.shape[:2] == example.mask.shape == expected
