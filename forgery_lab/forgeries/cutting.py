"""Parts cut out of a picture, with a natural or a drawn outline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from forgery_lab.forgeries.outlines import AREAS, box_of, outline
from forgery_lab.forgeries.pictures import Floats, Operation, Pixels

_CONTEXT = 4

SPLICE_SHAPES = {"object": 0.66, "blob": 0.22, "polygon": 0.07, "ellipse": 0.05}

COPY_SHAPES = {"object": 0.6, "blob": 0.2, "polygon": 0.12, "ellipse": 0.08}

CRUDE_SHAPES = {"object": 0.5, "blob": 0.15, "polygon": 0.2, "ellipse": 0.15}


def drawn_area(rng: np.random.Generator, largest: float) -> float:
    """Return the area of a part, as a fraction of the picture, drawn evenly in logarithm."""
    return float(np.exp(rng.uniform(np.log(AREAS[0] * 1.3), np.log(largest))))


@dataclass(frozen=True)
class Part:
    """A part of a picture and a little around it.

    float32[h, w, 3] pixels, float32[h, w] coverage in [0, 1], its place (y, x) in its picture,
    what drew its outline, and whether the picture's lower edge cuts it off.
    """

    pixels: Floats
    alpha: Floats
    corner: tuple[int, int]
    shape: str
    grounded: bool


def cut(
    picture: Pixels,
    area: float,
    odds: dict[str, float],
    rng: np.random.Generator,
    operations: list[Operation],
    swell: int = 0,
) -> Part:
    """A part of about `area` (a fraction of the picture) with a natural or a drawn outline."""
    shape = str(rng.choice(list(odds), p=list(odds.values())))
    coverage = outline(picture, shape, area, rng)
    if swell:
        coverage = ndimage.grey_dilation(coverage, size=(2 * swell + 1, 2 * swell + 1))
    box = box_of(coverage > 0.02, coverage.shape, grow=_CONTEXT)
    operations.append(
        {
            "name": "cut",
            "shape": shape,
            "box": [box[1].start, box[0].start, box[1].stop, box[0].stop],
            "area": round(float((coverage > 0.5).mean()), 5),
        }
    )
    return Part(
        picture[box].astype(np.float32),
        coverage[box],
        (box[0].start, box[1].start),
        shape,
        bool(coverage[-1].max() > 0.5),
    )


def box_around(
    corner: tuple[int, int], size: tuple[int, int], limits: tuple[int, ...], grow: int
) -> tuple[slice, slice]:
    """Return rows and columns of a box, grown by some pixels and kept within `limits`."""
    return (
        slice(max(0, corner[0] - grow), min(limits[0], corner[0] + size[0] + grow)),
        slice(max(0, corner[1] - grow), min(limits[1], corner[1] + size[1] + grow)),
    )
