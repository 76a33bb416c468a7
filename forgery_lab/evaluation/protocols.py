"""Protocols A to F: which images may judge a model, how they are saved, what is measured.

A protocol is a pair of how the training data were split and how the test data were saved. Only
images that share neither SHA-256 nor source with the model's logged training manifest count;
what that leaves out is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forgery_lab.data.manifest import looks_like
from forgery_lab.evaluation import baselines, metrics, scoring
from forgery_lab.evaluation.figures import (
    LEAST_PER_CLASS,
    compare,
    figures,
    has_classes,
    robustness_figures,
    sources,
    where_figures,
)
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
    read_heatmap,
    robustness_trials,
)
from forgery_lab.examples.histories import HistoryMatcher
from forgery_lab.progress import Progress
from forgery_pyfunc.imaging.decoding import decode

PROTOCOLS = {
    "A": "raw files, random split",
    "B": "raw files, source-disjoint",
    "C": "source-disjoint, histories matched: the headline",
    "C-shift": "as C, shifted by 0 to 7 pixels before the last save",
    "C-scale": "as C, scaled by 0.7 to 0.95 before the last save",
    "control": "background only: crops without a forged pixel, under C; 0.5 is right",
    "D": "where: heat map against mask",
    "E": "elsewhere: other data sets, thresholds fixed beforehand",
    "F": "robustness: AUC under C against quality, scale and blur",
}
IMAGE_LEVEL = ("A", "B", "C", "C-shift", "C-scale", "control")
"""Protocols of test images that can be asked for one by one; D comes with A, B and C."""

_RANDOM_SPLIT_LEAK = 0.05
"""Share of a model's validation images with a source among its training images: above, its split
was random."""


@dataclass(frozen=True)
class Permission:
    """Which rows may judge a model under which protocols.

    `rows` maps "A" and "B" (which stands for B, C, C′, D, control and F) to manifest rows.
    """

    rows: dict[str, pd.DataFrame]
    left_out: list[dict[str, str]]
    notes: list[str]


def permit(frame: pd.DataFrame, training: pd.DataFrame | None) -> Permission:
    """Return which test rows of `frame` may judge a model, and what is left out and why.

    Args:
        frame: manifest with `split`; rows of "test" are candidates.
        training: the model's training manifest (sha256, source_ids, group, split), or None.
    """
    test = frame[frame["split"] == "test"]
    if training is None:
        reason = "the model brings no training manifest, so no image can be shown to be new to it"
        left_out = [{"protocol": p, "reason": reason} for p in ("A", "B", "C", "C′", "D", "F")]
        return Permission({}, left_out, [])
    new = test[~test["sha256"].isin(set(training["sha256"]))]
    clean = new[~_share_sources(new, training)]
    notes = []
    if len(test) > len(new):
        notes.append(f"{len(test) - len(new)} test images were left out: the model trained on them")
    validation = training["split"] == "validation"
    shared = _share_sources(training[validation], training[training["split"] == "train"])
    leak = float(shared.mean()) if len(shared) else 0.0
    if leak > _RANDOM_SPLIT_LEAK:
        reason = (
            f"the model was trained on a random split: {leak:.1%} of its validation images share "
            "a source photograph with its training images"
        )
        rest = [{"protocol": p, "reason": reason} for p in ("B", "C", "C′", "D", "F")]
        if has_classes(new):
            return Permission({"A": new}, rest, notes)
        return Permission({}, [{"protocol": "A", "reason": _too_few(new, "SHA-256")}, *rest], notes)
    left_out = [
        {
            "protocol": "A",
            "reason": "the model was trained source-disjoint; protocol A comes from a training "
            "run of its own (preprocess and train with split=random)",
        }
    ]
    if len(new) > len(clean):
        notes.append(f"{len(new) - len(clean)} test images were left out: shared sources")
    if not has_classes(clean):
        reason = _too_few(clean, "SHA-256 and source")
        rest = [{"protocol": p, "reason": reason} for p in ("B", "C", "C′", "D", "F")]
        return Permission({}, left_out + rest, notes)
    return Permission({"B": clean}, left_out, notes)


def _share_sources(rows: pd.DataFrame, others: pd.DataFrame) -> np.ndarray:
    """Return bool[n]: whether each row has a source that is a source of the others too."""
    known = {name for names in sources(others) for name in names}
    return np.array([not known.isdisjoint(names) for names in sources(rows)], bool)


def _too_few(rows: pd.DataFrame, by: str) -> str:
    count = f"{int((rows['label'] == 0).sum())} and {int((rows['label'] == 1).sum())}"
    return (
        f"only {count} (authentic and forged) test images are new to the model by {by}; "
        f"{LEAST_PER_CLASS} of each are needed"
    )


Shown = Callable[[str], AbstractContextManager[Progress | None]]
"""Takes the name of a part of the work and gives a context in which its progress is shown."""


@dataclass(frozen=True)
class Options:
    """How an evaluation is done.

    Attributes:
        seed: of histories, crops and resamples.
        draws: matched histories per test image.
        resamples: behind every interval.
        protocols: of `IMAGE_LEVEL`, what is measured where the model allows it.
        robustness: whether F is measured.
        workers: processes.
        tracking_uri: of the server that knows the model.
    """

    seed: int = 0
    draws: int = 3
    resamples: int = 2000
    protocols: tuple[str, ...] = IMAGE_LEVEL
    robustness: bool = False
    workers: int = 2
    tracking_uri: str | None = None


@dataclass(frozen=True)
class Judged:
    """What was scored: test rows by protocol, predictions of the model and of the baselines.

    `matcher` is what gave the images their histories.
    """

    rows: dict[str, pd.DataFrame]
    matcher: HistoryMatcher
    predictions: pd.DataFrame
    baselines: pd.DataFrame
    left_out: list[dict[str, str]]
    notes: list[str]


def judge(
    model: str | Path,
    frame: pd.DataFrame,
    root: Path,
    training: pd.DataFrame | None,
    options: Options,
    shown: Shown = lambda what: nullcontext(),
) -> Judged:
    """Score a model and the baselines on all that its training manifest allows.

    Args:
        model: MLflow model URI, or the folder of an MLflow model.
        frame: manifest with `split`.
        root: of its paths.
        training: the model's training manifest, or None.
        options: how.
        shown: called with the name of a part of the work; gives a context with its progress.
    """
    permission = permit(frame, training)
    matcher = HistoryMatcher.fit(frame[frame["split"] != "dropped"], root, options.seed)
    learnt = frame[frame["split"].isin(["train", "validation"])]
    scored, beside = [], []
    for name, rows in permission.rows.items():
        scored.append(_score_rows(model, name, rows, root, matcher, options, shown))
        beside.append(_score_beside(name, [(learnt, rows)], root, matcher, options, shown))
    return Judged(
        permission.rows,
        matcher,
        _joined(scored, [*PREDICTION_COLUMNS, *WHERE_COLUMNS]),
        _joined(beside, ["baseline", *PREDICTION_COLUMNS, *WHERE_COLUMNS]),
        permission.left_out,
        permission.notes,
    )


def _score_rows(
    model: str | Path,
    name: str,
    rows: pd.DataFrame,
    root: Path,
    matcher: HistoryMatcher,
    options: Options,
    shown: Shown,
) -> pd.DataFrame:
    """Return the predictions of the model on rows of protocol A or B."""
    masks = load_masks(rows, root)
    trials = raw_trials(rows, root, name) if name in options.protocols else []
    if name == "B":
        trials += disjoint_trials(rows, root, matcher, masks, options)
    with shown("scoring") as progress:
        return predict(model, trials, masks, options.workers, options.tracking_uri, progress)


def _score_beside(
    name: str,
    splits: Sequence[tuple[pd.DataFrame, pd.DataFrame]],
    root: Path,
    matcher: HistoryMatcher,
    options: Options,
    shown: Shown,
) -> pd.DataFrame:
    """Return the predictions of the baselines that belong to protocol A or B."""
    wanted = [one for one in ((name, "C") if name == "B" else (name,)) if one in options.protocols]
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
        for condition in ("C", "C-shift", "C-scale")
        if condition in options.protocols
        for trial in matched_trials(rows, root, matcher, options.draws, condition)
    ]
    if "control" in options.protocols:
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
) -> Judged:
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
        scored.append(_score_rows(model, "B", test, root, matcher, options, shown))
        learnt_and_test.append((pd.concat([train, validation]), test))
    beside = _score_beside("B", learnt_and_test, root, matcher, options, shown)
    dropped = len(frame) - len(kept)
    notes = [f"out-of-fold over {number} source-disjoint folds of {len(kept)} images"]
    notes += [f"{dropped} images lie on the cut between folds and were dropped"] if dropped else []
    notes += [f"only the first {judged} of the folds were judged"] if judged < number else []
    return Judged(
        {"B": kept[kept["fold"] < judged]},
        matcher,
        pd.concat(scored, ignore_index=True),
        beside,
        [{"protocol": "A", "reason": "out-of-fold figures are source-disjoint"}],
        notes,
    )


def summarise(judged: Judged, options: Options) -> dict[str, Any]:
    """Return all figures of an evaluation as plain values that can be written as JSON."""
    resamples, seed = options.resamples, options.seed
    found: dict[str, Any] = {
        "protocols": {},
        "baselines": {},
        "where": {},
        "left_out": [*judged.left_out, *_not_asked_for(judged, options)],
        "notes": judged.notes,
    }
    for name, rows in judged.rows.items():
        conditions = ["A"] if name == "A" else ["B", "C", "C-shift", "C-scale", "control"]
        for condition in conditions:
            if (judged.predictions["condition"] == condition).any():
                figure = figures(judged.predictions, rows, condition, resamples, seed)
                found["protocols"][condition] = {"title": PROTOCOLS[condition], **figure}
        for condition in (name, "C"):
            mine = judged.baselines[judged.baselines["condition"] == condition]
            for baseline, predictions in mine.groupby("baseline", sort=False):
                figure = figures(predictions, rows, condition, resamples, seed)
                found["baselines"].setdefault(condition, {})[baseline] = {
                    "title": baselines.BASELINES[str(baseline)],
                    "metrics": figure["metrics"],
                }
            where = where_figures(judged.predictions, rows, condition, resamples, seed)
            if where:
                found["where"][condition] = where
        found["against_baseline"] = against_baseline(judged, rows, resamples, seed)
        robustness = robustness_figures(judged.predictions, rows, resamples, seed)
        if robustness:
            found["robustness"] = robustness
    found["left_out"] += _without_predictions(judged, options, found["protocols"])
    if judged.rows and not found["where"]:
        reason = "the model gives no heat map, or no test image has a mask of its size"
        found["left_out"].append({"protocol": "D", "reason": reason})
    return found


def _not_asked_for(judged: Judged, options: Options) -> list[dict[str, str]]:
    """Return what the model would allow and the options leave out."""
    known = {one["protocol"] for one in judged.left_out} | ({"A"} - set(judged.rows))
    missing = [name for name in IMAGE_LEVEL if name not in (*options.protocols, *known)]
    return [{"protocol": name, "reason": "it was not asked for"} for name in missing]


def _without_predictions(
    judged: Judged, options: Options, measured: Mapping[str, Any]
) -> list[dict[str, str]]:
    """Return what was asked for and allowed, and has nothing to measure."""
    allowed = {one for name in judged.rows for one in (IMAGE_LEVEL[1:] if name == "B" else "A")}
    missing = [name for name in IMAGE_LEVEL if name in allowed & set(options.protocols)]
    reasons = {
        "control": "no forged image has a mask that leaves half of it without a forged pixel"
    }
    return [
        {"protocol": name, "reason": reasons.get(name, "no image was scored under it")}
        for name in missing
        if name not in measured
    ]


def with_protocol_a(found: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of `found` with protocol A of `other`, of a model trained for it alone.

    Both are what `summarise` gave; nothing changes where `other` holds no protocol A.
    """
    if "A" not in other["protocols"]:
        return dict(found)
    merged = {
        part: {"A": other[part]["A"], **found[part]}
        for part in ("protocols", "baselines")
        if "A" in other[part]
    }
    merged["protocols"]["A"] = {**merged["protocols"]["A"], "of": "another model"}
    note = "protocol A is of another model: the same network, trained on raw files, random split"
    left_out = [one for one in found["left_out"] if one["protocol"] != "A"]
    return {**found, **merged, "left_out": left_out, "notes": [*found["notes"], note]}


def compare_models(first: Judged, second: Judged, options: Options) -> dict[str, Any]:
    """Return second less first per condition and metric, on the images that both may be judged by.

    Both must have been judged with the same frame and options, so that renditions are the same.
    """
    found: dict[str, Any] = {}
    for name in set(first.rows) & set(second.rows):
        rows = first.rows[name]
        common = rows[rows["sha256"].isin(second.rows[name]["sha256"])]
        found.update(
            compare(first.predictions, second.predictions, common, options.resamples, options.seed)
        )
    return found


def why_not_compared(judged: Judged, name: str, other: Judged, theirs: str) -> str:
    """Return why `compare_models` found no condition that is common to two models."""
    if set(judged.rows) & set(other.rows):
        return "too few test images are new to both"
    said = []
    for model, one in ((name, judged), (theirs, other)):
        allowed = ", ".join(one.rows) or "no protocol"
        reasons = "; ".join(dict.fromkeys(left["reason"] for left in one.left_out))
        said.append(f"{model} may be judged under {allowed} ({reasons})")
    return " and ".join(said)


def against_baseline(
    judged: Judged, rows: pd.DataFrame, resamples: int = 2000, seed: int = 0
) -> dict[str, Any]:
    """Return how much the model differs from the last baseline, paired, per condition."""
    last = judged.baselines[judged.baselines["baseline"] == baselines.LAST]
    compared = compare(last, judged.predictions, rows, resamples, seed)
    return {name: {**one["metrics"]["auc"]} for name, one in compared.items()}


def judge_elsewhere(
    model: str | Path,
    name: str,
    rows: pd.DataFrame,
    root: Path,
    training: pd.DataFrame | None,
    options: Options,
    progress: Progress | None = None,
) -> dict[str, Any]:
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
            new = distinct[~_share_sources(distinct, training)]
    trials = raw_trials(new, root, "E")
    two_classes = has_classes(new)
    if two_classes:
        matcher = HistoryMatcher.fit(new, root, options.seed)
        trials += matched_trials(new, root, matcher, options.draws)
    found = predict(model, trials, None, options.workers, options.tracking_uri, progress)
    shas = set(new.loc[new["label"] == 0, "sha256"])
    authentic = found[(found["condition"] == "E") & found["sha256"].isin(shas)]
    scored = authentic[authentic["probability"].notna()]
    result: dict[str, Any] = {
        "name": name,
        "images": len(new),
        "authentic": int((new["label"] == 0).sum()),
        "forged": int((new["label"] == 1).sum()),
        "left_out_as_seen_in_training": len(rows) - len(distinct),
        "left_out_as_sharing_a_source": len(distinct) - len(new),
        "not_scored": int(found.loc[found["condition"] == "E", "probability"].isna().sum()),
        "false_positives": metrics.proportion(
            int((scored["verdict"] == "forged").sum()), len(scored)
        ),
        "inconclusive": float((scored["verdict"] == "inconclusive").mean()) if len(scored) else 0.0,
    }
    if two_classes:
        for condition in ("E", "C"):
            key = "raw" if condition == "E" else "matched"
            result[key] = figures(found, new, condition, options.resamples, options.seed)["metrics"]
    return result


def examples(
    judged: Judged, root: Path, options: Options, number: int = 6
) -> dict[str, list[dict[str, Any]]]:
    """Return the worst mistakes and the best finds of the first draw of C (or of A), with pictures.

    Each has path, label, kind, probability, verdict, the picture as scored (uint8[H, W, 3]), its
    heat map (uint8[H, W] or None) and its mask (bool[H, W] or None).
    """
    condition = "C" if "B" in judged.rows else "A"
    rows = judged.rows.get("B", judged.rows.get("A"))
    if rows is None:
        return {"worst": [], "best": []}
    first = judged.predictions[
        (judged.predictions["condition"] == condition) & (judged.predictions["draw"] == 0)
    ].dropna(subset=["probability"])
    table = first.merge(rows[["sha256", "label"]], on="sha256")
    table["error_size"] = (table["label"] - table["probability"]).abs()
    table = table.sort_values("error_size", ascending=False)
    groups = {
        "worst": table[table["error_size"] > 0.5].head(number),
        "best": table[(table["label"] == 1) & (table["error_size"] < 0.5)].tail(number)[::-1],
    }
    return {
        name: list(_pictures(chosen, rows, root, judged.matcher, condition, options))
        for name, chosen in groups.items()
    }


def _pictures(
    chosen: pd.DataFrame,
    rows: pd.DataFrame,
    root: Path,
    matcher: HistoryMatcher,
    condition: str,
    options: Options,
) -> Iterator[dict[str, Any]]:
    """Score the chosen images once more, now with heat maps."""
    for model, some in chosen.groupby("model", sort=False):
        mine = _rows_of_sha(rows, some["sha256"])
        if condition == "C":
            trials = matched_trials(mine, root, matcher, 1)
        else:
            trials = raw_trials(mine, root, condition)
        masks = load_masks(mine, root)
        scored = scoring.score(
            str(model),
            [trial.rendition for trial in trials],
            heatmap=True,
            workers=1,
            tracking_uri=options.tracking_uri,
        )
        for position, record in sorted(scored):
            row, trial = mine.iloc[position], trials[position]
            mask = masks.get(trial.sha256)
            yield {
                "path": row["path"],
                "label": int(row["label"]),
                "kind": row["kind"],
                "probability": record["probability"],
                "verdict": record["verdict"],
                "picture": decode(trial.rendition()).pixels,
                "heatmap": read_heatmap(record["heatmap"]) if record.get("heatmap") else None,
                "mask": None if mask is None else trial.rendition.moved(mask),
            }


def _rows_of_sha(rows: pd.DataFrame, wanted: pd.Series) -> pd.DataFrame:
    return rows.set_index("sha256", drop=False).loc[wanted]
