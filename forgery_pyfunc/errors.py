"""The root of the project's errors, and the errors of reading and scoring an image."""

from typing import Literal

ImageErrorCode = Literal[
    "empty_image",
    "not_an_image",
    "unsupported_format",
    "broken_image",
    "too_large",
    "too_many_pixels",
    "bad_base64",
    "decoder_failed",
    "internal_error",
]
"""Why an image could not be scored; `too_large` speaks of bytes, `decoder_failed` of a decoder that
died or needed too much time or memory, `internal_error` of a fault of this project."""


class ForgeryError(Exception):
    """Something that a user can understand and mend.

    `code` is a short stable name for machines; the message is one sentence for people.
    """

    code = "error"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class ImageError(ForgeryError):
    """These bytes cannot be read as an image that the project handles."""

    def __init__(self, message: str, code: ImageErrorCode = "not_an_image") -> None:
        super().__init__(message, code)


class ModelError(ForgeryError):
    """The files of a detector are missing, damaged or of another format."""

    code = "bad_model"


class ParameterError(ForgeryError):
    """A parameter of the request is unknown, of another type or out of range."""

    code = "bad_parameter"
