"""What scenes are drawn with: coordinates, soft steps and mixtures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

Floats = NDArray[np.floating[Any]]

Rng = np.random.Generator


def grid(height: int, width: int) -> tuple[Floats, Floats]:
    """Return y and x of the pixels' centres, float32[height, width] each."""
    y, x = np.mgrid[0:height, 0:width]
    return y.astype(np.float32) + 0.5, x.astype(np.float32) + 0.5


def mix(a: Floats, b: Floats, t: Floats | float) -> Floats:
    """Return `a` where `t` is 0, `b` where it is 1, and a mixture in between."""
    weight = np.asarray(t, np.float32)
    if weight.ndim == 2:
        weight = weight[..., None]
    return (a + (b - a) * weight).astype(np.float32)


def smooth_step(value: Floats, low: float, high: float) -> Floats:
    """Return 0 up to `low`, 1 from `high` on, and a smooth rise in between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def window_around(
    canvas: Floats, place: Floats, reach: float
) -> tuple[tuple[slice, slice], Floats, Floats]:
    """Return the part of the canvas within `reach` of a place, and coordinates about it."""
    top, bottom = max(0, int(place[0] - reach)), min(canvas.shape[0], int(place[0] + reach) + 1)
    left, right = max(0, int(place[1] - reach)), min(canvas.shape[1], int(place[1] + reach) + 1)
    window = (slice(top, max(top, bottom)), slice(left, max(left, right)))
    y, x = np.mgrid[window]
    return window, (y - place[0]).astype(np.float32), (x - place[1]).astype(np.float32)
