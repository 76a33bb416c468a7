"""The plan: which picture is forged where, with which tool.

Objects and places were marked by eye on the originals; what else a forgery needs is drawn from its
name. `plan.tsv` holds a row per forgery, with regions and points in percent of the original's
width and height, upright.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

PLAN = Path(__file__).with_name("plan.tsv")
SEED = 0x5EA1ED
KINDS = ("seamless splice", "composite", "paste", "copy-move", "heal", "stamp", "removal",
         "retouch")  # fmt: skip
DONATED = KINDS[:3]
"""Kinds that take an object from another original."""
SHAPES = ("object", "ellipse", "box", "ink")
Box = tuple[float, float, float, float]
"""Left, top, right and bottom as shares of width and height."""


@dataclass(frozen=True)
class Recipe:
    """One forgery of the plan.

    Attributes:
        name: of the forgery; all that is drawn for it depends on this and the seed alone.
        kind: one of `KINDS`.
        tool: that does the forging.
        host: first digits of the SHA-256 of the original that is forged.
        donor: … of the original that the object comes from; else the host's.
        region: of the object in the donor, or of what is covered or changed.
        shape: one of `SHAPES`: how the region becomes an outline.
        to: where the object stands (the middle of its lower edge), or what a cover is taken from
            (its middle); None where the kind needs none.
        size: height of the object as a share of the host's; for a copy-move its scale.
        turn: degrees, clockwise.
        mirror: left to right.
    """

    name: str
    kind: str
    tool: str
    host: str
    donor: str
    region: Box
    shape: str
    to: tuple[float, float] | None
    size: float
    turn: float
    mirror: bool

    def __post_init__(self) -> None:
        """Check the kind and the shape.

        Raises:
            ValueError: one of them is unknown.
        """
        for value, allowed in ((self.kind, KINDS), (self.shape, SHAPES)):
            if value not in allowed:
                raise ValueError(f"{self.name}: {value!r} is none of {', '.join(allowed)}")

    def rng(self, purpose: str) -> np.random.Generator:
        """Return the generator of one purpose: draws for another do not move its own."""
        digest = hashlib.sha256(f"{self.name}/{purpose}".encode()).hexdigest()
        return np.random.default_rng([SEED, int(digest[:16], 16)])

    @property
    def target(self) -> Box:
        """Where the host is changed, without what a donor's outline leaves free."""
        if self.kind in DONATED or self.kind == "copy-move":
            return self._landing
        return self.region

    @property
    def _landing(self) -> Box:
        left, top, right, bottom = self.region
        height = self.size if self.kind in DONATED else self.size * (bottom - top)
        half = height if self.kind in DONATED else max(right - left, bottom - top) * self.size / 2
        x, y = self.to or (0.5, 1.0)
        return max(x - half, 0), max(y - height, 0), min(x + half, 1), min(y, 1)

    @property
    def needed(self) -> Box:
        """The part of the host that the forging looks at."""
        boxes = [self.target]
        if self.kind not in DONATED:
            boxes.append(self.region)
            if self.to and self.kind != "copy-move":
                (x, y), (left, top, right, bottom) = self.to, self.region
                half = (right - left) / 2, (bottom - top) / 2
                boxes.append((x - half[0], y - half[1], x + half[0], y + half[1]))
        lefts, tops, rights, bottoms = zip(*boxes, strict=True)
        return (max(min(lefts) - 0.03, 0), max(min(tops) - 0.03, 0),
                min(max(rights) + 0.03, 1), min(max(bottoms) + 0.03, 1))  # fmt: skip


def recipes(path: Path = PLAN) -> list[Recipe]:
    """Return the forgeries of a plan, in its order.

    Raises:
        ValueError: a row has an unknown kind or shape, or two have one name.
    """
    rows = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    found = [_recipe(row) for row in rows.to_dict("records")]
    if len({recipe.name for recipe in found}) < len(found):
        raise ValueError(f"{path}: two forgeries have one name")
    return found


def _recipe(row: dict[Hashable, str]) -> Recipe:
    left, top, right, bottom = _shares(row["region"])
    to = _shares(row["to"])
    return Recipe(
        name=row["name"],
        kind=row["kind"],
        tool=row["tool"],
        host=row["host"],
        donor=row["donor"] or row["host"],
        region=(left, top, right, bottom),
        shape=row["shape"],
        to=(to[0], to[1]) if to else None,
        size=float(row["size"] or 100) / 100,
        turn=float(row["turn"] or 0),
        mirror=row["mirror"] == "yes",
    )


def _shares(text: str) -> Sequence[float]:
    return [float(number) / 100 for number in text.split(",")] if text else []
