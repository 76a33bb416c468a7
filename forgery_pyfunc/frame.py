"""Bars and borders of one tone around a picture, which an editor adds without forging anything."""

import numpy as np

BLOCK = 8
LEAST = 8
"""Rows or columns of one tone, at an edge, from which they are a bar."""
TOLERANCE = 2
"""Levels by which the tone of a bar may vary, as a JPEG save leaves it."""
_SEAM = 8
"""Pixels beside a bar that are left out with it, since its edge rings there in a JPEG."""


def inside(luma: np.ndarray, least_side: int) -> tuple[slice, slice]:
    """Return rows and columns of what lies inside bars of one tone, from multiples of 8 on.

    Where less than `least_side` pixels would be left, the whole picture: it is no framed one.

    Args:
        luma: uint8[H, W].
        least_side: pixels.
    """
    rows = _between(_bar(luma), _bar(luma[::-1]), luma.shape[0])
    columns = _between(_bar(luma.T), _bar(luma.T[::-1]), luma.shape[1])
    if min(rows.stop - rows.start, columns.stop - columns.start) < least_side:
        return slice(0, luma.shape[0]), slice(0, luma.shape[1])
    return rows, columns


def _bar(lines: np.ndarray) -> int:
    """Return how many of the first lines are of the first pixel's tone."""
    tone = int(lines[0, 0])
    low, high = max(tone - TOLERANCE, 0), min(tone + TOLERANCE, 255)
    for number, line in enumerate(lines):
        if line.min() < low or line.max() > high:
            return number if number >= LEAST else 0
    return len(lines)


def _between(before: int, after: int, length: int) -> slice:
    """Return the lines between two bars without their seams, from a multiple of 8 on."""
    start = -(-before // BLOCK) * BLOCK + _SEAM if before else 0
    stop = length - after - _SEAM if after else length
    return slice(start, max(stop, start))
