"""The parameters of a request to `/invocations`, and their one check.

The scoring server, the public entrance and the forms of the page all read them here.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from forgery_pyfunc.contract import described, mlflow_types
from forgery_pyfunc.errors import ParameterError


@dataclass(frozen=True)
class Parameters:
    """What a request may ask for; raises `ParameterError` for values that are not allowed."""

    threshold: float | None = field(
        default=None, metadata=described("double", "replaces the calibrated grey band", ge=0, le=1)
    )
    heatmap: bool = field(default=False, metadata=described("boolean", "draw the heat map"))
    strict: bool = field(
        default=True, metadata=described("boolean", "refuse a request without any readable image")
    )
    explain: bool = field(default=False, metadata=described("boolean", "tell why"))

    def __post_init__(self) -> None:
        if self.threshold is not None and not _is_probability(self.threshold):
            raise ParameterError("threshold must be a number from 0 to 1, or null.")
        for name in ("heatmap", "strict", "explain"):
            if not isinstance(getattr(self, name), bool):
                raise ParameterError(f"{name} must be true or false.")

    @classmethod
    def read(cls, values: object) -> "Parameters":
        """Return the parameters of a request's `params`; None stands for the defaults.

        Raises:
            ParameterError: it is not an object, or holds an unknown name or a value that is not
                allowed; the message repeats nothing of it.
        """
        if values is None:
            return cls()
        if not isinstance(values, Mapping) or set(values) - set(PARAMETER_TYPES):
            raise ParameterError(
                "params must be an object with no keys but threshold, heatmap, strict and explain."
            )
        return cls(**values)

    @classmethod
    def read_form(cls, values: Mapping[str, str]) -> "Parameters":
        """Return threshold, heatmap and explain of a form or query of texts, and no other field.

        Raises:
            ParameterError: a text stands for no allowed value.
        """
        threshold = values.get("threshold")
        return cls(
            threshold=_number(threshold) if threshold else None,
            heatmap=read_flag("heatmap", values.get("heatmap")),
            explain=read_flag("explain", values.get("explain")),
        )


def read_flag(name: str, text: str | None) -> bool:
    """Return the truth of a flag of a form or query; a missing or empty one is false.

    Raises:
        ParameterError: the text is neither true nor false.
    """
    words = {"": False, "false": False, "0": False, "true": True, "1": True, "on": True}
    if (text or "").lower() not in words:
        raise ParameterError(f"{name} must be true or false.")
    return words[(text or "").lower()]


def _number(text: str) -> float:
    """Return the number that a text stands for; NaN, which no check lets through, for none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _is_probability(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


PARAMETER_TYPES = mlflow_types(Parameters)
"""Names of the parameters and their MLflow types, in order."""
