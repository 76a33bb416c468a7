"""The contract of `/invocations`: what a request is answered with, and the codes of all errors.

Training, registry, scoring server, web application and clients all derive their signatures,
tables and schemas from here.
"""

from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from forgery_pyfunc.errors import ForgeryError, ImageErrorCode, ParameterError

VERSION_VARIABLE = "FORGERY_MODEL_VERSION"
"""Environment variable with which whoever starts a server names the version it serves."""
AT_ONCE_VARIABLE = "FORGERY_IMAGES_AT_ONCE"
"""Environment variable with how many images one process of the served model scores at once."""
HEALTH_CHECK = b"forgery-detector health check"
"""Behind the end of a picture by which a server or a model is only checked; it is not logged."""

Verdict = Literal["authentic", "forged", "inconclusive"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

ERROR_CODES: tuple[ImageErrorCode, ...] = get_args(ImageErrorCode)
REASON_CODES = ("too_small", "untested_format", "not_a_photograph", "noise", "few_colours")
"""Why an image that can be read is not judged: its verdict is `inconclusive`."""
NOTE_CODES = ("first_frame_only",)
"""What is to be known of an image beside its verdict."""
PARAMETER_CODE = ParameterError.code
CODES: tuple[str, ...] = (*ERROR_CODES, *REASON_CODES, *NOTE_CODES, PARAMETER_CODE)
"""All codes that a served model answers with: in `error`, `reason`, `note`, and of a request."""


@dataclass(frozen=True)
class CodedMessage:
    """A code for machines and a sentence for people; on the wire "code: sentence"."""

    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def as_sentence(self) -> str:
        """Return the sentence for people with a capital letter and a full stop."""
        return f"{self.message[:1].upper()}{self.message[1:].rstrip('.')}."

    @classmethod
    def parse(cls, text: str) -> "CodedMessage":
        """Return what `str` wrote; a text without a colon is all code."""
        code, _, message = text.partition(": ")
        return cls(code, message)

    @classmethod
    def of(cls, error: ForgeryError) -> "CodedMessage":
        """Return code and sentence of an error."""
        return cls(error.code, str(error))


def described(mlflow_type: str, description: str, **limits: float) -> dict[str, Any]:
    """Return a field's metadata: its MLflow type, and what pydantic reads for a JSON schema."""
    return {"mlflow": mlflow_type, "description": description, **limits}


@dataclass(frozen=True)
class Record:
    """The answer for one image; where `error` is set, all but `model_version` is null."""

    verdict: Verdict | None = field(
        default=None, metadata=described("string", "inconclusive: in the grey band, or not judged")
    )
    probability: float | None = field(
        default=None,
        metadata=described("double", "calibrated probability that the image is forged", ge=0, le=1),
    )
    heatmap: str | None = field(
        default=None,
        metadata=described("string", "base64 PNG of evidence, 0 to 255, as large as the image"),
    )
    width: int | None = field(default=None, metadata=described("long", "pixels, as displayed"))
    height: int | None = field(default=None, metadata=described("long", "pixels, as displayed"))
    format: str | None = field(
        default=None, metadata=described("string", "JPEG, PNG, TIFF, BMP, WEBP, HEIC or AVIF")
    )
    model_version: str | None = field(
        default=None, metadata=described("string", "which model answered")
    )
    error: str | None = field(
        default=None, metadata=described("string", "`code: message` when it could not be scored")
    )
    reason: str | None = field(
        default=None,
        metadata=described("string", "`code: message` when it was read but not judged"),
    )
    t_lo: float | None = field(
        default=None,
        metadata=described("double", "below it the verdict is authentic; up to t_hi: grey band"),
    )
    t_hi: float | None = field(
        default=None, metadata=described("double", "at or above it the verdict is forged")
    )
    note: str | None = field(
        default=None,
        metadata=described("string", "`code: message` about what of the file was judged"),
    )
    explanation: str | None = field(
        default=None,
        metadata=described("string", "JSON text that tells why, of the schema `Explanation`"),
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

    @property
    def note_code(self) -> str | None:
        """The code of `note`."""
        return CodedMessage.parse(self.note).code if self.note else None


def mlflow_types(contract: type) -> dict[str, str]:
    """Return names and MLflow types of the fields of a dataclass of the contract, in order."""
    return {item.name: item.metadata["mlflow"] for item in fields(contract)}


RECORD_FIELDS = mlflow_types(Record)
"""Fields of a record and their MLflow types, in order."""
