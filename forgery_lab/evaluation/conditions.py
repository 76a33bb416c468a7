"""The conditions under which test images are scored, each by name.

A condition says how a test image was saved before it is scored. With how the training data were
split it makes a protocol: A to C, and F, are measured under one condition each (F under one for
every step); D looks at the heat maps of A, B and C, and E at other data sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from forgery_lab.examples.histories import Displacement

Change = Literal["quality", "scale", "blur"]
"""What a step of protocol F changes of the last save."""


@dataclass(frozen=True)
class Condition:
    """How the images of a test set are saved before they are scored.

    Attributes:
        name: in figures, predictions and settings.
        label: in tables and plots.
        title: what it is, in a few words.
        matched: whether the images have matched histories, rather than being files as shipped.
        has_maps: whether heat maps are compared with masks under it (protocol D), and baselines
            stand beside it.
        displacement: before the last save, see `HistoryMatcher.handling`.
        changed: what a step of protocol F changes, and `level` to what; None elsewhere.
    """

    name: str
    label: str
    title: str
    matched: bool = True
    has_maps: bool = False
    displacement: Displacement | None = None
    changed: Change | None = None
    level: float | None = None


A = Condition("A", "A", "raw files, random split", matched=False, has_maps=True)
B = Condition("B", "B", "raw files, source-disjoint", matched=False, has_maps=True)
C = Condition("C", "C", "source-disjoint, histories matched: the headline", has_maps=True)
C_SHIFT = Condition(
    "C-shift",
    "C′ shifted",
    "as C, shifted by 0 to 7 pixels before the last save",
    displacement="shift",
)
C_SCALE = Condition(
    "C-scale",
    "C′ rescaled",
    "as C, scaled by 0.7 to 0.95 before the last save",
    displacement="scale",
)
CONTROL = Condition(
    "control",
    "Control",
    "background only: crops without a forged pixel, under C; 0.5 is right",
)
E = Condition("E", "E", "raw files of another data set", matched=False)

IMAGE_LEVEL = (A, B, C, C_SHIFT, C_SCALE, CONTROL)
"""Conditions that can be asked for one by one."""

SOURCE_DISJOINT = IMAGE_LEVEL[1:]
"""Those that need a model whose training shares no source with the test images."""

DISPLACED = "C′"
"""Stands for `C_SHIFT` and `C_SCALE` where protocols are listed."""

LEVELS: dict[Change, tuple[float, ...]] = {
    "quality": (95, 90, 80, 70, 60, 50),
    "scale": (1.0, 0.9, 0.75, 0.5),
    "blur": (0.0, 0.5, 1.0, 2.0),
}
F = tuple(
    Condition(f"F:{change}:{level:g}", f"F {change} {level:g}", "as C", changed=change, level=level)
    for change, levels in LEVELS.items()
    for level in levels
)
"""The steps of protocol F: C with one handling changed at a time."""

_BY_NAME = {condition.name: condition for condition in (*IMAGE_LEVEL, E, *F)}


def named(name: str) -> Condition:
    """Return the condition of this name.

    Raises:
        ValueError: there is none.
    """
    if name not in _BY_NAME:
        allowed = ", ".join(condition.name for condition in IMAGE_LEVEL)
        raise ValueError(f"condition {name!r} is unknown; allowed: {allowed}, E and steps of F")
    return _BY_NAME[name]
