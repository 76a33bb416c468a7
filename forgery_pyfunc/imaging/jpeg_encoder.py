"""The one JPEG encoder of the project (Pillow's), so that all saves are alike."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

LARGEST_SIDE = 65500
"""Pixels on a side that libjpeg saves."""


def encode(
    pixels: np.ndarray,
    quality: int | None = None,
    tables: Sequence[Sequence[int]] | None = None,
    subsampling: str = "4:2:0",
) -> bytes:
    """Return a baseline JPEG file with a fresh header.

    Args:
        pixels: uint8[H, W, 3] RGB or uint8[H, W] grey.
        quality: IJG quality 1 … 100. Exactly one of `quality` and `tables` must be given.
        tables: quantisation tables (luma, chroma), each 64 values 1 … 255 row by row; one table
            serves both.
        subsampling: "4:4:4", "4:2:2" or "4:2:0"; without effect on grey.

    Raises:
        ValueError: a parameter is outside what is allowed.
    """
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,)):
        raise ValueError(
            f"pixels: got {pixels.dtype}{list(pixels.shape)}, allowed: uint8[H, W, 3] or [H, W]"
        )
    if max(pixels.shape[:2]) > LARGEST_SIDE or not pixels.size:
        raise ValueError(
            f"pixels: got {list(pixels.shape)}, allowed: sides from 1 to {LARGEST_SIDE}"
        )
    if (quality is None) == (tables is None):
        raise ValueError(f"quality, tables: got {quality} and {tables}, exactly one is needed")
    if quality is not None and not 1 <= quality <= 100:
        raise ValueError(f"quality: got {quality}, allowed: 1 to 100")
    if subsampling not in ("4:4:4", "4:2:2", "4:2:0"):
        raise ValueError(f"subsampling: got {subsampling!r}, allowed: 4:4:4, 4:2:2 or 4:2:0")
    options: dict = {} if pixels.ndim == 2 else {"subsampling": subsampling}
    if tables is None:
        options["quality"] = quality
    else:
        options["qtables"] = _checked_tables(tables, grey=pixels.ndim == 2)
    output = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(output, "JPEG", **options)
    return output.getvalue()


def _checked_tables(tables: Sequence[Sequence[int]], grey: bool) -> list[list[int]]:
    checked = [[int(value) for value in np.asarray(table).ravel()] for table in tables]
    for table in checked:
        if len(table) != 64 or not all(1 <= value <= 255 for value in table):
            raise ValueError(f"tables: got {table}, allowed: 64 values from 1 to 255")
    if not checked:
        raise ValueError("tables: got none, one or more are needed")
    return checked[:1] if grey else checked[:2]
