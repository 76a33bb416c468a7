"""Working pictures: what of an original is forged, at which size, and where a region lies in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from benchmarks.sealed import magick
from benchmarks.sealed.plan import Box

LONGER_SIDE = (600, 1600)
"""Of a working picture, in pixels, unless it is a whole original."""
MOST_WHOLE = 2600
"""Longer side of an original that is forged at full size."""
SMALLEST_REGION = 40
"""Pixels on the shorter side of what is forged, where the original has them."""
HOW = {"resized": 0.5, "cut": 0.3, "whole": 0.2}


@dataclass(frozen=True)
class View:
    """A part of an original at a scale.

    Attributes:
        how: "resized", "cut" (pixels as they are) or "whole" (likewise).
        left: of the part, in pixels of the original; likewise `top`.
        width: of the working picture; likewise `height`.
        scale: pixels of the working picture per pixel of the original.
        original: width and height of the original.
        resampler: that reduced it, or empty.
    """

    how: str
    left: int
    top: int
    width: int
    height: int
    scale: float
    original: tuple[int, int]
    resampler: str = ""

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Return the place, in pixels, of a point given as shares of the original's sides."""
        width, height = self.original
        return (x * width - self.left) * self.scale, (y * height - self.top) * self.scale

    def box(self, region: Box) -> tuple[int, int, int, int]:
        """Return left, top, right and bottom in pixels, within the picture."""
        left, top = self.point(*region[:2])
        right, bottom = self.point(*region[2:])
        return (max(round(left), 0), max(round(top), 0),
                min(round(right), self.width), min(round(bottom), self.height))  # fmt: skip


def drawn(rng: np.random.Generator, original: tuple[int, int], needed: Box, target: Box) -> View:
    """Return a view of an original of that width and height which shows what is needed."""
    width, height = original
    longer = max(original)
    how = str(rng.choice(list(HOW), p=list(HOW.values())))
    wanted = int(rng.integers(LONGER_SIDE[0], LONGER_SIDE[1] + 1))
    where = rng.random(2)
    resampler = str(rng.choice(list(RESAMPLERS)))
    whole = View("whole", 0, 0, width, height, 1.0, original)
    if longer <= LONGER_SIDE[0] * 1.3 or (how == "whole" and longer <= MOST_WHOLE):
        return whole
    if how == "cut" and (view := _cut(original, min(wanted, longer), needed, where)):
        return view
    least = SMALLEST_REGION / min((target[2] - target[0]) * width, (target[3] - target[1]) * height)
    scale = min(max(wanted / longer, least), LONGER_SIDE[1] / longer, 1.0)
    if scale == 1:
        return whole
    size = round(width * scale), round(height * scale)
    return View("resized", 0, 0, *size, scale, original, resampler)


def _cut(original: tuple[int, int], longer: int, needed: Box, where: np.ndarray) -> View | None:
    """Return a window of the original that holds what is needed, or None where it is too small."""
    starts: list[int] = []
    sides: list[int] = []
    for side, low, high, place in zip(original, needed[:2], needed[2:], where, strict=True):
        length = round(side * longer / max(original))
        first, last = int(low * side), int(np.ceil(high * side))
        if last - first > length:
            return None
        earliest, latest = max(last - length, 0), min(first, side - length)
        starts.append(int(earliest + place * (latest - earliest)))
        sides.append(length)
    return View("cut", starts[0], starts[1], sides[0], sides[1], 1.0, original)


def shown(view: View, pixels: np.ndarray) -> np.ndarray:
    """Return uint8[H, W, 3] of a view of the original's pixels."""
    if view.how == "resized":
        return RESAMPLERS[view.resampler](pixels, view.width, view.height)
    window = pixels[view.top : view.top + view.height, view.left : view.left + view.width]
    return np.ascontiguousarray(window)


def _pillow(filtering: Image.Resampling) -> Callable[[np.ndarray, int, int], np.ndarray]:
    def resized(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
        return np.asarray(Image.fromarray(pixels).resize((width, height), filtering))

    return resized


def _opencv(name: str) -> Callable[[np.ndarray, int, int], np.ndarray]:
    def resized(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
        import cv2

        return cv2.resize(pixels, (width, height), interpolation=getattr(cv2, name))

    return resized


def _imagemagick(name: str) -> Callable[[np.ndarray, int, int], np.ndarray]:
    def resized(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
        size = f"{width}x{height}!"
        return magick.converted({"in": pixels}, ["in", "-filter", name, "-resize", size])

    return resized


RESAMPLERS: Mapping[str, Callable[[np.ndarray, int, int], np.ndarray]] = {
    "Pillow Lanczos": _pillow(Image.Resampling.LANCZOS),
    "Pillow box": _pillow(Image.Resampling.BOX),
    "OpenCV area": _opencv("INTER_AREA"),
    "OpenCV cubic": _opencv("INTER_CUBIC"),
    "ImageMagick Mitchell": _imagemagick("Mitchell"),
    "ImageMagick Lanczos": _imagemagick("Lanczos"),
    "ImageMagick spline": _imagemagick("Spline"),
}
