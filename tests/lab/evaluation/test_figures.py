"""Figures of one condition."""

from forgery_lab.evaluation import figures, trials
from forgery_lab.evaluation.conditions import C
from forgery_lab.examples.histories import HistoryMatcher


def test_parts_are_reported_apart(evaluated):
    parts = evaluated.protocols[C].parts
    assert set(parts) == {"splices", "copy-moves", "textures", "outside textures"}


def test_robustness_changes_one_thing_at_a_time(data_set, model):
    frame, root = data_set
    rows = frame[frame["split"] == "test"]
    matcher = HistoryMatcher.fit(frame, root, 1)
    made = [
        trial
        for trial in trials.robustness_trials(rows, root, matcher)
        if trial.condition.name in ("F:quality:50", "F:blur:2", "F:scale:0.5")
    ]
    predictions = trials.predict(model, made, workers=1)
    found = figures.robustness_figures(predictions, rows, 100, 0)
    assert {name: [point.at for point in points] for name, points in found.items()} == {
        "quality": [50],
        "scale": [0.5],
        "blur": [2.0],
    }
