"""From predictions to figures: metrics with intervals under one condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from forgery_lab.evaluation import conditions, metrics
from forgery_lab.evaluation.conditions import Change, Condition
from forgery_lab.evaluation.eligibility import has_classes, host
from forgery_lab.evaluation.metrics import ScoredImages
from forgery_lab.evaluation.results import (
    ConditionDifference,
    ConditionFigures,
    Curves,
    MapFigures,
    PartFigures,
    RobustnessPoint,
)
from forgery_lab.evaluation.trials import WHERE_COLUMNS
from forgery_pyfunc.contract import CodedMessage

TEXTURE = "txt"
"""CASIA's category of textures, reported apart: geometric copy-moves fill it."""


def draws_of(
    predictions: pd.DataFrame, rows: pd.DataFrame, condition: Condition
) -> tuple[list[ScoredImages], pd.DataFrame]:
    """Return the scores of each draw of a condition, and the rows they are of, in their order.

    Images that could not be scored in some draw are in none.
    """
    chosen = predictions[predictions["condition"] == condition.name]
    failed = set(chosen.loc[chosen["probability"].isna(), "sha256"])
    kept = rows[rows["sha256"].isin(set(chosen["sha256"]) - failed)]
    source = metrics.codes(host(kept)) if len(kept) else np.zeros(0, int)
    draws = []
    for _, draw in chosen.groupby("draw"):
        ordered = draw.set_index("sha256").loc[kept["sha256"]]
        draws.append(
            ScoredImages(
                label=kept["label"].to_numpy() == 1,
                probability=ordered["probability"].to_numpy(float),
                forged=(ordered["verdict"] == "forged").to_numpy(bool),
                decided=(ordered["verdict"] != "inconclusive").to_numpy(bool),
                source=source,
            )
        )
    return draws, kept


def figures(
    predictions: pd.DataFrame,
    rows: pd.DataFrame,
    condition: Condition,
    resamples: int,
    seed: int,
) -> ConditionFigures:
    """Return counts, metrics with intervals, confusion, curves and AUC by part of one condition."""
    draws, kept = draws_of(predictions, rows, condition)
    chosen = predictions[predictions["condition"] == condition.name]
    missed = chosen[chosen["probability"].isna()]
    without_scores = ConditionFigures(
        title=condition.title,
        images=len(kept),
        authentic=int((kept["label"] == 0).sum()),
        forged=int((kept["label"] == 1).sum()),
        sources=len(set(host(kept))),
        draws=len(draws),
        not_scored=int(missed["sha256"].nunique()),
        why_not_scored=sorted({CodedMessage.parse(e).code for e in missed["error"].dropna()}),
        metrics={},
        parts={},
    )
    if not len(kept) or not draws:
        return without_scores
    first = draws[0]
    return without_scores.model_copy(
        update={
            "metrics": metrics.estimate(draws, resamples, seed),
            "confusion": metrics.confusion(first),
            "parts": _parts(draws, kept, resamples, seed),
            "curves": Curves(
                roc=metrics.roc_curve(first),
                precision_recall=metrics.precision_recall_curve(first),
                reliability=metrics.reliability(first) if has_classes(kept) else [],
                risk_coverage=metrics.risk_coverage(first),
            ),
        }
    )


def _parts(
    draws: Sequence[ScoredImages], rows: pd.DataFrame, resamples: int, seed: int
) -> dict[str, PartFigures]:
    """Return AUC of splices and copy-moves against all authentic images, and textures apart."""
    authentic = rows["label"].to_numpy() == 0
    kind, texture = rows["kind"].to_numpy(str), rows["category"].to_numpy(str) == TEXTURE
    parts = {
        "splices": authentic | (kind == "splice"),
        "copy-moves": authentic | (kind == "copy-move"),
        "textures": texture,
        "outside textures": ~texture,
    }
    found = {}
    for name, chosen in parts.items():
        if chosen.all() or not has_classes(rows[chosen]):
            continue
        taken = [scores.take(chosen) for scores in draws]
        taken = [replace(scores, source=metrics.codes(scores.source)) for scores in taken]
        found[name] = PartFigures(
            images=int(chosen.sum()), auc=metrics.estimate(taken, resamples, seed)["auc"]
        )
    return found


def map_figures(
    predictions: pd.DataFrame,
    rows: pd.DataFrame,
    condition: Condition,
    resamples: int,
    seed: int,
) -> MapFigures | None:
    """Return the means of protocol D over forged images (and draws), or None without maps."""
    chosen = predictions[(predictions["condition"] == condition.name) & predictions["f1"].notna()]
    if chosen.empty:
        return None
    by_image = chosen.groupby("sha256")[list(WHERE_COLUMNS)].mean()
    kept = rows[rows["sha256"].isin(by_image.index)]
    by_image = by_image.loc[kept["sha256"]]
    source = host(kept)
    return MapFigures(
        images=len(kept),
        **{
            name: metrics.mean_interval(by_image[name].to_numpy(), source, resamples, seed)
            for name in WHERE_COLUMNS
        },
    )


def robustness_figures(
    predictions: pd.DataFrame, rows: pd.DataFrame, resamples: int, seed: int
) -> dict[Change, list[RobustnessPoint]]:
    """Return, per kind of handling, AUC with interval at every step (protocol F)."""
    points: dict[Change, list[RobustnessPoint]] = {}
    for step in conditions.F:
        draws, kept = draws_of(predictions, rows, step)
        if draws and has_classes(kept) and step.changed and step.level is not None:
            auc = metrics.estimate(draws, resamples, seed)["auc"]
            point = RobustnessPoint(at=step.level, **auc.to_dict())
            points.setdefault(step.changed, []).append(point)
    return points


def compare(
    first: pd.DataFrame,
    second: pd.DataFrame,
    rows: pd.DataFrame,
    resamples: int,
    seed: int,
) -> dict[Condition, ConditionDifference]:
    """Return second less first per condition and metric, by a paired bootstrap over sources.

    Only images that both scored count, in the same renditions.
    """
    differences = {}
    for name in sorted(set(first["condition"]) & set(second["condition"])):
        condition = conditions.named(name)
        if condition == conditions.CONTROL or condition.changed:
            continue
        scored = [set(draws_of(one, rows, condition)[1]["sha256"]) for one in (first, second)]
        common = rows[rows["sha256"].isin(scored[0] & scored[1])]
        if not has_classes(common):
            continue
        before, after = (draws_of(one, common, condition)[0] for one in (first, second))
        differences[condition] = ConditionDifference(
            images=len(common), metrics=metrics.compare(before, after, resamples, seed)
        )
    return differences
