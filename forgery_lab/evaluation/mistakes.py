"""The worst mistakes and the best finds of a model, as pictures with heat map and mask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from forgery_lab.evaluation import conditions, scoring
from forgery_lab.evaluation.conditions import Condition
from forgery_lab.evaluation.protocols import Options, Predictions
from forgery_lab.evaluation.trials import load_masks, matched_trials, raw_trials, read_heatmap
from forgery_lab.examples.histories import HistoryMatcher
from forgery_pyfunc.imaging.decoding import decode


@dataclass(frozen=True)
class ShownImage:
    """An image as it was scored, and what the model says of it.

    Attributes:
        path: in the data set.
        label: 1 where it is forged.
        kind: of the manifest: authentic, splice, copy-move.
        probability: calibrated, that it is forged.
        verdict: at the model's thresholds.
        picture: uint8[H, W, 3], as scored.
        heatmap: uint8[H, W] or None.
        mask: bool[H, W] or None.
    """

    path: str
    label: int
    kind: str
    probability: float
    verdict: str
    picture: np.ndarray
    heatmap: np.ndarray | None
    mask: np.ndarray | None


@dataclass(frozen=True)
class ShownImages:
    """Images on which the probability is furthest from the truth, and forgeries found surest."""

    worst: list[ShownImage] = field(default_factory=list)
    best: list[ShownImage] = field(default_factory=list)


def worst_and_best(
    predictions: Predictions, root: Path, options: Options, number: int = 6
) -> ShownImages:
    """Return the worst mistakes and the best finds of the first draw of C (or of A).

    The first finds are of unlike scenes: the surest of each category come before the others.
    """
    rows = predictions.rows.get(conditions.B)
    condition = conditions.C
    if rows is None:
        rows, condition = predictions.rows.get(conditions.A), conditions.A
    if rows is None:
        return ShownImages()
    scored = predictions.model
    first = scored[(scored["condition"] == condition.name) & (scored["draw"] == 0)]
    table = first.dropna(subset=["probability"]).merge(
        rows[["sha256", "label", "category"]], on="sha256"
    )
    table["error_size"] = (table["label"] - table["probability"]).abs()
    table = table.sort_values("error_size", ascending=False)
    worst = table[table["error_size"] > 0.5].head(number)
    found = table[(table["label"] == 1) & (table["error_size"] < 0.5)][::-1]
    again = found["category"].duplicated().rename("again")
    best = found.loc[again.sort_values(kind="stable").index].head(number)
    chosen = pd.concat([worst, best])
    shown = dict(_scored_again(chosen, rows, root, predictions.matcher, condition, options))
    return ShownImages(*([shown[name] for name in part["sha256"]] for part in (worst, best)))


def _scored_again(
    chosen: pd.DataFrame,
    rows: pd.DataFrame,
    root: Path,
    matcher: HistoryMatcher,
    condition: Condition,
    options: Options,
) -> Iterator[tuple[str, ShownImage]]:
    """Score the chosen images once more, now with heat maps; yield the SHA-256 of each, too."""
    for model, predictions in chosen.groupby("model", sort=False):
        images = rows.set_index("sha256", drop=False).loc[predictions["sha256"]]
        if condition.matched:
            trials = matched_trials(images, root, matcher, 1)
        else:
            trials = raw_trials(images, root, condition)
        masks = load_masks(images, root)
        records = scoring.score(
            str(model),
            [trial.rendition for trial in trials],
            heatmap=True,
            workers=1,
            tracking_uri=options.tracking_uri,
        )
        for position, record in records:
            row, trial = images.iloc[position], trials[position]
            mask = masks.get(trial.sha256)
            yield (
                trial.sha256,
                ShownImage(
                    path=row["path"],
                    label=int(row["label"]),
                    kind=row["kind"],
                    probability=record["probability"],
                    verdict=record["verdict"],
                    picture=decode(trial.rendition()).pixels,
                    heatmap=read_heatmap(record["heatmap"]) if record.get("heatmap") else None,
                    mask=None if mask is None else trial.rendition.moved(mask),
                ),
            )
