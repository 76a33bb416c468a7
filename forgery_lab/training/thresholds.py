"""The choice of the two thresholds: t_hi by false alarms, t_lo by coverage."""

import numpy as np

MAX_FALSE_ALARMS = 0.03
"""Share of authentic images that t_hi may call forged."""

COVERAGE = 0.80
"""Share of images (both classes equally weighted) that get a verdict."""


def choose_t_hi(authentic: np.ndarray, max_false_alarms: float = MAX_FALSE_ALARMS) -> float:
    """Return the least threshold at which at most so many authentic images count as forged."""
    ranked = np.sort(np.asarray(authentic, float))[::-1]
    allowed = int(np.floor(max_false_alarms * len(ranked)))
    return float(min(np.nextafter(ranked[min(allowed, len(ranked) - 1)], 2.0), 1.0))


def choose_t_lo(
    probability: np.ndarray, labels: np.ndarray, t_hi: float, coverage: float = COVERAGE
) -> float:
    """Return the least threshold, at most t_hi, that decides the share `coverage` of images.

    The classes count equally. Below it an image is called authentic.
    """
    labels = np.asarray(labels).astype(bool)
    weight = np.where(labels, 0.5 / labels.sum(), 0.5 / (~labels).sum())
    order = np.argsort(probability, kind="stable")
    above = weight[probability >= t_hi].sum()
    decided = above + weight[order].cumsum()
    needed = int(np.searchsorted(decided, coverage - 1e-9))
    if needed >= len(order):
        return t_hi
    return float(min(np.nextafter(probability[order[needed]], 2.0), t_hi))
