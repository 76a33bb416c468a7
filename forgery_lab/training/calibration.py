"""Fits the numbers of a detector's calibration on images that took no part in training.

Temperature and bias make probabilities true under equal priors (Platt, 1999; Guo et al., ICML
2017); t_hi keeps false alarms rare, and t_lo leaves as many images undecided as was stated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from forgery_lab.errors import DataError
from forgery_lab.training.thresholds import (
    COVERAGE,
    MAX_FALSE_ALARMS,
    choose_t_hi,
    choose_t_lo,
)
from forgery_pyfunc.calibration import (
    REFERENCE_PIXELS,
    Calibration,
    relative_logits,
    sigmoid,
)

_TEMPERATURES = (0.05, 20.0)
_PRIOR_STRENGTH = 1e-3
_LEAST_SIZE_SPREAD = 0.25
"""Standard deviation within the classes, in doublings of the area, below which no size term is
fitted."""
_SLOPES = (-2.0, 2.0)
_CUTS = 401

MAX_HOT = 0.04
"""Share of an authentic image's blocks, as a mean over images, that the map may show at one half
or above."""


@dataclass(frozen=True)
class Fitted:
    """A calibration of images, and what it reaches.

    `false_alarms` and `coverage` are those on the images that chose the thresholds, so they are
    optimistic; the evaluation states them on others.
    """

    calibration: Calibration
    false_alarms: float
    coverage: float


def fit_calibration(
    logits: np.ndarray,
    labels: np.ndarray,
    pixels: np.ndarray,
    camera_logits: np.ndarray | None = None,
    camera_pixels: np.ndarray | None = None,
    max_false_alarms: float = MAX_FALSE_ALARMS,
    coverage: float = COVERAGE,
) -> Fitted:
    """Return temperature, bias, size term and thresholds.

    Args:
        logits: float[n] image logits of the validation split, float[n].
        labels: bool[n], whether forged.
        pixels: int[n], width × height of each image.
        camera_logits: float[m], of held-out camera originals, all authentic; without them t_hi
            is chosen on the authentic validation images.
        camera_pixels: int[m], width × height of those.
        max_false_alarms: share of authentic images at or above t_hi.
        coverage: share of images, with equal class weights, outside the grey band.

    Raises:
        DataError: the validation images hold one class only.
    """
    labels = np.asarray(labels).astype(bool)
    logits = np.asarray(logits, float)
    if labels.all() or not labels.any():
        raise DataError(
            "calibration needs authentic and forged validation images, not just one class"
        )
    doublings = np.log2(np.asarray(pixels, float) / REFERENCE_PIXELS)
    temperature, bias, slope = _fit_probability(logits, labels, doublings)

    probability = sigmoid(logits / temperature + bias + slope * doublings)
    authentic, source = probability[~labels], "authentic validation images"
    if camera_logits is not None and len(camera_logits):
        if camera_pixels is None:
            raise ValueError("camera_pixels must be given with camera_logits")
        size = slope * np.log2(np.asarray(camera_pixels, float) / REFERENCE_PIXELS)
        authentic = sigmoid(np.asarray(camera_logits, float) / temperature + bias + size)
        source = "held-out camera originals"
    t_hi = choose_t_hi(authentic, max_false_alarms)
    t_lo = choose_t_lo(probability, labels, t_hi, coverage)
    decided = (probability >= t_hi) | (probability < t_lo)
    calibration = Calibration(
        temperature=temperature,
        bias=bias,
        size_slope=slope,
        t_lo=t_lo,
        t_hi=t_hi,
        chosen_on=(
            f"temperature, bias and t_lo on {len(labels)} validation images "
            f"({int(labels.sum())} forged), classes weighted equally; t_hi on {len(authentic)} "
            f"{source} for at most {max_false_alarms:.0%} false alarms; t_lo for a coverage of "
            f"{coverage:.0%}"
        ),
    )
    return Fitted(
        calibration,
        false_alarms=float((authentic >= t_hi).mean()),
        coverage=float((decided[labels].mean() + decided[~labels].mean()) / 2),
    )


def fit_block_calibration(
    calibration: Calibration,
    images: Sequence[tuple[np.ndarray, np.ndarray]],
    softness: float | None = None,
    smoothing: int = 0,
    authentic: Sequence[np.ndarray] = (),
) -> Calibration:
    """Return a calibration with the numbers of blocks fitted, with one half as the best cut.

    The temperature is that of the maximum likelihood; the bias then moves the cut with the best
    F1, as a mean over images, to a probability of one half, which protocol D fixes. Of authentic
    images at most the share `MAX_HOT` of the blocks, as a mean over images, may reach it.

    Args:
        calibration: keeps its numbers of images.
        images: of forged validation images, float[h, w] block logits and bool[h, w] whether
            forged.
        softness: of `forgery_pyfunc.calibration.standing_out`; None for the logits as they are.
        smoothing: radius of `forgery_pyfunc.calibration.local_means`, in blocks.
        authentic: float[h, w] block logits of authentic validation images; without them the cut
            with the best F1 is taken, whatever it calls forged elsewhere.

    Raises:
        DataError: all blocks are of one kind.
    """

    def seen(logits: np.ndarray) -> np.ndarray:
        return relative_logits(logits, softness, smoothing).ravel()

    told = [(seen(logits), forged.ravel()) for logits, forged in images]
    values, forged = (np.concatenate(parts) for parts in zip(*told, strict=True))
    if forged.all() or not forged.any():
        raise DataError("block calibration needs forged and intact blocks, not just one kind")
    temperature, _, _ = _fit_probability(values, forged, np.zeros(len(values)))
    cuts = np.quantile(values, np.linspace(0, 1, _CUTS))
    f1 = np.mean([_f1(*image, cuts) for image in told], axis=0)
    if len(authentic):
        hot = [_number_from(seen(logits), cuts) / logits.size for logits in authentic]
        allowed = np.mean(hot, axis=0) <= MAX_HOT
        allowed[-1] = True  # the highest, where none is
        f1 = np.where(allowed, f1, -1.0)
    return replace(
        calibration,
        block_temperature=temperature,
        block_bias=float(-cuts[int(f1.argmax())] / temperature),
        block_softness=softness,
        block_smoothing=smoothing,
    )


def _number_from(values: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Return how many of the values are at or above each cut."""
    return len(values) - np.searchsorted(np.sort(values), cuts)


def _f1(logits: np.ndarray, forged: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Return the F1 of an image's blocks at or above each cut; 0 where no block is forged."""
    called, found = (_number_from(some, cuts) for some in (logits, logits[forged]))
    return 2 * found / np.maximum(called + forged.sum(), 1)


def _fit_probability(
    logits: np.ndarray, labels: np.ndarray, doublings: np.ndarray
) -> tuple[float, float, float]:
    """Return temperature and bias of greatest likelihood under equal priors, and the size slope.

    The slope undoes the trend of the logits with size within the classes, so that it cannot tell
    the classes by the sizes of their images. A weak prior towards temperature 1 and no slope keeps
    perfectly separated sets finite.
    """
    weight = np.where(labels, 0.5 / labels.sum(), 0.5 / (~labels).sum())
    sign = np.where(labels, -1.0, 1.0)
    trend = _trend_within(logits, labels, doublings, weight)

    def slope(temperature: float) -> float:
        return float(np.clip(-trend / temperature, *_SLOPES))

    def loss(parameters: np.ndarray) -> float:
        log_temperature, bias = parameters
        temperature = np.exp(log_temperature)
        z = logits / temperature + bias + slope(temperature) * doublings
        likelihood = float((weight * np.logaddexp(0, sign * z)).sum())
        return likelihood + _PRIOR_STRENGTH * float(log_temperature**2)

    bounds = [tuple(np.log(_TEMPERATURES)), (None, None)]
    found = minimize(loss, np.zeros(2), method="L-BFGS-B", bounds=bounds).x
    temperature = float(np.exp(found[0]))
    return temperature, float(found[1]), slope(temperature)


def _trend_within(
    logits: np.ndarray, labels: np.ndarray, doublings: np.ndarray, weight: np.ndarray
) -> float:
    """Return by how much logits rise per doubling of the area among images of one class."""
    means = np.where(labels, doublings[labels].mean(), doublings[~labels].mean())
    centred = doublings - means
    if centred.std() < _LEAST_SIZE_SPREAD:
        return 0.0
    spread = (weight * centred) @ centred
    return float((weight * centred) @ logits / (spread + 10 * _PRIOR_STRENGTH))
