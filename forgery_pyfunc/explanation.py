"""The explanation of an answer: which families of features made the logit, and what each saw.

On the wire it is JSON text, the field `explanation` of a record. Words for people are made of it in
`forgery.evidence.why`.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

SPEAKS, STRONG = 0.25, 2.0
"""Log odds from which a contribution speaks for a forgery, so that its family is looked into, and
from which it does so strongly."""
Kind = Literal["copy", "compression", "noise"]
"""What the evidence mainly is: two places look the same; earlier saves differ; grain and error
levels differ."""


def _said(description: str, **limits: float) -> dict[str, Any]:
    """Return a field's metadata: what pydantic reads for a JSON schema."""
    return {"description": description, **limits}


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the image as displayed; right and bottom are outside."""

    left: int
    top: int
    right: int
    bottom: int

    def moved(self, right: int, down: int) -> "Box":
        """Return the same box so many pixels to the right and down."""
        return Box(self.left + right, self.top + down, self.right + right, self.bottom + down)

    def turned(self, width: int, height: int, orientation: int) -> "Box":
        """Return the box in an image of this size that is turned as EXIF `orientation` asks for."""
        left, top, right, bottom = self.left, self.top, self.right, self.bottom
        if orientation in (2, 3, 7, 8):
            left, right = width - right, width - left
        if orientation in (3, 4, 6, 7):
            top, bottom = height - bottom, height - top
        if orientation >= 5:
            return Box(top, left, bottom, right)
        return Box(left, top, right, bottom)


@dataclass(frozen=True)
class Contribution:
    """What a family of features adds to the logit."""

    family: str = field(
        metadata=_said("residual, copymove, double_jpeg or another family of the detector")
    )
    logit: float = field(metadata=_said("above 0 it speaks for a forgery, below 0 against"))


@dataclass(frozen=True)
class Marked:
    """The part that the map marks: blocks from one half on, what an observation is about."""

    share: float = field(metadata=_said("of the blocks that were judged", ge=0, le=1))
    box: Box = field(metadata=_said("around all of it"))


@dataclass(frozen=True)
class Copy:
    """Two places that look the same; which of them is the original cannot be told."""

    one: Box = field(metadata=_said("around the first place"))
    other: Box = field(metadata=_said("around the second, of the same size, moved only"))
    likeness: float = field(metadata=_said("correlation of the fine detail of both", le=1))


@dataclass(frozen=True)
class Saves:
    """Earlier JPEG saves on the grid of the last one."""

    rest_quality: int | None = field(
        metadata=_said("about, of the rest's earlier save; null: none is visible")
    )
    marked_quality: int | None = field(
        metadata=_said("about, of the marked part's own; null: none is visible")
    )
    rest_evidence: float | None = field(
        metadata=_said(
            "log-likelihood ratio per block that the rest bears its earlier save; null without one"
        )
    )
    marked_evidence: float | None = field(
        metadata=_said("the same of the marked part; below 0 it bears none")
    )


@dataclass(frozen=True)
class Noise:
    """The marked part against places of like detail in the rest."""

    grain_ratio: float = field(metadata=_said("of the strength of the finest grain", gt=0))
    error_quality: int = field(metadata=_said("of the JPEG save in which both differ most"))
    error_ratio: float = field(metadata=_said("of how much that save changes them", gt=0))


@dataclass(frozen=True)
class Explanation:
    """Why a detector gave its probability; `base` and the contributions sum to `logit`."""

    logit: float = field(metadata=_said("log odds of the record's probability"))
    base: float = field(metadata=_said("log odds if nothing stood out anywhere in the image"))
    contributions: tuple[Contribution, ...] = field(
        metadata=_said("Shapley values, one per family of features")
    )
    kind: Kind | None = field(
        metadata=_said("what most of the evidence is; null where none speaks for a forgery")
    )
    marked: Marked | None = field(
        metadata=_said("null where the map marks nothing; then nothing else is told")
    )
    copies: tuple[Copy, ...] = field(metadata=_said("the largest first"))
    saves: Saves | None = field(
        metadata=_said("null where the part is too small, or no earlier save is visible")
    )
    noise: Noise | None = field(metadata=_said("null where the part is too small"))

    def to_json(self) -> str:
        """Return the text of a record's `explanation`."""
        return json.dumps(asdict(self))
