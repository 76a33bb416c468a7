"""Bars and borders of one tone around a picture, which an editor adds without forging anything."""

import numpy as np

UNIT = 16
"""Pixels on a side of the largest unit that a JPEG saves as a whole: a block of halved chroma."""
_LEAST = 8  # lines of one tone, at an edge, from which they may be a bar
_TOLERANCE = 2  # levels by which the tone of a bar may vary, as a JPEG save leaves it
_INSIDE, _OTHER_TONE, _MOST_ALIKE = 8, 8, 0.5
"""So many lines behind a bar's edge, at most this share of the pixels is within so many levels of
its tone; where more is, the tone fades out, as in clipped skies and in the dark."""


def inside(luma: np.ndarray, least_side: int) -> tuple[slice, slice]:
    """Return rows and columns of what lies inside all bars, from multiples of 16 on.

    A JPEG rings beside a bar, so 16 lines more are left out there. Bars that would leave less than
    `least_side` pixels in their direction are none.

    Args:
        luma: uint8[H, W].
        least_side: pixels.
    """
    rows, columns = slice(0, luma.shape[0]), slice(0, luma.shape[1])
    while True:
        inner_rows = _between_bars(luma[:, columns], rows, least_side)
        inner_columns = _between_bars(luma[inner_rows].T, columns, least_side)
        if (inner_rows, inner_columns) == (rows, columns):
            return rows, columns
        rows, columns = inner_rows, inner_columns


def _between_bars(lines: np.ndarray, some: slice, least: int) -> slice:
    """Return those of some lines that lie between bars at their two ends."""
    before, after = _bar(lines[some]), _bar(lines[some][::-1])
    start = -(-(some.start + before) // UNIT) * UNIT + UNIT if before else some.start
    stop = some.stop - after - UNIT if after else some.stop
    return slice(start, stop) if stop - start >= least else some


def _bar(lines: np.ndarray) -> int:
    """Return how many of the first lines are a bar of the first pixel's tone."""
    tone = int(lines[0, 0])
    low, high = max(tone - _TOLERANCE, 0), min(tone + _TOLERANCE, 255)
    other = (i for i, line in enumerate(lines) if line.min() < low or line.max() > high)
    thickness = next(other, 0)
    if thickness < _LEAST:
        return 0
    behind = lines[min(thickness + _INSIDE, len(lines) - 1)].astype(int)
    alike = float((np.abs(behind - tone) <= _OTHER_TONE).mean())
    return thickness if alike <= _MOST_ALIKE else 0
