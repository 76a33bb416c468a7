"""The figures of an evaluation: from predictions to metrics with intervals, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from forgery_lab.evaluation import metrics
from forgery_lab.evaluation.metrics import Scores
from forgery_lab.evaluation.trials import ROBUSTNESS, WHERE_COLUMNS
from forgery_pyfunc.contract import CodedMessage

TEXTURE = "txt"
"""CASIA's category of textures, reported apart: geometric copy-moves fill it."""

LEAST_PER_CLASS = 3
"""Images of each class below which no figure is given."""


def has_classes(rows: pd.DataFrame) -> bool:
    """Return whether there are enough images of both classes for a figure."""
    return all((rows["label"] == label).sum() >= LEAST_PER_CLASS for label in (0, 1))


def sources(rows: pd.DataFrame) -> list[list[str]]:
    """Return the sources of each row; a row without ids stands for its near-duplicate group."""
    return [
        list(ids) if len(ids) else [f"group:{group}"]
        for ids, group in zip(rows["source_ids"], rows["group"], strict=True)
    ]


def host(rows: pd.DataFrame) -> np.ndarray:
    """Return str[n]: the photograph that each image mostly shows, which the bootstrap draws."""
    return np.array([names[0] for names in sources(rows)], dtype=str)


def draws_of(
    predictions: pd.DataFrame, rows: pd.DataFrame, condition: str
) -> tuple[list[Scores], pd.DataFrame]:
    """Return the scores of each draw of a condition, and the rows they are of, in their order.

    Images that could not be scored in some draw are in none.
    """
    mine = predictions[predictions["condition"] == condition]
    failed = set(mine.loc[mine["probability"].isna(), "sha256"])
    kept = rows[rows["sha256"].isin(set(mine["sha256"]) - failed)]
    source = metrics.codes(host(kept)) if len(kept) else np.zeros(0, int)
    found = []
    for _, one in mine.groupby("draw"):
        ordered = one.set_index("sha256").loc[kept["sha256"]]
        found.append(
            Scores(
                label=kept["label"].to_numpy() == 1,
                probability=ordered["probability"].to_numpy(float),
                forged=(ordered["verdict"] == "forged").to_numpy(bool),
                decided=(ordered["verdict"] != "inconclusive").to_numpy(bool),
                source=source,
            )
        )
    return found, kept


def figures(
    predictions: pd.DataFrame,
    rows: pd.DataFrame,
    condition: str,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Return counts, metrics with intervals, confusion, curves and AUC by part of one condition."""
    draws, kept = draws_of(predictions, rows, condition)
    mine = predictions[predictions["condition"] == condition]
    missed = mine[mine["probability"].isna()]
    counts = {
        "images": len(kept),
        "authentic": int((kept["label"] == 0).sum()),
        "forged": int((kept["label"] == 1).sum()),
        "sources": len(set(host(kept))),
        "draws": len(draws),
        "not_scored": int(missed["sha256"].nunique()),
        "why_not_scored": sorted({CodedMessage.parse(e).code for e in missed["error"].dropna()}),
    }
    if not len(kept) or not draws:
        return {**counts, "metrics": {}, "parts": {}}
    first = draws[0]
    return {
        **counts,
        "metrics": metrics.estimate(draws, resamples, seed),
        "confusion": metrics.confusion(first),
        "parts": _parts(draws, kept, resamples, seed),
        "curves": {
            "roc": metrics.roc_curve(first),
            "precision_recall": metrics.precision_recall_curve(first),
            "reliability": metrics.reliability(first) if has_classes(kept) else [],
            "risk_coverage": metrics.risk_coverage(first),
        },
    }


def _parts(
    draws: Sequence[Scores], rows: pd.DataFrame, resamples: int, seed: int
) -> dict[str, dict[str, Any]]:
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
        some = [scores.take(chosen) for scores in draws]
        some = [replace(scores, source=metrics.codes(scores.source)) for scores in some]
        found[name] = {
            "images": int(chosen.sum()),
            "auc": metrics.estimate(some, resamples, seed)["auc"],
        }
    return found


def where_figures(
    predictions: pd.DataFrame,
    rows: pd.DataFrame,
    condition: str,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any] | None:
    """Return the means of protocol D over forged images (and draws), or None without maps."""
    mine = predictions[(predictions["condition"] == condition) & predictions["f1"].notna()]
    if mine.empty:
        return None
    by_image = mine.groupby("sha256")[list(WHERE_COLUMNS)].mean()
    kept = rows[rows["sha256"].isin(by_image.index)]
    by_image = by_image.loc[kept["sha256"]]
    source = host(kept)
    return {
        "images": len(kept),
        **{
            name: metrics.mean_interval(by_image[name].to_numpy(), source, resamples, seed)
            for name in WHERE_COLUMNS
        },
    }


def robustness_figures(
    predictions: pd.DataFrame, rows: pd.DataFrame, resamples: int = 2000, seed: int = 0
) -> dict[str, list[dict[str, Any]]]:
    """Return, per kind of handling, AUC with interval at every step (protocol F)."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, values in ROBUSTNESS.items():
        for value in values:
            draws, kept = draws_of(predictions, rows, f"F:{name}:{value:g}")
            if draws and has_classes(kept):
                auc = metrics.estimate(draws, resamples, seed)["auc"]
                found.setdefault(name, []).append({"at": value, **auc})
    return found


def compare(
    first: pd.DataFrame,
    second: pd.DataFrame,
    rows: pd.DataFrame,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Return second less first per condition and metric, by a paired bootstrap over sources.

    Only images that both scored count, in the same renditions.
    """
    found = {}
    for condition in sorted(set(first["condition"]) & set(second["condition"])):
        if condition == "control" or condition.startswith("F:"):
            continue
        scored = [set(draws_of(one, rows, condition)[1]["sha256"]) for one in (first, second)]
        common = rows[rows["sha256"].isin(scored[0] & scored[1])]
        if not has_classes(common):
            continue
        mine, other = (draws_of(one, common, condition)[0] for one in (first, second))
        found[condition] = {
            "images": len(common),
            "metrics": metrics.compare(mine, other, resamples, seed),
        }
    return found
