"""The contract of `/invocations`: what a request may ask for, and what it is answered with.

Training, registry, scoring server, web application and clients all derive their signatures,
tables and schemas from here.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from forgery_pyfunc.errors import ForgeryError, ImageErrorCode

VERSION_VARIABLE = "FORGERY_MODEL_VERSION"
"""Environment variable with which whoever starts a server names the version it serves."""

Verdict = Literal["authentic", "forged", "inconclusive"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

ERROR_CODES: tuple[ImageErrorCode, ...] = get_args(ImageErrorCode)
REASON_CODES = ("too_small", "not_a_photograph", "noise", "few_colours")
"""Why an image that can be read is not judged: its verdict is `inconclusive`."""
PARAMETER_CODE = "bad_parameter"
CODES: tuple[str, ...] = (*ERROR_CODES, *REASON_CODES, PARAMETER_CODE)
"""All codes that a served model answers with: in `error`, in `reason`, and of a request."""


class ParameterError(ForgeryError):
    """A parameter of the request is unknown, of another type or out of range."""

    code = PARAMETER_CODE


@dataclass(frozen=True)
class CodedMessage:
    """A code for machines and a sentence for people; on the wire "code: sentence"."""

    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    @classmethod
    def parse(cls, text: str) -> "CodedMessage":
        """Return what `str` wrote; a text without a colon is all code."""
        code, _, message = text.partition(": ")
        return cls(code, message)

    @classmethod
    def of(cls, error: ForgeryError) -> "CodedMessage":
        """Return code and sentence of an error."""
        return cls(error.code, str(error))


def _about(mlflow_type: str, description: str, **limits: float) -> dict[str, Any]:
    """Return a field's metadata: its MLflow type, and what pydantic reads for a JSON schema."""
    return {"mlflow": mlflow_type, "description": description, **limits}


@dataclass(frozen=True)
class Record:
    """The answer for one image; where `error` is set, all but `model_version` is null."""

    verdict: Verdict | None = field(
        default=None, metadata=_about("string", "decision; inconclusive: the grey band")
    )
    probability: float | None = field(
        default=None,
        metadata=_about("double", "calibrated probability that the image is forged", ge=0, le=1),
    )
    heatmap: str | None = field(
        default=None, metadata=_about("string", "base64 PNG of evidence, 0 to 255, image size")
    )
    width: int | None = field(default=None, metadata=_about("long", "pixels, as displayed"))
    height: int | None = field(default=None, metadata=_about("long", "pixels, as displayed"))
    format: str | None = field(
        default=None, metadata=_about("string", "JPEG, PNG, TIFF, BMP or WEBP")
    )
    model_version: str | None = field(
        default=None, metadata=_about("string", "which model answered")
    )
    error: str | None = field(
        default=None, metadata=_about("string", "`code: message` when it could not be scored")
    )
    reason: str | None = field(
        default=None, metadata=_about("string", "`code: message` when it was read but not judged")
    )
    t_lo: float | None = field(
        default=None,
        metadata=_about("double", "below it the verdict is authentic; up to t_hi: grey band"),
    )
    t_hi: float | None = field(
        default=None, metadata=_about("double", "from it on the verdict is forged")
    )

    @property
    def error_code(self) -> str | None:
        """The code of `error`."""
        return CodedMessage.parse(self.error).code if self.error else None

    @property
    def error_message(self) -> str | None:
        """The sentence of `error`."""
        return CodedMessage.parse(self.error).message if self.error else None

    @property
    def reason_code(self) -> str | None:
        """The code of `reason`."""
        return CodedMessage.parse(self.reason).code if self.reason else None


@dataclass(frozen=True)
class Parameters:
    """What a request may ask for; raises `ParameterError` for values that are not allowed."""

    threshold: float | None = field(
        default=None, metadata=_about("double", "replaces the calibrated grey band", ge=0, le=1)
    )
    heatmap: bool = field(default=False, metadata=_about("boolean", "draw the heat map"))
    strict: bool = field(
        default=True, metadata=_about("boolean", "refuse a request without any readable image")
    )

    def __post_init__(self) -> None:
        if self.threshold is not None and not _is_probability(self.threshold):
            raise ParameterError("threshold must be a number from 0 to 1, or null.")
        for name in ("heatmap", "strict"):
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
                "params must be an object that may hold threshold, heatmap and strict."
            )
        return cls(**values)

    @classmethod
    def read_form(cls, values: Mapping[str, str]) -> "Parameters":
        """Return threshold and heatmap of a form or query of texts; other fields are ignored.

        Raises:
            ParameterError: a text stands for no allowed value.
        """
        threshold = values.get("threshold")
        return cls(
            threshold=_number(threshold) if threshold else None,
            heatmap=read_flag("heatmap", values.get("heatmap")),
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


def _mlflow_types(contract: type[Record] | type[Parameters]) -> dict[str, str]:
    return {item.name: item.metadata["mlflow"] for item in fields(contract)}


RECORD_FIELDS = _mlflow_types(Record)
"""Fields of a record and their MLflow types, in order."""

PARAMETER_TYPES = _mlflow_types(Parameters)
"""Names of the parameters and their MLflow types, in order."""
