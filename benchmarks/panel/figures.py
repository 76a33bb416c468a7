"""The panel's figures with intervals, and the paired difference of two detectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from benchmarks.panel.scoring import MAP_COLUMNS
from forgery_lab.evaluation import metrics
from forgery_lab.evaluation.metrics import ScoredImages
from forgery_lab.evaluation.results import Interval

RESAMPLES = 1000
SEED = 1


@dataclass(frozen=True)
class Line:
    """One figure of the table.

    Attributes:
        group: of pictures.
        figure: its name.
        pictures: that it is measured on.
        interval: value and 95 % interval by bootstrap over source photographs.
        difference: from the other detector's, paired, where there is one.
    """

    group: str
    figure: str
    pictures: int
    interval: Interval
    difference: Interval | None = None


class Measure(Protocol):
    """A figure of some pictures, and the paired difference of two detectors in it."""

    def of(self, scores: pd.DataFrame) -> Interval:
        """Return the figure."""

    def difference(self, scores: pd.DataFrame, against: pd.DataFrame) -> Interval:
        """Return the figure of `scores` less that of `against`, which hold the same pictures."""


@dataclass(frozen=True)
class Metric:
    """A metric of images of both classes, decided at 0.5; what was declined stands at 0.5."""

    name: str

    def of(self, scores: pd.DataFrame) -> Interval:
        """Return the metric."""
        return metrics.estimate([_images(scores)], RESAMPLES, SEED)[self.name]

    def difference(self, scores: pd.DataFrame, against: pd.DataFrame) -> Interval:
        """Return the difference of the metrics."""
        images = [_images(against)], [_images(scores)]
        return metrics.compare(*images, RESAMPLES, SEED)[self.name]


@dataclass(frozen=True)
class Share:
    """The share of pictures with a verdict, with its exact interval."""

    verdict: str

    def of(self, scores: pd.DataFrame) -> Interval:
        """Return the share."""
        return metrics.proportion(int(self._given(scores).sum()), len(scores))

    def difference(self, scores: pd.DataFrame, against: pd.DataFrame) -> Interval:
        """Return the difference of the shares."""
        return _mean(self._given(scores) - self._given(against), scores)

    def _given(self, scores: pd.DataFrame) -> np.ndarray:
        return (scores["verdict"] == self.verdict).to_numpy(float)


@dataclass(frozen=True)
class Mean:
    """The mean of a column over pictures."""

    column: str

    def of(self, scores: pd.DataFrame) -> Interval:
        """Return the mean."""
        return _mean(scores[self.column].to_numpy(float), scores)

    def difference(self, scores: pd.DataFrame, against: pd.DataFrame) -> Interval:
        """Return the mean of the differences."""
        values = scores[self.column].to_numpy(float) - against[self.column].to_numpy(float)
        return _mean(values, scores)


def lines(scores: pd.DataFrame, against: pd.DataFrame | None = None) -> list[Line]:
    """Return all figures of one detector's scores, and how they differ from another's.

    Args:
        scores: as `scoring.score` gives them, of one detector.
        against: of another one.

    Raises:
        ValueError: the two do not hold the same pictures in the same order.
    """
    if against is not None and not _same_pictures(scores, against):
        raise ValueError("two detectors can be compared on identical pictures only")
    found = []
    for group, part in scores.groupby("group", sort=False):
        for figure, chosen, measure in _figures_of(part):
            mine = part[chosen]
            other = None if against is None else against.loc[mine.index]
            difference = None if other is None else measure.difference(mine, other)
            found.append(Line(str(group), figure, len(mine), measure.of(mine), difference))
    return found


def _figures_of(part: pd.DataFrame) -> Iterator[tuple[str, pd.Series, Measure]]:
    """Yield name, pictures and measure of every figure that a group of pictures has."""
    authentic, forged = part["label"] == 0, part["label"] == 1
    if not forged.any():
        yield "called forged", authentic, Share("forged")
        yield "inconclusive", authentic, Share("inconclusive")
        return
    yield "AUC", authentic | forged, Metric("auc")
    if part["kind"].any():
        yield "AUC, splices", authentic | (part["kind"] == "splice"), Metric("auc")
        yield "AUC, copy-moves", authentic | (part["kind"] == "copy-move"), Metric("auc")
        yield "AUC, outside textures", ~part["texture"], Metric("auc")
    yield "F1 at 0.5", authentic | forged, Metric("f1")
    yield "recall at t_hi", forged, Share("forged")
    yield "called forged", authentic, Share("forged")
    for name in MAP_COLUMNS:
        if part[name].notna().any():
            yield f"map, {name}", forged & part[name].notna(), Mean(name)


def _images(scores: pd.DataFrame) -> ScoredImages:
    probability = scores["probability"].fillna(0.5)
    return ScoredImages.at_threshold(scores["label"], probability, 0.5, scores["source"])


def _mean(values: np.ndarray, scores: pd.DataFrame) -> Interval:
    return metrics.mean_interval(values, scores["source"].to_numpy(), RESAMPLES, SEED)


def _same_pictures(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    columns = ["group", "name", "label"]
    return len(one) == len(other) and bool((one[columns] == other[columns]).to_numpy().all())
