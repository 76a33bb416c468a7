"""Trials: renditions of images under a condition."""

import pandas as pd

from forgery_lab.evaluation import trials
from forgery_lab.evaluation.conditions import B, C
from forgery_lab.examples.histories import HistoryMatcher


def test_control_crops_hold_no_forged_pixel(data_set):
    frame, root = data_set
    matcher = HistoryMatcher.fit(frame, root, 1)
    masks = trials.load_masks(frame, root)
    made = trials.control_trials(frame, root, matcher, masks, draws=1, seed=0)
    forged = [trial for trial in made if trial.sha256 in masks]
    assert forged
    assert all(not trial.rendition.moved(masks[trial.sha256]).any() for trial in forged)
    windows = {
        label: {t.rendition.handling.crop for t in made if (t.sha256 in masks) == label}
        for label in (True, False)
    }
    assert windows[False] <= windows[True]


def test_folds_share_what_the_baselines_see_of_an_image(data_set):
    frame, root = data_set
    matcher = HistoryMatcher.fit(frame, root, 1)
    first = frame[frame["group"].isin([f"g{number}" for number in range(20)])]
    second = frame.drop(first.index)
    by, counted = ["condition", "baseline", "sha256"], []

    def predicted(*splits_of_frame):
        totals = []
        found = trials.predict_baselines(
            splits_of_frame, root, matcher, [B, C], 1, seed=0, workers=1,
            progress=lambda done, total: totals.append(total),
        )  # fmt: skip
        counted.append(totals[-1])
        return found.sort_values(by)[[*by, "probability"]].reset_index(drop=True)

    together = predicted((first, second), (second, first))
    apart = pd.concat([predicted((first, second)), predicted((second, first))])
    pd.testing.assert_frame_equal(together, apart.sort_values(by).reset_index(drop=True))
    assert counted[0] == len(frame) * (1 + trials.BASELINE_TRAINING_DRAWS)
    assert counted[0] < counted[1] + counted[2]
