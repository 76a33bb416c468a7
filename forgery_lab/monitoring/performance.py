"""How well a model does on images whose labels nobody knows, as far as its probabilities say it.

Where a probability is calibrated, it is the chance that the image is forged; so the expected counts
of right and wrong decisions follow from the probabilities alone (confidence-based performance
estimation, https://nannyml.readthedocs.io/en/stable/how_it_works/performance_estimation.html). The
probabilities hold for as many forged as authentic images. How many are forged here is estimated,
and the probabilities are corrected for it (Saerens, Latinne and Decaestecker, *Adjusting the
Outputs of a Classifier to New a Priori Probabilities*, Neural Computation 14, 2002).

All of it rests on one assumption: forged images of this window score as forged images did when the
model was calibrated, and authentic ones as authentic ones. Other proportions of both are allowed.
Forgeries of a new kind, or cameras that the model takes for forged, are not, and stay unseen here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from forgery_lab.evaluation.metrics import percentiles
from forgery_lab.evaluation.results import Interval

LEAST = 200
"""Judged images below which nothing is estimated."""

_ROUNDS, _CLOSE = 1000, 1e-6
_FLOOR = 1e-6


@dataclass(frozen=True)
class Performance:
    """Expected figures, with the 95 % intervals of sampling.

    Attributes:
        images: that were judged.
        t_hi: at which they are called forged.
        share_forged: of the judged images.
        tpr, fpr: shares of the forged and of the authentic images that are called forged.
        auc: of ranking one above the other.
    """

    images: int
    t_hi: float
    share_forged: Interval
    tpr: Interval
    fpr: Interval
    auc: Interval


def estimate(frame: pd.DataFrame, resamples: int, seed: int) -> Performance | None:
    """Return the figures of a window of a log; None where too few of its images were judged.

    Images that were judged at another threshold than most are left out.
    """
    judged = frame.dropna(subset=["probability", "t_hi"])
    if len(judged) < LEAST:
        return None
    t_hi = float(judged["t_hi"].mode()[0])
    probability = judged.loc[judged["t_hi"] == t_hi, "probability"].to_numpy(float)
    if len(probability) < LEAST:
        return None
    rng = np.random.default_rng(seed)
    drawn = [expected(rng.choice(probability, len(probability)), t_hi) for _ in range(resamples)]
    bounds = [percentiles(samples) for samples in np.array(drawn).T]
    values = expected(probability, t_hi)
    intervals = [
        Interval(value=v, low=b[0], high=b[1]) for v, b in zip(values, bounds, strict=True)
    ]
    return Performance(len(probability), t_hi, *intervals)


def expected(probability: np.ndarray, t_hi: float) -> tuple[float, float, float, float]:
    """Return share of forged images, TPR and FPR at `t_hi`, and AUC that float[n] lets expect."""
    share = share_forged(probability)
    forged = at_share(probability, share)
    called = probability >= t_hi
    authentic = 1 - forged
    order = np.argsort(probability)
    lower = np.cumsum(authentic[order]) - authentic[order]
    pairs = forged.sum() * authentic.sum() - (forged * authentic).sum()
    return (
        share,
        float(forged[called].sum() / forged.sum()),
        float(authentic[called].sum() / authentic.sum()),
        float((forged[order] * lower).sum() / pairs),
    )


def share_forged(probability: np.ndarray) -> float:
    """Return the most likely share of forged images for probabilities at equal shares."""
    share = 0.5
    for _ in range(_ROUNDS):
        before, share = share, float(at_share(probability, share).mean())
        if abs(share - before) < _CLOSE:
            break
    return min(max(share, _FLOOR), 1 - _FLOOR)


def at_share(probability: np.ndarray, share: float) -> np.ndarray:
    """Return the probabilities for another share of forged images than one half."""
    forged, authentic = probability * share, (1 - probability) * (1 - share)
    return forged / (forged + authentic)
