import numpy as np

from forgery_lab.examples.saving_history import SavingHistory
from forgery_pyfunc.imaging.decoding import decode


def test_saving_histories_are_of_every_kind():
    rng = np.random.default_rng(0)
    drawn = [SavingHistory.drawn((), rng) for _ in range(300)]
    assert {history.moved for history in drawn} == {"stay", "shift", "reduce", "enlarge"}
    assert 0.15 < np.mean([history.edit is not None for history in drawn]) < 0.4
    untouched = [
        history for history in drawn if not (history.first or history.editor or history.last)
    ]
    assert 20 < len(untouched) < 70


def test_an_enlarged_picture_is_no_larger_than_was_said():
    history = SavingHistory(None, None, None, "enlarge", (0, 0), 2.0, None)
    picture, mask = np.zeros((100, 150, 3), np.uint8), np.zeros((100, 150), np.uint8)
    for largest, expected in ((500, (200, 300)), (180, (120, 180)), (90, (100, 150))):
        example = history.finish(picture, mask, largest)
        assert decode(example.data).pixels.shape[:2] == example.mask.shape == expected
