"""From a network's logit to a calibrated probability, and from that to a verdict."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from forgery_pyfunc.contract import Verdict
from forgery_pyfunc.errors import ModelError

REFERENCE_PIXELS = 384 * 256
"""The image size, in pixels, at which the size term of the calibration is zero."""

HIGHEST = 0.06
"""Share of an image's blocks by which `standing_out` measures."""


@dataclass(frozen=True)
class Calibration:
    """The numbers that turn logits into probabilities for equal priors, and into verdicts.

    Attributes:
        temperature: divides the image logit (Guo et al., *On Calibration of Modern Neural
            Networks*, ICML 2017).
        bias: is added after that.
        size_slope: is added for every doubling of the image's pixels over `REFERENCE_PIXELS`:
            the highest of many blocks is higher than the highest of few.
        block_temperature, block_bias: the same for the logits of the heat map.
        block_softness: that of `standing_out`, which the logits of the heat map go through
            first; None where they count as they are.
        block_smoothing: before that, each of these logits becomes the mean of those at most so
            many blocks away across and down; 0 leaves them.
        t_lo, t_hi: below `t_lo` an image is authentic, from `t_hi` on it is forged, and
            between them lies the grey band.
        chosen_on: in words, which images chose the numbers.
    """

    temperature: float = 1.0
    bias: float = 0.0
    size_slope: float = 0.0
    block_temperature: float = 1.0
    block_bias: float = 0.0
    block_softness: float | None = None
    t_lo: float = 0.5
    t_hi: float = 0.5
    chosen_on: str = "nothing: the logits are used as they are"
    block_smoothing: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.t_lo <= self.t_hi <= 1:
            raise ModelError(
                f"the calibration has t_lo={self.t_lo} and t_hi={self.t_hi}; "
                "it needs 0 ≤ t_lo ≤ t_hi ≤ 1"
            )
        if self.temperature <= 0 or self.block_temperature <= 0:
            raise ModelError("the temperatures of the calibration must be above 0")
        if self.block_softness is not None and self.block_softness <= 0:
            raise ModelError("block_softness of the calibration must be above 0")
        if not isinstance(self.block_smoothing, int) or self.block_smoothing < 0:
            raise ModelError(
                f"block_smoothing of the calibration is {self.block_smoothing!r}; "
                "it must be a whole number of blocks, 0 or more"
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Calibration":
        """Return the calibration that `to_dict` wrote; raise `ModelError` for unknown keys."""
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise ModelError(f"the calibration has unknown keys: {', '.join(sorted(unknown))}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as a JSON-able dict."""
        return asdict(self)

    def log_odds(self, logit: float, pixels: int) -> float:
        """Return the calibrated logit of an image of so many pixels."""
        size = np.log2(pixels / REFERENCE_PIXELS)
        return float(logit / self.temperature + self.bias + self.size_slope * size)

    def probability(self, logit: float, pixels: int) -> float:
        """Return the probability in [0, 1] that an image of so many pixels is forged."""
        return float(sigmoid(self.log_odds(logit, pixels)))

    def block_probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return float32[h, w] in [0, 1] for the block logits float32[h, w] of a whole image."""
        logits = relative_logits(logits, self.block_softness, self.block_smoothing)
        return sigmoid(logits / self.block_temperature + self.block_bias).astype(np.float32)

    def band(self, threshold: float | None = None) -> tuple[float, float]:
        """Return the cuts (t_lo, t_hi) that decide; a `threshold` is both, without a grey band."""
        return (self.t_lo, self.t_hi) if threshold is None else (threshold, threshold)

    def verdict(self, probability: float, threshold: float | None = None) -> Verdict:
        """Return the decision; a `threshold` replaces the grey band by one cut."""
        t_lo, t_hi = self.band(threshold)
        if probability >= t_hi:
            return "forged"
        return "authentic" if probability < t_lo else "inconclusive"


def relative_logits(logits: np.ndarray, softness: float | None, smoothing: int) -> np.ndarray:
    """Return what the temperature of blocks divides, float[h, w], of an image's block logits.

    Args:
        logits: float[h, w], of a whole image.
        softness: of `standing_out`, which comes last; None leaves it out.
        smoothing: radius of `local_means`, in blocks; 0 leaves them out.
    """
    if smoothing:
        logits = local_means(logits, smoothing)
    return logits if softness is None else standing_out(logits, softness)


def local_means(values: np.ndarray, radius: int) -> np.ndarray:
    """Return the mean around each place of a map, float[h, w], at most `radius` away on each axis.

    At the edges the mean is of what lies inside.
    """
    return _means_down(_means_down(values, radius).T, radius).T


def _means_down(values: np.ndarray, radius: int) -> np.ndarray:
    place = np.arange(len(values))
    first, after = np.maximum(place - radius, 0), np.minimum(place + radius + 1, len(values))
    sums = np.pad(np.cumsum(values, axis=0, dtype=float), ((1, 0), (0, 0)))
    return (sums[after] - sums[first]) / (after - first)[:, np.newaxis]


def standing_out(logits: np.ndarray, softness: float) -> np.ndarray:
    """Return how far each block of an image stands above the mean, in any shape.

    The unit is how far the highest blocks do, so that a trace that is faint as a whole shows
    nearly as well as a strong one. `softness`, in logits, is added to it: what stands out by much
    less than that stays faint.
    """
    above = logits - logits.mean()
    count = max(1, round(HIGHEST * above.size))
    highest = np.partition(above, -count, axis=None)[-count:].mean()
    return above / (highest + softness)


def sigmoid(x: np.ndarray | float) -> np.ndarray:
    """Return 1 / (1 + exp(-x)) without overflow, in x's shape."""
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(x)))
