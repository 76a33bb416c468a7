"""What a model is shown: renditions of images under a protocol, and what it says of them."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from forgery_lab.errors import DataError
from forgery_lab.evaluation import baselines, conditions, metrics, scoring
from forgery_lab.evaluation.conditions import Condition
from forgery_lab.examples.histories import Handling, HistoryMatcher, ImageKey, move, read
from forgery_lab.examples.masks import read_mask
from forgery_lab.progress import Progress
from forgery_pyfunc.errors import ImageError

BASELINE_TRAINING_DRAWS = 2
MIN_CROP = 64
"""Pixels: smaller crops say nothing of the background, as the detector needs this much."""

_WINDOWS = (
    (0.0, 0.0, 0.5, 1.0),
    (0.5, 0.0, 1.0, 1.0),
    (0.0, 0.0, 1.0, 0.5),
    (0.0, 0.5, 1.0, 1.0),
)
"""Halves: top, bottom, left, right, as (top, left, bottom, right)."""

_MARGIN = 8


@dataclass(frozen=True)
class Rendition:
    """One image as a protocol wants it: callable, returns the bytes; picklable.

    Without a matcher it is the file as shipped; with one it is the draw with this handling.
    """

    path: Path
    key: ImageKey
    matcher: HistoryMatcher | None = None
    draw: int = 0
    handling: Handling | None = None

    def __call__(self) -> bytes:
        """Return the encoded image."""
        data = read(self.path)
        if self.matcher is None or self.handling is None:
            return data
        try:
            return self.matcher.save_with(self.key, data, self.draw, self.handling)[0]
        except ImageError as error:
            raise DataError(f"{self.path}: {error}") from error

    def moved(self, mask: np.ndarray) -> np.ndarray:
        """Return the mask as it lies on the rendition."""
        return mask if self.handling is None else move(mask, self.handling)


@dataclass(frozen=True)
class Trial:
    """One rendition of one row under a condition."""

    condition: Condition
    draw: int
    sha256: str
    rendition: Rendition


def load_masks(rows: pd.DataFrame, root: Path) -> dict[str, np.ndarray]:
    """Return bool[H, W] by SHA-256 for the forged rows whose mask fits the image."""
    masks = {}
    for row in rows[rows["label"] == 1].to_dict("records"):
        if not isinstance(row.get("mask_path"), str):
            continue
        mask = read_mask(root / row["mask_path"])
        if mask.shape == (row["height"], row["width"]):
            masks[row["sha256"]] = mask
    return masks


def raw_trials(rows: pd.DataFrame, root: Path, condition: Condition) -> list[Trial]:
    """Return one trial per row: the file as shipped."""
    return [
        Trial(condition, 0, row["sha256"], Rendition(root / row["path"], _key(row)))
        for row in rows.to_dict("records")
    ]


def matched_trials(
    rows: pd.DataFrame,
    root: Path,
    matcher: HistoryMatcher,
    draws: int,
    condition: Condition = conditions.C,
) -> list[Trial]:
    """Return a trial per row and draw with matched histories, displaced as the condition says."""
    return [
        Trial(
            condition,
            draw,
            row["sha256"],
            Rendition(
                root / row["path"],
                _key(row),
                matcher,
                draw,
                matcher.handling(_key(row), draw, condition.displacement),
            ),
        )
        for draw in range(draws)
        for row in rows.to_dict("records")
    ]


def control_trials(
    rows: pd.DataFrame,
    root: Path,
    matcher: HistoryMatcher,
    masks: Mapping[str, np.ndarray],
    draws: int,
    seed: int,
) -> list[Trial]:
    """Return trials of halves without a forged pixel, and of authentic images' halves like them.

    Forged images without a mask, or without a clean half, are left out. Authentic images are cut
    where a randomly drawn forged one was.
    """
    rng = np.random.default_rng(seed)
    windows: dict[str, tuple[float, float, float, float]] = {}
    for row in rows[rows["label"] == 1].to_dict("records"):
        clean = _clean_windows(masks.get(row["sha256"]))
        if clean:
            windows[row["sha256"]] = clean[int(rng.integers(len(clean)))]
    pool = list(windows.values())
    for row in rows[rows["label"] == 0].to_dict("records"):
        if pool:
            windows[row["sha256"]] = pool[int(rng.integers(len(pool)))]
    chosen = rows[rows["sha256"].isin(windows)]
    return [
        replace(
            trial,
            condition=conditions.CONTROL,
            rendition=replace(
                trial.rendition,
                handling=replace(trial.rendition.handling, crop=windows[trial.sha256]),
            ),
        )
        for trial in matched_trials(chosen, root, matcher, draws)
        if trial.rendition.handling is not None
    ]


def _clean_windows(mask: np.ndarray | None) -> list[tuple[float, float, float, float]]:
    if mask is None:
        return []
    height, width = mask.shape
    windows = []
    for window in _WINDOWS:
        top, left, bottom, right = (np.array(window) * (height, width, height, width)).astype(int)
        around = mask[
            max(top - _MARGIN, 0) : bottom + _MARGIN, max(left - _MARGIN, 0) : right + _MARGIN
        ]
        if min(bottom - top, right - left) >= MIN_CROP and not around.any():
            windows.append(window)
    return windows


def robustness_trials(rows: pd.DataFrame, root: Path, matcher: HistoryMatcher) -> list[Trial]:
    """Return trials of the first draw of C with one handling changed at a time (protocol F)."""
    trials = []
    for trial in matched_trials(rows, root, matcher, draws=1):
        rendition = trial.rendition
        for step in conditions.F:
            handling = replace(rendition.handling, **{step.changed: step.level})  # type: ignore
            trials.append(
                replace(trial, condition=step, rendition=replace(rendition, handling=handling))
            )
    return trials


def _key(row: Mapping[Any, Any]) -> ImageKey:
    return ImageKey(int(row["label"]), row["sha256"])


PREDICTION_COLUMNS = ("condition", "draw", "sha256", "probability", "verdict", "error", "model")
WHERE_COLUMNS = ("auc", "f1", "iou", "best_f1", "block_auc")


def predict(
    model: str | Path,
    trials: Sequence[Trial],
    masks: Mapping[str, np.ndarray] | None = None,
    workers: int = 2,
    tracking_uri: str | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Return a row per trial: condition, draw, sha256, probability, verdict, error, model, where.

    Args:
        model: MLflow model URI, or the folder of an MLflow model.
        trials: what to score.
        masks: bool[H, W] by SHA-256; trials of conditions with maps on images that have one are
            asked for a heat map, and the columns `WHERE_COLUMNS` measure it.
        workers: processes that score.
        tracking_uri: of the server that knows the model.
        progress: called with trials done and trials in all.
    """
    masks = masks or {}
    has_map = [t.sha256 in masks and t.condition.has_maps for t in trials]
    stream = scoring.score(
        model,
        [trial.rendition for trial in trials],
        has_map,
        workers=workers,
        tracking_uri=tracking_uri,
        progress=progress,
    )
    rows: list[dict[str, Any]] = []
    for position, record in stream if trials else ():
        trial = trials[position]
        rows.append({**prediction(trial, record), "model": str(model)})
        if has_map[position]:
            rows[-1].update(_where(trial, record, masks[trial.sha256]))
    return pd.DataFrame(rows, columns=[*PREDICTION_COLUMNS, *WHERE_COLUMNS])


def prediction(trial: Trial, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a record says of a trial, by `PREDICTION_COLUMNS` without the model."""
    probability = record.get("probability")
    return {
        "condition": trial.condition.name,
        "draw": trial.draw,
        "sha256": trial.sha256,
        "probability": np.nan if probability is None else float(probability),
        "verdict": record.get("verdict"),
        "error": record.get("error") or record.get("reason"),
    }


def _where(trial: Trial, record: Mapping[str, Any], mask: np.ndarray) -> dict[str, float]:
    if not record.get("heatmap"):
        return {}
    mask = trial.rendition.moved(mask)
    heatmap = read_heatmap(record["heatmap"])
    if heatmap.shape != mask.shape or not mask.any():
        return {}
    return metrics.localisation(heatmap, mask)


def read_heatmap(text: str) -> np.ndarray:
    """Return uint8[H, W] of a heat map as `/invocations` gives it."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("L"))


def predict_baselines(
    splits: Sequence[tuple[pd.DataFrame, pd.DataFrame]],
    root: Path,
    matcher: HistoryMatcher,
    judged_under: Sequence[Condition],
    draws: int,
    seed: int,
    workers: int = 2,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Return a row per baseline, condition, draw and test image, as `predict` does.

    Each baseline learns from the training images saved under the same condition as the images it
    judges. What several splits share is looked at once.

    Args:
        splits: manifest rows to learn from, and to judge.
        root: of all rows.
        matcher: gives the histories of all.
        judged_under: conditions: A, B or C.
        draws: of test images under C.
        seed: of the boosted trees.
        workers: processes that compute features.
        progress: called with images done and images in all.
    """
    plan = []
    for condition in judged_under:
        for train, test in splits:
            if condition.matched:
                learn = matched_trials(train, root, matcher, BASELINE_TRAINING_DRAWS)
                judge = matched_trials(test, root, matcher, draws)
            else:
                learn, judge = (raw_trials(rows, root, condition) for rows in (train, test))
            plan.append((condition, train, test, learn, judge))
    every = {_name(trial): trial for *_, learn, judge in plan for trial in (*learn, *judge)}
    if not every:
        return pd.DataFrame(columns=["baseline", *PREDICTION_COLUMNS])
    extracted = baselines.extract(
        [trial.rendition for trial in every.values()], workers=workers, progress=progress
    )
    place = {key: number for number, key in enumerate(every)}

    def features(trials: Sequence[Trial]) -> dict[str, np.ndarray]:
        chosen = [place[_name(trial)] for trial in trials]
        return {name: values[chosen] for name, values in extracted.items()}

    parts = [
        _baseline_rows(
            condition,
            [trial.draw for trial in judge],
            seed,
            baselines.with_extension(_rows_of(learn, train), condition.matched),
            baselines.with_extension(_rows_of(judge, test), condition.matched),
            features(learn),
            features(judge),
        )
        for condition, train, test, learn, judge in plan
    ]
    return pd.concat(parts, ignore_index=True)


def _name(trial: Trial) -> tuple[str, int, str]:
    return trial.condition.name, trial.draw, trial.sha256


def _rows_of(trials: Sequence[Trial], rows: pd.DataFrame) -> pd.DataFrame:
    return rows.set_index("sha256", drop=False).loc[[t.sha256 for t in trials]]


def _baseline_rows(
    condition: Condition,
    draws: Sequence[int],
    seed: int,
    train: pd.DataFrame,
    test: pd.DataFrame,
    train_features: Mapping[str, np.ndarray],
    test_features: Mapping[str, np.ndarray],
) -> pd.DataFrame:
    parts = []
    for name in baselines.BASELINES:
        probability = baselines.predict(name, train, test, train_features, test_features, seed)
        columns = {
            "baseline": name,
            "condition": condition.name,
            "draw": list(draws),
            "sha256": test["sha256"].to_numpy(),
            "probability": probability,
            "verdict": np.where(probability >= 0.5, "forged", "authentic"),
            "error": None,
        }
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)
