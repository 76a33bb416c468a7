"""Findings: what in a file's metadata is worth a second look, and how much it is worth."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Weight = Literal["strong", "moderate", "weak"]

AI_GENERATED, AI_COMPOSITE = "ai_generated", "ai_composite"

NOT_JUDGED = (
    "The detector does not judge whether a picture was generated: it looks for splices and "
    "copy-moves, and a generated picture may get any verdict."
)
"""What is to be said wherever a file states that AI made it."""

NOT_IN_THE_PROBABILITY = (
    "What the file states about itself is no part of the probability, which rests on the pixels."
)


_WEIGHTS = (
    "strong: a verified signature supports it; moderate: stated or left behind where it is rarely "
    "found without a reason, but it can be edited; weak: usual in honest files, or easily changed"
)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a file states or that its parts show; none is part of the probability."""

    code: str = field(
        metadata={"description": "for machines, such as `ai_generated` or `edit_history`"}
    )
    weight: Weight = field(metadata={"description": _WEIGHTS})
    text: str = field(metadata={"description": "what was found"})
    meaning: str = field(metadata={"description": "what it is worth, in words"})

    @property
    def is_about_ai(self) -> bool:
        """Whether it says that AI made the picture, or a part of it."""
        return self.code in (AI_GENERATED, AI_COMPOSITE)


def ai_notice(findings: Sequence[Finding]) -> str | None:
    """Return what a file says of AI, and that no detector judged it; None where it says nothing."""
    said = [finding.text for finding in findings if finding.is_about_ai]
    return " ".join([*said, NOT_JUDGED]) if said else None
