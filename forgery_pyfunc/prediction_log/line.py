"""A line of the prediction log: what it says of an image, and nothing that shows it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from forgery_pyfunc.contract import Record

if TYPE_CHECKING:
    from forgery_pyfunc.detector import Examination

MEANS = "mean:"
"""Begins the name of a column with the mean of a feature's channel, `mean:FAMILY:CHANNEL`."""
MOST_BLOCKS = 1024
"""Blocks that the means are over, evenly spread, so that they cost the same for every size."""

Kind = Literal["time", "string", "integer", "number"]


@dataclass(frozen=True)
class Line:
    """What the log keeps of one image; None where it is not known.

    Attributes:
        time: of the answer, UTC.
        model_version, verdict, probability, t_lo, t_hi, width, height, format: as answered.
        reason, error: the codes of the record's, without the sentence.
        quality: nearest IJG quality, of a JPEG.
        table_hash: names the quantisation tables of a JPEG.
        photograph: probability of being a photograph, where a classifier was asked.
        means: float32[C], per channel of the features; None for an image that was not judged.
    """

    time: datetime
    model_version: str | None
    verdict: str | None
    probability: float | None
    t_lo: float | None
    t_hi: float | None
    reason: str | None
    error: str | None
    width: int | None
    height: int | None
    format: str | None
    quality: int | None = None
    table_hash: str | None = None
    photograph: float | None = None
    means: np.ndarray | None = None

    @classmethod
    def of(cls, examination: Examination) -> Line:
        """Return the line of an image that could be read."""
        jpeg, features = examination.image.jpeg, examination.features
        return cls(
            **_answer(examination.record),
            quality=jpeg.quality if jpeg else None,
            table_hash=jpeg.table_hash if jpeg else None,
            photograph=examination.photograph,
            means=None if features is None else means(features),
        )

    @classmethod
    def of_error(cls, record: Record) -> Line:
        """Return the line of an image that could not be scored."""
        return cls(**_answer(record))


FACTS: dict[str, Kind] = {
    "time": "time",
    "model_version": "string",
    "verdict": "string",
    "probability": "number",
    "t_lo": "number",
    "t_hi": "number",
    "reason": "string",
    "error": "string",
    "width": "integer",
    "height": "integer",
    "format": "string",
    "quality": "integer",
    "table_hash": "string",
    "photograph": "number",
}
"""Columns of the log and their kinds; `lost` and those of the means follow."""
LOST = "lost"
"""Column with how many lines this process could not keep since the line before."""


def columns(channels: Sequence[str]) -> list[str]:
    """Return the columns of a log of a model with these channels, in order."""
    return [*FACTS, LOST, *(f"{MEANS}{channel}" for channel in channels)]


def means(features: np.ndarray) -> np.ndarray:
    """Return float32[C], the means of float32[h, w, C] over at most `MOST_BLOCKS` blocks."""
    height, width = features.shape[:2]
    step = math.ceil(math.sqrt(height * width / MOST_BLOCKS))
    return features[step // 2 :: step, step // 2 :: step].mean(axis=(0, 1), dtype=np.float32)


def _answer(record: Record) -> dict[str, Any]:
    same = ("model_version", "verdict", "probability", "t_lo", "t_hi", "width", "height", "format")
    return {
        "time": datetime.now(UTC),
        "reason": record.reason_code,
        "error": record.error_code,
        **{name: getattr(record, name) for name in same},
    }
