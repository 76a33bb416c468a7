"""What the scoring server answers about one image."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Verdict = Literal["authentic", "forged", "inconclusive"]


class Record(BaseModel):
    """The answer for one image; where `error` is set, the other fields are null."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    verdict: Verdict | None = Field(
        default=None, description="decision; inconclusive: the grey band"
    )
    probability: float | None = Field(
        default=None, ge=0, le=1, description="calibrated probability that the image is forged"
    )
    heatmap: str | None = Field(
        default=None, description="base64 PNG of evidence, 0 to 255, image size"
    )
    width: int | None = Field(default=None, description="pixels, as displayed")
    height: int | None = Field(default=None, description="pixels, as displayed")
    format: str | None = Field(default=None, description="JPEG, PNG, TIFF, BMP or WEBP")
    model_version: str | None = Field(default=None, description="which model answered")
    error: str | None = Field(
        default=None, description="`code: message` when it could not be scored"
    )
    reason: str | None = Field(
        default=None, description="why the verdict is inconclusive, if special"
    )
    t_lo: float | None = Field(
        default=None, description="below it the verdict is authentic; up to t_hi: grey band"
    )
    t_hi: float | None = Field(default=None, description="from it on the verdict is forged")

    @property
    def error_code(self) -> str | None:
        """The machine-readable part of `error`."""
        return self.error.partition(": ")[0] if self.error else None

    @property
    def error_message(self) -> str | None:
        """The sentence of `error`."""
        return self.error.partition(": ")[2] if self.error else None


class FileRecord(Record):
    """The answer for one uploaded file."""

    filename: str = Field(description="as the browser sent it, without any folder")


class Predictions(BaseModel):
    """One record per image, in order."""

    predictions: list[FileRecord]
