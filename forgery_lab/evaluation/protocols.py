"""Protocols A to F: a model and the baselines score the images that may judge the model.

A protocol is a pair of how the training data were split and how the test data were saved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from forgery_lab.data.near_duplicates import looks_like
from forgery_lab.evaluation import conditions, metrics
from forgery_lab.evaluation.conditions import IMAGE_LEVEL, Condition
from forgery_lab.evaluation.eligibility import eligible, has_classes, share_sources
from forgery_lab.evaluation.figures import figures
from forgery_lab.evaluation.results import ElsewhereFigures, LeftOut
from forgery_lab.evaluation.trials import (
    PREDICTION_COLUMNS,
    WHERE_COLUMNS,
    Trial,
    control_trials,
    load_masks,
    matched_trials,
    predict,
    predict_baselines,
    raw_trials,
    robustness_trials,
)
from forgery_lab.examples.histories import HistoryMatcher
from forgery_lab.progress import Progress

Shown = Callable[[str], AbstractContextManager[Progress | None]]
"""Takes the name of a part of the work and gives a context in which its progress is shown."""


@dataclass(frozen=True)
class Options:
    """How an evaluation is done.

    Attributes:
        seed: of histories, crops and resamples.
        draws: matched histories per test image.
        resamples: behind every interval.
        conditions: of `IMAGE_LEVEL`, what is measured where the model allows it.
        robustness: whether F is measured.
        workers: processes.
        tracking_uri: of the server that knows the model.
    """

    seed: int
    draws: int
    resamples: int
    conditions: tuple[Condition, ...] = IMAGE_LEVEL
    robustness: bool = False
    workers: int = 2
    tracking_uri: str | None = None


@dataclass(frozen=True)
class Predictions:
    """What a model and the baselines say of the test images.

    Attributes:
        rows: manifest rows by protocol, A or B (see `eligibility.Eligibility`).
        matcher: what gave the images their histories.
        model: a row per trial, see `trials.predict`.
        baselines: the same, with the name of the `baseline`.
        left_out: protocols that the model does not allow.
        notes: what else is to be known.
    """

    rows: dict[Condition, pd.DataFrame]
    matcher: HistoryMatcher
    model: pd.DataFrame
    baselines: pd.DataFrame
    left_out: list[LeftOut]
    notes: list[str]


def judge(
    model: str | Path,
    frame: pd.DataFrame,
    root: Path,
    training: pd.DataFrame | None,
    options: Options,
    shown: Shown = lambda what: nullcontext(),
) -> Predictions:
    """Score a model and the baselines on all that its training manifest allows.

    Args:
        model: MLflow model URI, or the folder of an MLflow model.
        frame: manifest with `split`.
        root: of its paths.
        training: the model's training manifest, or None.
        options: how.
        shown: called with the name of a part of the work; gives a context with its progress.
    """
    eligibility = eligible(frame, training)
    matcher = HistoryMatcher.fit(frame[frame["split"] != "dropped"], root, options.seed)
    learnt = frame[frame["split"].isin(["train", "validation"])]
    scored, beside = [], []
    for protocol, rows in eligibility.rows.items():
        scored.append(_score_rows(model, protocol, rows, root, matcher, options, shown))
        beside.append(_score_beside(protocol, [(learnt, rows)], root, matcher, options, shown))
    return Predictions(
        eligibility.rows,
        matcher,
        _joined(scored, [*PREDICTION_COLUMNS, *WHERE_COLUMNS]),
        _joined(beside, ["baseline", *PREDICTION_COLUMNS, *WHERE_COLUMNS]),
        eligibility.left_out,
        eligibility.notes,
    )


def _score_rows(
    model: str | Path,
    protocol: Condition,
    rows: pd.DataFrame,
    root: Path,
    matcher: HistoryMatcher,
    options: Options,
    shown: Shown,
) -> pd.DataFrame:
    """Return the predictions of the model on rows of protocol A or B."""
    masks = load_masks(rows, root)
    trials = raw_trials(rows, root, protocol) if protocol in options.conditions else []
    if protocol == conditions.B:
        trials += disjoint_trials(rows, root, matcher, masks, options)
    with shown("scoring") as progress:
        return predict(model, trials, masks, options.workers, options.tracking_uri, progress)


def _score_beside(
    protocol: Condition,
    splits: Sequence[tuple[pd.DataFrame, pd.DataFrame]],
    root: Path,
    matcher: HistoryMatcher,
    options: Options,
    shown: Shown,
) -> pd.DataFrame:
    """Return the predictions of the baselines that belong to protocol A or B."""
    beside = (protocol, conditions.C) if protocol == conditions.B else (protocol,)
    wanted = [condition for condition in beside if condition in options.conditions]
    with shown("baselines") as progress:
        return predict_baselines(
            splits, root, matcher, wanted, options.draws, options.seed, options.workers, progress
        )


def _joined(parts: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def disjoint_trials(
    rows: pd.DataFrame,
    root: Path,
    matcher: HistoryMatcher,
    masks: Mapping[str, np.ndarray],
    options: Options,
) -> list[Trial]:
    """Return the trials of C, C′, the control and, if wanted, F."""
    trials = [
        trial
        for condition in conditions.SOURCE_DISJOINT
        if condition.matched and condition in options.conditions
        if condition != conditions.CONTROL
        for trial in matched_trials(rows, root, matcher, options.draws, condition)
    ]
    if conditions.CONTROL in options.conditions:
        trials += control_trials(rows, root, matcher, masks, options.draws, options.seed)
    if options.robustness:
        trials += robustness_trials(rows, root, matcher)
    return trials


TrainFold = Callable[[pd.DataFrame, pd.DataFrame], str | Path]
"""Trains on (train rows, validation rows) and returns the URI or folder of an MLflow model."""


def judge_out_of_fold(
    train_fold: TrainFold,
    frame: pd.DataFrame,
    root: Path,
    options: Options,
    shown: Shown = lambda what: nullcontext(),
    folds_judged: int | None = None,
) -> Predictions:
    """Score images of `frame`, each by a model that saw neither it nor its sources.

    Args:
        train_fold: trains a model for a fold.
        frame: manifest with `fold` (see `splits.folds`); fold i is judged by the model that was
            trained on the others, of which fold i + 1 is its validation split.
        root: of its paths.
        options: how.
        shown: as in `judge`.
        folds_judged: how many, the first ones, whose images are scored; by default all.
    """
    kept = frame[frame["fold"] >= 0]
    number = int(kept["fold"].max()) + 1
    judged = number if folds_judged is None else folds_judged
    matcher = HistoryMatcher.fit(kept, root, options.seed)
    scored, learnt_and_test = [], []
    for fold in range(judged):
        test = kept[kept["fold"] == fold]
        validation = kept[kept["fold"] == (fold + 1) % number]
        train = kept.drop(test.index).drop(validation.index)
        model = train_fold(train.assign(split="train"), validation.assign(split="validation"))
        scored.append(_score_rows(model, conditions.B, test, root, matcher, options, shown))
        learnt_and_test.append((pd.concat([train, validation]), test))
    beside = _score_beside(conditions.B, learnt_and_test, root, matcher, options, shown)
    dropped = len(frame) - len(kept)
    notes = [f"out-of-fold over {number} source-disjoint folds of {len(kept)} images"]
    notes += [f"{dropped} images lie on the cut between folds and were dropped"] if dropped else []
    notes += [f"only the first {judged} of the folds were judged"] if judged < number else []
    return Predictions(
        {conditions.B: kept[kept["fold"] < judged]},
        matcher,
        pd.concat(scored, ignore_index=True),
        beside,
        [LeftOut(protocol="A", reason="out-of-fold figures are source-disjoint")],
        notes,
    )


def judge_elsewhere(
    model: str | Path,
    name: str,
    rows: pd.DataFrame,
    root: Path,
    training: pd.DataFrame | None,
    options: Options,
    progress: Progress | None = None,
) -> ElsewhereFigures:
    """Return the figures of protocol E on one other data set, thresholds as they are.

    Raw files give the false-positive rate of the authentic images; where there are two classes
    they also give the metrics, and matched histories give those of C. Ids of sources are running
    numbers of a data set, so they count only where training knew some file of this one.
    """
    new = distinct = rows.drop_duplicates("sha256")
    if training is not None:
        same = distinct["sha256"].isin(set(training["sha256"])).to_numpy()
        alike = looks_like(distinct, training)
        new = distinct = distinct[~same & ~alike]
        if same.any():
            new = distinct[~share_sources(distinct, training)]
    trials = raw_trials(new, root, conditions.E)
    two_classes = has_classes(new)
    if two_classes:
        matcher = HistoryMatcher.fit(new, root, options.seed)
        trials += matched_trials(new, root, matcher, options.draws)
    predictions = predict(model, trials, None, options.workers, options.tracking_uri, progress)
    raw = predictions[predictions["condition"] == conditions.E.name]
    authentic = raw[raw["sha256"].isin(set(new.loc[new["label"] == 0, "sha256"]))]
    scored = authentic[authentic["probability"].notna()]
    elsewhere = ElsewhereFigures(
        name=name,
        images=len(new),
        authentic=int((new["label"] == 0).sum()),
        forged=int((new["label"] == 1).sum()),
        left_out_as_seen_in_training=len(rows) - len(distinct),
        left_out_as_sharing_a_source=len(distinct) - len(new),
        not_scored=int(raw["probability"].isna().sum()),
        false_positives=metrics.proportion(int((scored["verdict"] == "forged").sum()), len(scored)),
        inconclusive=float((scored["verdict"] == "inconclusive").mean()) if len(scored) else 0.0,
    )
    if not two_classes:
        return elsewhere
    by_condition = {
        name: figures(predictions, new, condition, options.resamples, options.seed).metrics
        for name, condition in (("raw", conditions.E), ("matched", conditions.C))
    }
    return elsewhere.model_copy(update=by_condition)
