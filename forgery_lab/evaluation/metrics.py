"""Metrics of image-level scores and of heat maps, with intervals by bootstrap over sources.

All of it is vectorised over resamples: a resample is a row of image weights, and the images stay
sorted by score. Two images of one source photograph are not independent, so sources are drawn,
not images (Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 8).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import betaincinv

from forgery_lab.evaluation.results import (
    Confusion,
    Curve,
    Difference,
    Estimate,
    Interval,
    Proportion,
    ReliabilityBin,
)

MAX_FALSE_POSITIVE_RATE = 0.05
HALF = 0.5
"""The probability of the decision that takes no threshold of the model's."""
CALIBRATION_BINS = 10
CONFIDENCE = 0.95

METRICS = (
    "auc",
    "average_precision",
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "specificity",
    "f1",
    "accuracy_at_half",
    "precision_at_half",
    "recall_at_half",
    "f1_at_half",
    "tpr_at_5_fpr",
    "brier",
    "ece",
    "ece_corrected",
    "coverage",
    "risk_when_decided",
)
"""Decisions are forced at t_hi, those of the names in `…_at_half` at probability 0.5; `coverage`
and `risk_when_decided` leave the grey band out.

`brier` and both calibration errors give the two classes equal weight, as the probabilities are
calibrated for equal priors. `ece` is the mean absolute gap over ten bins of equal mass, biased
upwards in small sets; `ece_corrected` is the root mean square gap less the part that chance
alone gives (Kumar, Liang, Ma, *Verified Uncertainty Calibration*, NeurIPS 2019).
"""

DECISIONS = ("accuracy", "precision", "recall", "f1")
"""Those that are reported at both decisions: under these names at t_hi, and `…_at_half`."""

_WITHOUT_INTERVAL = {"ece"}
_RESAMPLES_AT_ONCE = 200


@dataclass(frozen=True)
class ScoredImages:
    """Scores and decisions of a model on n images.

    Attributes:
        label: bool[n], whether the image is forged.
        probability: float64[n] in [0, 1].
        forged: bool[n], the forced decision (at t_hi).
        decided: bool[n], whether the verdict was not `inconclusive`.
        source: int[n], the source photograph that the bootstrap draws.
    """

    label: np.ndarray
    probability: np.ndarray
    forged: np.ndarray
    decided: np.ndarray
    source: np.ndarray

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: np.ndarray) -> ScoredImages:
        """Return the scores of some of the images, by a boolean or integer index."""
        return ScoredImages(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    @classmethod
    def at_threshold(
        cls, label: Any, probability: Any, threshold: float = 0.5, source: Any = None
    ) -> ScoredImages:
        """Return scores decided at one threshold; by default every image is its own source."""
        label = np.asarray(label).astype(bool)
        probability = np.asarray(probability, float)
        source = np.arange(len(label)) if source is None else codes(source)
        decided = np.ones(len(label), bool)
        return cls(label, probability, probability >= threshold, decided, source)


def codes(names: Any) -> np.ndarray:
    """Return int[n]: equal names get equal numbers."""
    return np.unique(np.asarray(names), return_inverse=True)[1].reshape(-1)


def measure(scores: ScoredImages) -> dict[str, float]:
    """Return every metric of `METRICS`; NaN where it is undefined, such as AUC of one class."""
    values = _measure(scores, np.ones((1, len(scores))))
    return {name: float(value[0]) for name, value in values.items()}


def auc(label: Any, score: Any) -> float:
    """Return the area under the ROC curve by ranks; NaN when a class is missing."""
    label = np.asarray(label).astype(bool)
    positives, negatives = int(label.sum()), int((~label).sum())
    if not positives or not negatives:
        return float("nan")
    ranks = pd.Series(score).rank().to_numpy()[label].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def confusion(scores: ScoredImages) -> Confusion:
    """Return the counts of the forced decisions."""
    label, forged = scores.label, scores.forged
    return Confusion(
        true_positives=int((label & forged).sum()),
        false_positives=int((~label & forged).sum()),
        false_negatives=int((label & ~forged).sum()),
        true_negatives=int((~label & ~forged).sum()),
    )


def _measure(scores: ScoredImages, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return each metric as float[R] for weights float[R, n]."""
    order = np.argsort(-scores.probability, kind="stable")
    ranked, weights = scores.take(order), weights[:, order]
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            **_ranking(ranked, weights),
            **_decisions(ranked, weights),
            **_calibration(ranked, weights),
        }


def _ranking(ranked: ScoredImages, weights: np.ndarray) -> dict[str, np.ndarray]:
    # Images of equal score change sides together.
    starts = np.flatnonzero(np.diff(ranked.probability, prepend=np.inf))
    positive = np.add.reduceat(weights * ranked.label, starts, axis=1)
    negative = np.add.reduceat(weights * ~ranked.label, starts, axis=1)
    true, false = positive.cumsum(1), negative.cumsum(1)
    positives, negatives = true[:, -1], false[:, -1]
    area = (negative * (true - positive / 2)).sum(1) / (positives * negatives)
    chosen = np.where(true + false > 0, true + false, 1)
    average_precision = (positive * true / chosen).sum(1) / positives
    allowed = false <= MAX_FALSE_POSITIVE_RATE * negatives[:, None] * (1 + 1e-9)
    found = np.where(allowed, true, 0).max(1) / positives
    undefined = (positives == 0) | (negatives == 0)
    return {
        "auc": area,
        "average_precision": average_precision,
        "tpr_at_5_fpr": np.where(undefined, np.nan, found),
    }


def _decisions(ranked: ScoredImages, weights: np.ndarray) -> dict[str, np.ndarray]:
    label, forged, decided = ranked.label, ranked.forged, ranked.decided
    at_half = _forced(label, ranked.probability >= HALF, weights)
    kept = weights @ decided
    return {
        **_forced(label, forged, weights),
        **{f"{name}_at_half": at_half[name] for name in DECISIONS},
        "coverage": kept / weights.sum(1),
        "risk_when_decided": weights @ (decided & (label != forged)) / kept,
    }


def _forced(label: np.ndarray, forged: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return the metrics of one forced decision per image, each float[R]."""
    tp, fp = weights @ (label & forged), weights @ (~label & forged)
    fn, tn = weights @ (label & ~forged), weights @ (~label & ~forged)
    recall, specificity = tp / (tp + fn), tn / (tn + fp)
    return {
        "accuracy": (tp + tn) / (tp + tn + fp + fn),
        "balanced_accuracy": (recall + specificity) / 2,
        "precision": np.where(tp + fp > 0, tp / (tp + fp), 0.0),
        "recall": recall,
        "specificity": specificity,
        "f1": 2 * tp / (2 * tp + fp + fn),
    }


def _calibration(ranked: ScoredImages, weights: np.ndarray) -> dict[str, np.ndarray]:
    label, probability = ranked.label, ranked.probability
    even = _equal_priors(label, weights)
    edges = _equal_mass(len(ranked))
    mass = np.add.reduceat(even, edges, axis=1)
    observed = np.add.reduceat(even * label, edges, axis=1) / mass
    predicted = np.add.reduceat(even * probability, edges, axis=1) / mass
    gap = np.where(mass > 0, observed - predicted, 0.0)
    # In a resample half as many images count, which stands for its own noise beside the sample's.
    effective = mass**2 / np.add.reduceat(even**2, edges, axis=1)
    chance = observed * (1 - observed) / np.maximum(effective - 1, 1)
    chance = np.where(mass > 0, chance, 0.0)
    corrected = np.maximum((mass * (gap**2 - chance)).sum(1), 0.0)
    undefined = np.isnan(even).any(1)
    return {
        "brier": (even * (probability - label) ** 2).sum(1),
        "ece": np.where(undefined, np.nan, (mass * np.abs(gap)).sum(1)),
        "ece_corrected": np.where(undefined, np.nan, np.sqrt(corrected)),
    }


def _equal_priors(label: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return weights that sum to one half in each class, float[R, n]; NaN where one is missing."""
    positives, negatives = weights @ label, weights @ ~label
    return weights * np.where(label, 0.5 / positives[:, None], 0.5 / negatives[:, None])


def _equal_mass(number: int) -> np.ndarray:
    """Return where each of the calibration bins starts in sorted scores."""
    bins = min(CALIBRATION_BINS, number)
    return np.floor(np.arange(bins) * number / bins).astype(int)


def estimate(draws: Sequence[ScoredImages], resamples: int, seed: int) -> dict[str, Estimate]:
    """Return value, interval and spread of each metric, averaged over draws of one set of images.

    `low` and `high` bound 95 % (percentiles of a bootstrap over source photographs, the same
    photographs in every draw); `least` and `most` are the extremes over draws.
    """
    points = [measure(scores) for scores in draws]
    samples = _resample(draws, resamples, seed)
    return {
        name: Estimate(**_summary(name, [p[name] for p in points], samples[name]))
        for name in METRICS
    }


def compare(
    first: Sequence[ScoredImages], second: Sequence[ScoredImages], resamples: int, seed: int
) -> dict[str, Difference]:
    """Return second less first for each metric, with the interval of a paired bootstrap.

    Both must hold the same images in the same order. `p` is twice the smaller share of
    resamples on either side of zero.

    Raises:
        ValueError: the images differ.
    """
    for a, b in zip(first, second, strict=True):
        if not (np.array_equal(a.label, b.label) and np.array_equal(a.source, b.source)):
            raise ValueError("two models can be compared on identical images only")
    before, after = _resample(first, resamples, seed), _resample(second, resamples, seed)
    points = [(measure(a), measure(b)) for a, b in zip(first, second, strict=True)]
    differences = {}
    for name in METRICS:
        samples = after[name] - before[name]
        defined = samples[~np.isnan(samples)]
        tails = ((defined <= 0).mean(), (defined >= 0).mean()) if len(defined) else (1.0, 1.0)
        differences[name] = Difference(
            **_summary(name, [b[name] - a[name] for a, b in points], samples),
            p=float(min(1.0, 2 * min(tails))),
        )
    return differences


def source_weights(source: np.ndarray, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield image weights float64[R, n] in parts: how often each image's source was drawn."""
    rng = np.random.default_rng(seed)
    sources = int(source.max()) + 1
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        size = min(_RESAMPLES_AT_ONCE, resamples - start)
        drawn = rng.integers(sources, size=(size, sources)) + np.arange(size)[:, None] * sources
        counts = np.bincount(drawn.ravel(), minlength=size * sources).reshape(size, sources)
        yield counts[:, source].astype(float)


def proportion(successes: int, trials: int) -> Proportion:
    """Return a share with its exact 95 % interval (Clopper and Pearson, Biometrika 1934).

    `at_most` is the one-sided 95 % bound: what 0 of n still allows.
    """
    if not trials:
        return Proportion(value=None, low=None, high=None, at_most=None, count=0, of=0)
    tail = (1 - CONFIDENCE) / 2
    failures = trials - successes
    return Proportion(
        value=successes / trials,
        low=float(betaincinv(successes, failures + 1, tail)) if successes else 0.0,
        high=float(betaincinv(successes + 1, failures, 1 - tail)) if failures else 1.0,
        at_most=float(betaincinv(successes + 1, failures, CONFIDENCE)) if failures else 1.0,
        count=successes,
        of=trials,
    )


def mean_interval(values: np.ndarray, source: np.ndarray, resamples: int, seed: int) -> Interval:
    """Return the mean of `values` float[n] with its interval by bootstrap over sources."""
    values = np.asarray(values, float)
    known = ~np.isnan(values)
    if not known.any():
        return Interval(value=None, low=None, high=None)
    values, source = values[known], codes(np.asarray(source)[known])
    means = [
        weights @ values / weights.sum(1) for weights in source_weights(source, resamples, seed)
    ]
    low, high = percentiles(np.concatenate(means))
    return Interval(value=float(values.mean()), low=low, high=high)


def _resample(draws: Sequence[ScoredImages], resamples: int, seed: int) -> dict[str, np.ndarray]:
    total = {name: np.zeros(resamples) for name in METRICS}
    for scores in draws:
        start = 0
        for weights in source_weights(scores.source, resamples, seed):
            part = _measure(scores, weights)
            for name in METRICS:
                total[name][start : start + len(weights)] += part[name]
            start += len(weights)
    return {name: values / len(draws) for name, values in total.items()}


def _summary(name: str, points: list[float], samples: np.ndarray) -> dict[str, float | None]:
    low, high = (None, None) if name in _WITHOUT_INTERVAL else percentiles(samples)
    return {
        "value": _known(float(np.mean(points))),
        "low": low,
        "high": high,
        "least": _known(min(points)),
        "most": _known(max(points)),
    }


def percentiles(samples: np.ndarray) -> tuple[float | None, float | None]:
    """Return the ends of the 95 % interval of float[R] resamples; None where all are NaN."""
    """Return the ends of the 95 % interval of float[R] resamples; None where all are NaN."""
    samples = samples[~np.isnan(samples)]
    if not len(samples):
        return None, None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return float(low), float(high)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def roc_curve(scores: ScoredImages) -> Curve:
    """Return false-positive and true-positive rate at every distinct score, from 0 to 1."""
    true, false = _cumulative(scores)
    return {
        "fpr": [0.0, *(false / max(false[-1], 1)).tolist()],
        "tpr": [0.0, *(true / max(true[-1], 1)).tolist()],
    }


def precision_recall_curve(scores: ScoredImages) -> Curve:
    """Return recall and precision at every distinct score, from the highest down."""
    true, false = _cumulative(scores)
    return {
        "recall": (true / max(true[-1], 1)).tolist(),
        "precision": (true / (true + false)).tolist(),
    }


def reliability(scores: ScoredImages) -> list[ReliabilityBin]:
    """Return, per bin of equal mass, mean probability, observed share (equal priors), images."""
    order = np.argsort(-scores.probability, kind="stable")
    ranked = scores.take(order)
    even = _equal_priors(ranked.label, np.ones((1, len(ranked))))[0]
    edges = _equal_mass(len(ranked))
    mass = np.add.reduceat(even, edges)
    predicted = np.add.reduceat(even * ranked.probability, edges) / mass
    observed = np.add.reduceat(even * ranked.label, edges) / mass
    images = np.diff(np.append(edges, len(ranked)))
    return [
        ReliabilityBin(predicted=float(p), observed=float(o), images=int(n))
        for p, o, n in zip(predicted, observed, images, strict=True)
    ]


def risk_coverage(scores: ScoredImages) -> Curve:
    """Return the share of errors among the most certain images, for every share of them.

    Decided at one half, most certain first (El-Yaniv and Wiener, JMLR 2010).
    """
    wrong = (scores.probability >= HALF) != scores.label
    order = np.argsort(-np.abs(scores.probability - 0.5), kind="stable")
    number = np.arange(1, len(scores) + 1)
    return {
        "coverage": (number / len(scores)).tolist(),
        "risk": (wrong[order].cumsum() / number).tolist(),
    }


def _cumulative(scores: ScoredImages) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(-scores.probability, kind="stable")
    ranked = scores.take(order)
    ends = np.append(np.flatnonzero(np.diff(ranked.probability)), len(ranked) - 1)
    return ranked.label.cumsum()[ends].astype(float), (~ranked.label).cumsum()[ends].astype(float)


def localisation(heatmap: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Return AUC, F1 and IoU at 0.5, the best F1, and AUC on the 8×8 grid, for one forged image.

    Args:
        heatmap: uint8[H, W], 0 … 255; 0.5 lies between 127 and 128.
        mask: bool[H, W], true where the image is forged.

    Raises:
        ValueError: the shapes differ.
    """
    if heatmap.shape != mask.shape:
        raise ValueError(f"the heat map is {heatmap.shape}, the mask {mask.shape}")
    levels = np.arange(256)
    inside = np.bincount(heatmap[mask], minlength=256)[::-1].cumsum()[::-1]
    outside = np.bincount(heatmap[~mask], minlength=256)[::-1].cumsum()[::-1]
    forged, intact = int(mask.sum()), int((~mask).sum())
    f1 = 2 * inside / np.maximum(inside + outside + forged, 1)
    union = forged + outside
    half = int(np.searchsorted(levels, 127.5))
    return {
        "auc": _area(inside, outside, forged, intact),
        "f1": float(f1[half]),
        "iou": float(inside[half] / max(union[half], 1)),
        "best_f1": float(f1.max()),
        "block_auc": _block_auc(heatmap, mask),
    }


def _area(inside: np.ndarray, outside: np.ndarray, forged: int, intact: int) -> float:
    if not forged or not intact:
        return float("nan")
    true = np.append(inside, 0) / forged
    false = np.append(outside, 0) / intact
    return float(np.trapezoid(true[::-1], false[::-1]))


def _block_auc(heatmap: np.ndarray, mask: np.ndarray) -> float:
    height, width = (side // 8 * 8 for side in mask.shape)
    if not height or not width:
        return float("nan")
    blocks = (height // 8, 8, width // 8, 8)
    truth = mask[:height, :width].reshape(blocks).mean((1, 3)) >= 0.5
    score = heatmap[:height, :width].reshape(blocks).mean((1, 3))
    return auc(truth.ravel(), score.ravel())
