"""Compression histories: the same number and kind of JPEG saves for authentic and forged images.

A detector learns from unmatched data which program saved a file. Here authentic images are first
saved with tables and subsampling of the forged ones (so are forged images that carry none, such
as TIFF); then every image gets one final save from one distribution (protocol C), after a shift
or a change of scale if wanted (C′). Cattaneo and Roscigno, *A possible pitfall in the experimental
analysis of tampering detection algorithms*, NBiS 2014.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
from PIL import Image, ImageFilter

from forgery_lab.errors import DataError
from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.jpeg_encoder import encode
from forgery_pyfunc.imaging.jpeg_header import read_header, standard_table

FINAL_QUALITIES = (70, 95)
"""IJG qualities, both included, from which the final save is drawn evenly."""

FINAL_SUBSAMPLING = "4:2:0"
SCALES = (0.70, 0.95)
GRID = 8

Displacement = Literal["shift", "scale"]
DISPLACEMENTS: tuple[Displacement, ...] = get_args(Displacement)

_ENCODABLE = ("4:4:4", "4:2:2", "4:2:0")


@dataclass(frozen=True)
class History:
    """One way of saving a JPEG: luma and chroma tables (64 values row by row), and subsampling."""

    tables: tuple[tuple[int, ...], ...]
    subsampling: str


@dataclass(frozen=True)
class ImageKey:
    """What a matched history depends on.

    Attributes:
        label: 1 for a forged image, else 0.
        sha256: of the image as shipped.
    """

    label: int
    sha256: str


@dataclass(frozen=True)
class Handling:
    """What happens to an image between its history and its end: crop, scale, blur, final save.

    Attributes:
        crop: top, left, bottom, right as shares of the image, cut on the 8×8 grid; None: all.
        shift: rows and columns, 0 … 7, cut off at the top and the left.
        scale: factor of both sides (Lanczos; nearest for masks).
        blur: standard deviation of a Gaussian in pixels.
        quality: of the final save.
    """

    quality: int
    shift: tuple[int, int] = (0, 0)
    scale: float = 1.0
    blur: float = 0.0
    crop: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class HistoryMatcher:
    """Saves images so that history says nothing about the class; pure, and seeded per image.

    Attributes:
        pool: the histories of the forged JPEG files, one entry for each file, so that common
            ones are drawn often.
        seed: with the SHA-256 of an image and the number of the draw it decides everything.
    """

    pool: tuple[History, ...]
    seed: int

    @classmethod
    def fit(cls, rows: pd.DataFrame, root: Path, seed: int) -> HistoryMatcher:
        """Return a matcher with the histories of the forged JPEG files among manifest `rows`.

        Where no forged file is a JPEG, both classes draw from libjpeg's own tables at the
        qualities of the final save.

        Raises:
            DataError: there is no forged image, or a file cannot be read.
        """
        forged = rows[rows["label"] == 1].sort_values("sha256")
        if forged.empty:
            raise DataError("histories cannot be matched: the data hold no forged image")
        seen: dict[History, History] = {}
        pool = [
            seen.setdefault(history, history)  # one object each, so that pickles stay small
            for path in forged.loc[forged["format"] == "JPEG", "path"]
            if (history := history_of(read(root / path))) is not None
        ]
        return cls(tuple(pool) or _libjpeg_histories(), seed)

    def save(
        self,
        key: ImageKey,
        data: bytes,
        draw: int,
        displacement: Displacement | None = None,
        mask: np.ndarray | None = None,
    ) -> tuple[bytes, np.ndarray | None]:
        """Return the image saved under protocol C (or C′), and its mask moved along.

        Args:
            key: of the image.
            data: the file as shipped.
            draw: number of the draw; each gives other histories.
            displacement: "shift" by 0 to 7 pixels, "scale" by 0.7 to 0.95, or None.
            mask: uint8 or bool[H, W], in the stored orientation, or None.
        """
        return self.save_with(key, data, draw, self.handling(key, draw, displacement), mask)

    def handling(
        self, key: ImageKey, draw: int, displacement: Displacement | None = None
    ) -> Handling:
        """Return what is drawn for the end of an image's history; the class has no part in it."""
        if displacement not in (None, *DISPLACEMENTS):
            allowed = ", ".join(DISPLACEMENTS)
            raise ValueError(f"displacement is {displacement!r}; allowed: None, {allowed}")
        rng = self._rng(key, draw, 1)
        low, high = FINAL_QUALITIES
        end = Handling(quality=int(rng.integers(low, high + 1)))
        if displacement == "shift":
            rows, columns = rng.integers(0, GRID, 2)
            return replace(end, shift=(int(rows), int(columns)))
        if displacement == "scale":
            return replace(end, scale=float(rng.uniform(*SCALES)))
        return end

    def save_with(
        self,
        key: ImageKey,
        data: bytes,
        draw: int,
        handling: Handling,
        mask: np.ndarray | None = None,
    ) -> tuple[bytes, np.ndarray | None]:
        """Return the image with a matched history and the given end, and its mask moved along."""
        pixels = self._matched_pixels(key, data, draw)
        if mask is not None and mask.shape != pixels.shape[:2]:
            raise ValueError(f"mask is {mask.shape}; the image is {pixels.shape[:2]}")
        return apply(pixels, handling, mask)

    def _matched_pixels(self, key: ImageKey, data: bytes, draw: int) -> np.ndarray:
        image = decode(data)
        if key.label == 1 and image.format == "JPEG":
            return image.pixels
        drawn = self.pool[int(self._rng(key, draw, 0).integers(len(self.pool)))]
        saved = encode(image.pixels, tables=drawn.tables, subsampling=drawn.subsampling)
        return decode(saved).pixels

    def _rng(self, key: ImageKey, draw: int, stream: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, int(key.sha256[:15], 16), draw, stream])


def apply(
    pixels: np.ndarray, handling: Handling, mask: np.ndarray | None = None
) -> tuple[bytes, np.ndarray | None]:
    """Return `pixels` uint8[H, W, 3] after `handling` as JPEG bytes, and the mask moved along."""
    pixels = pixels[_window(pixels.shape[:2], handling)]
    if handling.scale != 1.0:
        size = _scaled(pixels.shape[:2], handling.scale)
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
    if handling.blur > 0:
        blurred = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(handling.blur))
        pixels = np.asarray(blurred)
    data = encode(pixels, quality=handling.quality, subsampling=FINAL_SUBSAMPLING)
    return data, None if mask is None else move(mask, handling)


def move(mask: np.ndarray, handling: Handling) -> np.ndarray:
    """Return the mask (uint8 or bool[H, W]) cut and scaled as `handling` does to the image."""
    mask = mask[_window(mask.shape, handling)]
    if handling.scale == 1.0:
        return mask
    levels = Image.fromarray(mask.astype(np.uint8))
    size = _scaled(mask.shape, handling.scale)
    return np.asarray(levels.resize(size, Image.Resampling.NEAREST)).astype(mask.dtype)


def history_of(data: bytes) -> History | None:
    """Return how a JPEG file was saved, or None where it is no JPEG that can be imitated."""
    try:
        header = read_header(data)
    except ImageError:
        return None
    tables = tuple(header.tables[:2])
    if header.subsampling not in _ENCODABLE or max(map(max, tables)) > 255:
        return None
    return History(tables, header.subsampling)


def read(path: Path) -> bytes:
    """Return the bytes of a data-set file; raise `DataError` where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read ({error.strerror})") from error


def _libjpeg_histories() -> tuple[History, ...]:
    low, high = FINAL_QUALITIES
    return tuple(
        History(
            tuple(tuple(standard_table(q, chroma).ravel().tolist()) for chroma in (False, True)),
            FINAL_SUBSAMPLING,
        )
        for q in range(low, high + 1)
    )


def _window(shape: tuple[int, ...], handling: Handling) -> tuple[slice, slice]:
    height, width = shape
    top, left = handling.shift
    if handling.crop is None:
        return slice(top, height), slice(left, width)
    edges = np.array(handling.crop) * (height, width, height, width)
    # Whole blocks, so that the cut moves no grid.
    first_row, first_column = (edges[:2] // GRID * GRID).astype(int)
    last_row, last_column = edges[2:].astype(int)
    return slice(first_row + top, last_row), slice(first_column + left, last_column)


def _scaled(shape: tuple[int, ...], scale: float) -> tuple[int, int]:
    """Return the width and height of an image of this shape after scaling."""
    return max(round(shape[1] * scale), 1), max(round(shape[0] * scale), 1)
