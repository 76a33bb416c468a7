"""Copies: places of the picture that show the same, also turned, scaled or mirrored."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from forgery.evidence.pictures import MAX_SIDE
from forgery.evidence.views.method import Drawing, Picture, ViewMethod
from forgery_pyfunc.copies import SMALLEST_SIDE, Copy, find_copies, region

_FADED = 0.45  # what is left of the contrast outside of the places
_COLOURS = ((255, 96, 0), (0, 176, 255), (196, 64, 255), (64, 208, 64))
_LINE = 2  # pixels


def draw(picture: Picture) -> Drawing | None:
    """Return the picture, faded, with both places of each copy outlined in one colour."""
    image = picture.image
    if min(image.height, image.width) < SMALLEST_SIDE:
        return None
    found = find_copies(image.luma)
    factor = max(1, -(-max(image.height, image.width) // MAX_SIDE))
    shown = np.array(Image.fromarray(image.pixels).reduce(factor))
    shown = outlined(shown, found) if found else shown
    return Drawing(picture.upright(shown), _remark(found))


def outlined(pixels: np.ndarray, found: Sequence[Copy]) -> np.ndarray:
    """Return uint8[h, w, 3], the picture faded but for the copies, which are outlined."""
    height, width = pixels.shape[:2]
    places = [[region(place, height, width) for place in (c.source, c.target)] for c in found]
    faded = (255 * (1 - _FADED) + _FADED * pixels.mean(2, keepdims=True)).astype(np.uint8)
    every = np.logical_or.reduce([place for both in places for place in both])
    result = np.where(every[..., np.newaxis], pixels, faded)
    for number, both in enumerate(places):
        for place in both:
            result[_outline(place)] = _COLOURS[number % len(_COLOURS)]
    return result


def _outline(place: np.ndarray) -> np.ndarray:
    """Return the pixels of a place that are near its edge."""
    inner = np.pad(place, _LINE)
    for axis in (0, 1):
        inner = inner & np.roll(inner, _LINE, axis) & np.roll(inner, -_LINE, axis)
    return place & ~inner[_LINE:-_LINE, _LINE:-_LINE]


def _remark(found: Sequence[Copy]) -> str:
    if not found:
        return "No place of this picture was found again elsewhere."
    each = [f"{c.in_words()} ({c.matches} matches, correlation {c.correlation:.2f})" for c in found]
    number = "One place shows" if len(found) == 1 else f"{len(found)} places show"
    return f"{number} the same as another: {'; '.join(each)}."


VIEW = ViewMethod(
    "Copies",
    "Two places in one colour show the same, pixel by pixel: one may be a copy of the other, also "
    "turned, scaled or mirrored; which one is the original cannot be told. Equal things, such as "
    "two chairs or printed patterns, are found as well.",
    draw,
)
