"""An explanation in words: what page, command and report say about why a picture got its verdict.

This is the one place where the structured `explanation` of a record becomes sentences.
"""

import logging
from collections.abc import Iterator

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from forgery.evidence import pictures
from forgery.evidence.frames import LETTERS, frames
from forgery_pyfunc.contract import Record
from forgery_pyfunc.explanation import SPEAKS, STRONG, Copy, Explanation, Noise, Saves

logger = logging.getLogger(__name__)

EXPLANATION = TypeAdapter(Explanation)

TITLES = {
    "copymove": "Copied places",
    "double_jpeg": "Earlier saves",
    "residual": "Grain and error levels",
    "dct": "Levels of JPEG blocks",
    "ela": "Error levels",
}
MUCH = 0.75
STRENGTHS = (
    (STRONG, "strong evidence"),
    (MUCH, "some evidence"),
    (SPEAKS, "weak evidence"),
    (-SPEAKS, "says nothing either way"),
)
"""Log odds from which a contribution is called so; what is below all of them speaks against."""
AGAINST = "speaks against a forgery"
LIKE = (0.85, 1.18)
"""Ratios between which grain or error levels count as like the rest."""

_LEADING = {
    "copy": "places in the picture look like copies of each other",
    "compression": "the traces of earlier saves differ between one part and the rest",
    "noise": "the fine grain or the error levels of one part do not fit the rest",
}
_NOTHING_DEFINITE = {
    "copymove": "Parts of the marked place resemble others in the picture. No exact copy was "
    "found: it may have been turned, scaled or saved strongly since, or be a pattern that repeats.",
    "double_jpeg": "The levels of JPEG blocks in the marked part are not distributed as in the "
    "rest; which earlier save explains that cannot be told.",
    "residual": "Grain and error levels of the marked part differ from the rest in their pattern "
    "only.",
}
_DOUBTS = {
    "copy": "Tiles, windows, fabrics and print repeat by themselves. Compare both places closely: "
    "a copy shares every scratch and speck, a pattern only its shape.",
    "compression": "Smooth, dark or overexposed parts carry few traces of any save, so they can "
    "seem to lack one that the rest has. Text, a logo or a watermark laid on by an honest editor "
    "also shows here.",
    "noise": "Grain also changes with focus, motion, light and a phone's noise filter: a sharp "
    "subject before a blurred background needs no forger.",
}
_GENERAL_DOUBT = (
    "A strong last save, a filter or a change of size over the whole picture weakens all of these "
    "traces and can distort them. Look for an earlier, less compressed copy of the picture."
)


class Reason(BaseModel):
    """What one family of features says."""

    family: str
    title: str
    logit: float = Field(description="its contribution in log odds")
    weight: str = Field(description="the same with its sign, to one decimal")
    strength: str = Field(description="the contribution in words")
    text: str = Field(description="what it saw in the marked part; empty where nothing stands out")


class Why(BaseModel):
    """Why a picture got its verdict, in words."""

    summary: str
    reasons: list[Reason] = Field(description="the strongest first")
    doubts: list[str] = Field(description="what would speak against it; none without evidence")
    scale: str = Field(description="how the contributions add up")
    copies_overlay: str | None = Field(
        description="data URI, transparent PNG that frames copied places; null without any"
    )


def explained(record: Record) -> Explanation | None:
    """Return the structured explanation of a record, None where it has none that can be read."""
    if not record.explanation:
        return None
    try:
        return EXPLANATION.validate_json(record.explanation)
    except ValidationError:
        logger.warning("an explanation that another version wrote cannot be read")
        return None


def in_words(record: Record) -> Why | None:
    """Return why a picture got its verdict, None where its record does not tell."""
    explanation = explained(record)
    if explanation is None:
        return None
    overlay = None
    if explanation.copies and record.width and record.height:
        overlay = pictures.data_uri(frames(explanation.copies, record.width, record.height))
    return Why(
        summary=_summary(record, explanation),
        reasons=_reasons(explanation),
        doubts=_doubts(record, explanation),
        scale=_scale(explanation),
        copies_overlay=overlay,
    )


def lines(why: Why) -> Iterator[str]:
    """Yield the same as lines of plain text."""
    yield f"Why: {why.summary}"
    for reason in why.reasons:
        yield f"{reason.title} ({reason.weight}, {reason.strength}). {reason.text}".rstrip()
    if why.doubts:
        yield f"What would speak against it: {' '.join(why.doubts)}"
    yield why.scale


def in_short(record: Record) -> list[str]:
    """Return why a picture is suspected, in a few sentences; none of one that is not."""
    why = None if record.verdict == "authentic" else in_words(record)
    return [why.summary, *(reason.text for reason in why.reasons if reason.text)] if why else []


def signed(logit: float) -> str:
    """Return log odds with their sign, to one decimal; a minus is a minus, and 0.0 has no sign."""
    return f"{logit:+.1f}".replace("-", "−").replace("−0.0", "0.0").replace("+0.0", "0.0")


def _summary(record: Record, explanation: Explanation) -> str:
    if explanation.kind is None or explanation.marked is None:
        return "No part of this picture stands out from the rest."
    leading = _LEADING[explanation.kind]
    if record.verdict == "forged":
        return f"Mainly because {leading}."
    if record.verdict == "inconclusive":
        return f"Mainly this raises doubts, but not enough to decide: {leading}."
    return f"At most this can be said, and too faintly to count: {leading}."


def _reasons(explanation: Explanation) -> list[Reason]:
    return [
        Reason(
            family=one.family,
            title=TITLES.get(one.family, one.family),
            logit=one.logit,
            weight=signed(one.logit),
            strength=_strength(one.logit),
            text=_text(one.family, one.logit, explanation),
        )
        for one in sorted(explanation.contributions, key=lambda one: -one.logit)
    ]


def _strength(logit: float) -> str:
    return next((words for least, words in STRENGTHS if logit >= least), AGAINST)


def _text(family: str, logit: float, explanation: Explanation) -> str:
    """Return what a family that speaks for a forgery saw.

    That it saw nothing definite is told of one that says much, and left out else.
    """
    if logit < SPEAKS or explanation.marked is None:
        return ""
    definite = {
        "copymove": _about_copies(explanation.copies),
        "double_jpeg": _about_saves(explanation.saves),
        "dct": _about_saves(explanation.saves),
        "residual": _about_noise(explanation.noise),
    }.get(family, "")
    return definite or (_NOTHING_DEFINITE.get(family, "") if logit >= MUCH else "")


def _about_copies(copies: tuple[Copy, ...]) -> str:
    said = [_about_copy(copy, letter) for copy, letter in zip(copies, LETTERS, strict=False)]
    return " ".join([*said, "Which one is the original cannot be told."]) if said else ""


def _about_copy(copy: Copy, letter: str) -> str:
    width, height = copy.one.right - copy.one.left, copy.one.bottom - copy.one.top
    right, down = copy.other.left - copy.one.left, copy.other.top - copy.one.top
    moves = []
    if right:
        moves.append(f"{abs(right)} pixels to the {'right' if right > 0 else 'left'}")
    if down:
        moves.append(f"{abs(down)} pixels {'down' if down > 0 else 'up'}")
    return (
        f"The places {letter}1 and {letter}2, about {width} × {height} pixels each, "
        f"agree even in the fine detail (correlation {copy.likeness:.2f}): one is probably a copy "
        f"of the other, moved {' and '.join(moves)}."
    )


def _about_saves(saves: Saves | None) -> str:
    if saves is None:
        return ""
    own = f"about quality {saves.marked_quality}" if saves.marked_quality else ""
    if saves.rest_quality is None:
        return f"The marked part carries traces of an earlier save, {own}, that the rest lacks."
    rest = f"about quality {saves.rest_quality}"
    if saves.marked_evidence is not None and saves.marked_evidence >= 0:
        return (
            f"Marked part and rest both carry traces of an earlier JPEG save, {rest}, but not "
            "equally strong ones."
        )
    if own:
        return (
            "Marked part and rest carry traces of different earlier saves: the rest of one at "
            f"{rest}, the marked part of one at {own}."
        )
    return (
        f"The rest carries traces of an earlier JPEG save, {rest}, that the marked part lacks: it "
        "was saved once less, or on another grid, as a part of another picture would be."
    )


def _about_noise(noise: Noise | None) -> str:
    if noise is None:
        return ""
    said = []
    if not LIKE[0] <= noise.grain_ratio <= LIKE[1]:
        said.append(f"the fine grain is {_times(noise.grain_ratio)} as strong")
    if not LIKE[0] <= noise.error_ratio <= LIKE[1]:
        said.append(
            f"one more JPEG save, at quality {noise.error_quality}, changes it "
            f"{_times(noise.error_ratio)} as much"
        )
    if not said:
        return ""
    return f"Against places of like detail in the rest: {', and '.join(said)}."


def _times(ratio: float) -> str:
    return f"{'' if ratio >= 1 else 'only '}{ratio:.1f} times"


def _doubts(record: Record, explanation: Explanation) -> list[str]:
    if explanation.kind is None or explanation.marked is None or record.verdict == "authentic":
        return []
    return [_DOUBTS[explanation.kind], _GENERAL_DOUBT]


def _scale(explanation: Explanation) -> str:
    return (
        f"The numbers are log odds. They lead from {signed(explanation.base)}, as if nothing stood "
        f"out anywhere in this picture, to {signed(explanation.logit)}: what each kind of evidence "
        "adds, averaged over all orders of adding them (Shapley values)."
    )
