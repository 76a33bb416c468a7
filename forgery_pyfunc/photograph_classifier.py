"""The classifier that tells photographs from what a computer drew, by statistics of the pixels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from forgery_pyfunc.calibration import sigmoid
from forgery_pyfunc.errors import ModelError
from forgery_pyfunc.picture_statistics import NAMES

FORMAT = 1
"""Version of the file's layout; a classifier of another format is refused."""

WEIGHTS = ("mean", "scale", "hidden", "hidden_bias", "output", "output_bias")
FAR = 4.0
"""Standard deviations from the mean at which a statistic is levelled off."""


@dataclass(frozen=True)
class PhotographClassifier:
    """A network of one hidden layer; several of them, side by side, are one of more units.

    Attributes:
        mean, scale: float[n], of the statistics of the pictures that it learnt from.
        hidden, hidden_bias: float[n, h] and float[h], of the hidden layer (ReLU).
        output, output_bias: float[h] and float: the calibrated logit of being a photograph.
        threshold: probability below which a picture is declined.
    """

    mean: np.ndarray
    scale: np.ndarray
    hidden: np.ndarray
    hidden_bias: np.ndarray
    output: np.ndarray
    output_bias: float
    threshold: float

    @classmethod
    def load(cls, path: Path) -> PhotographClassifier:
        """Return the classifier of a file.

        Raises:
            ModelError: the file cannot be read, or is of another format or of other statistics.
        """
        try:
            values = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ModelError(f"{path} cannot be read: {error}") from error
        return cls.from_dict(values, str(path))

    @classmethod
    def from_dict(cls, values: dict[str, Any], name: str) -> PhotographClassifier:
        """Return the classifier that `to_dict` wrote; other keys do not count.

        Raises:
            ModelError: naming `name`, as `load`.
        """
        missing = {"format", "statistics", "threshold", *WEIGHTS} - set(values)
        if missing:
            raise ModelError(f"{name} lacks {', '.join(sorted(missing))}")
        if values["format"] != FORMAT:
            raise ModelError(f"{name} has format {values['format']}; this code reads {FORMAT}")
        if tuple(values["statistics"]) != NAMES:
            raise ModelError(f"{name} was made for other statistics of a picture than this code's")
        arrays = {key: np.asarray(values[key], np.float32) for key in WEIGHTS[:-1]}
        units = len(arrays["output"])
        shapes = [(len(NAMES),), (len(NAMES),), (len(NAMES), units), (units,), (units,)]
        if [array.shape for array in arrays.values()] != shapes:
            raise ModelError(f"{name}: the weights do not fit each other")
        return cls(
            **arrays,
            output_bias=float(values["output_bias"]),
            threshold=float(values["threshold"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads, as a JSON-able dict."""
        return {
            "format": FORMAT,
            "threshold": self.threshold,
            "statistics": list(NAMES),
            **{name: _rounded(getattr(self, name)) for name in WEIGHTS},
        }

    def logits(self, statistics: np.ndarray) -> np.ndarray:
        """Return float32[…], of being a photograph, for float32[…, n] of `statistics`."""
        standard = np.clip((statistics - self.mean) / self.scale, -FAR, FAR)
        hidden = np.maximum(standard @ self.hidden + self.hidden_bias, 0)
        return hidden @ self.output + np.float32(self.output_bias)

    def probability(self, statistics: np.ndarray) -> float:
        """Return the probability in [0, 1] that the picture of float32[n] is a photograph."""
        return float(sigmoid(self.logits(statistics)))


def _rounded(weights: np.ndarray | float) -> Any:
    """Return weights as a list (of lists) of numbers with five digits."""
    array = np.asarray(weights, np.float64)
    digits = [float(f"{number:.5g}") for number in array.ravel()]
    return np.reshape(digits, array.shape).tolist()
