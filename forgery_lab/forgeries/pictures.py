"""Pictures to forge: their types and checks, their size, and how they are saved on the way."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from forgery_lab.errors import DataError
from forgery_pyfunc.imaging.jpeg_encoder import encode

Pixels = NDArray[np.uint8]

Mask = NDArray[np.bool_]

Floats = NDArray[np.float32]

Operation = dict[str, Any]

SMALLEST_SIDE = 64
"""Pixels on a side of what is forged, as many as the features need (`features.SMALLEST_SIDE`); a
number of its own, so that making a data set does not depend on the features."""


@dataclass(frozen=True)
class Save:
    """One save to a file and the opening of it: JPEG at `quality`, or lossless if None."""

    quality: int | None
    subsampling: str = "4:2:0"

    @classmethod
    def drawn(
        cls, rng: np.random.Generator, qualities: tuple[int, int] = (80, 98), lossless: float = 0.25
    ) -> Save:
        """Return a random save: lossless with the given probability, else JPEG in `qualities`."""
        subsampling = "4:2:0" if rng.random() < 0.6 else "4:4:4"
        quality = int(rng.integers(qualities[0], qualities[1] + 1))
        return cls(None if rng.random() < lossless else quality, subsampling)

    def apply(self, pixels: Pixels) -> Pixels:
        """Return the pixels after this save: uint8[H, W, 3] to uint8[H, W, 3]."""
        if self.quality is None:
            return pixels
        data = encode(pixels, quality=self.quality, subsampling=self.subsampling)
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"))

    def operation(self, name: str) -> Operation:
        """Return this save as an entry of a record."""
        return {"name": name, "quality": self.quality, "subsampling": self.subsampling}


def sized(
    photo: Pixels, rng: np.random.Generator, sides: tuple[int, int]
) -> tuple[Pixels, list[Operation]]:
    """Return the photograph with its longer side within `sides`, and what was done to it.

    A large one is reduced (Lanczos) or, three times in ten, cropped after a lesser reduction;
    one within the range is left as it is half the time; a small one always.

    Raises:
        DataError: `sides` is not a range of at least 64 pixels.
    """
    if not SMALLEST_SIDE <= sides[0] <= sides[1]:
        raise DataError(f"sides: got {sides}; allowed: two sides of 64 or more, in order")
    height, width = photo.shape[:2]
    longest = max(height, width)
    if longest <= sides[0] or (longest <= sides[1] and rng.random() < 0.5):
        return photo, []
    target = float(np.exp(rng.uniform(np.log(sides[0]), np.log(min(sides[1], longest)))))
    reduced = target
    if rng.random() < 0.3:
        reduced = float(np.exp(rng.uniform(np.log(target), np.log(min(longest, 2.5 * target)))))
    scale = reduced / longest
    size = (max(SMALLEST_SIDE, round(width * scale)), max(SMALLEST_SIDE, round(height * scale)))
    image = Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    operations: list[Operation] = [{"name": "reduce", "size": list(size)}]
    if reduced > target:
        share = target / reduced
        wide, tall = (max(SMALLEST_SIDE, round(side * share)) for side in size)
        left, top = (
            int(rng.integers(0, a - b + 1)) for a, b in zip(size, (wide, tall), strict=True)
        )
        image = image.crop((left, top, left + wide, top + tall))
        operations.append({"name": "crop", "box": [left, top, left + wide, top + tall]})
    return np.asarray(image), operations


def check_picture(pixels: Pixels, name: str) -> None:
    """Raise `DataError` where pixels are no uint8[H, W, 3], or fewer than 64 on a side."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise DataError(
            f"{name}: got {pixels.dtype}{list(pixels.shape)}, a picture must be uint8[H, W, 3]"
        )
    if min(pixels.shape[:2]) < SMALLEST_SIDE:
        raise DataError(
            f"{name}: got {pixels.shape[1]}x{pixels.shape[0]} pixels, "
            f"each side must have at least {SMALLEST_SIDE}"
        )
