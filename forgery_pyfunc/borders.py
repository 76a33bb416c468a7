"""Uniform bars and borders around a picture, which an editor adds without forging anything."""

import numpy as np

UNIT = 16
"""Pixels on a side of the largest unit that a JPEG saves as a whole: a block of halved chroma."""
_MIN_THICKNESS = 8  # uniform lines at an edge from which they may be a bar
_TOLERANCE = 2  # levels by which the tone of a bar may vary, as a JPEG save leaves it
_BEHIND, _SAME_TONE, _MAX_ALIKE = 8, 8, 0.5
"""So many lines behind a bar's edge, at most this share of the pixels is within so many levels of
its tone; where more is, the tone fades out, as in clipped skies and in the dark."""


def inside(luma: np.ndarray, least_side: int) -> tuple[slice, slice]:
    """Return rows and columns of what lies inside all bars, from multiples of 16 on.

    A JPEG rings beside a bar, so 16 lines more are left out there. Bars that would leave less than
    `least_side` pixels in their direction do not count.

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


def _between_bars(lines: np.ndarray, span: slice, least: int) -> slice:
    """Return the part of a span of lines that lies between bars at its two ends."""
    before, after = _bar(lines[span]), _bar(lines[span][::-1])
    start = -(-(span.start + before) // UNIT) * UNIT + UNIT if before else span.start
    stop = span.stop - after - UNIT if after else span.stop
    return slice(start, stop) if stop - start >= least else span


def _bar(lines: np.ndarray) -> int:
    """Return how many of the first lines are a bar of the first pixel's tone."""
    tone = int(lines[0, 0])
    low, high = max(tone - _TOLERANCE, 0), min(tone + _TOLERANCE, 255)
    other = (i for i, line in enumerate(lines) if line.min() < low or line.max() > high)
    thickness = next(other, 0)
    if thickness < _MIN_THICKNESS:
        return 0
    behind = lines[min(thickness + _BEHIND, len(lines) - 1)].astype(int)
    alike = float((np.abs(behind - tone) <= _SAME_TONE).mean())
    return thickness if alike <= _MAX_ALIKE else 0
