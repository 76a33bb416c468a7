"""Where a part goes: the place, of some drawn ones, whose surroundings suit it best."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from forgery_lab.forgeries.cutting import Part
from forgery_lab.forgeries.pictures import Floats, Pixels

_FREE_FORM_COST = 12.0
"""How much better its surroundings must match before a free form is preferred to an object."""


def best_place(
    host: Pixels, part: Part, rng: np.random.Generator, avoid: tuple[int, int] | None
) -> tuple[int, int]:
    """Where (y, x) the part's old surroundings differ least from the host's, of drawn places.

    A part stays near its own height in the picture, as things stand where they stand; one that
    was cut off below stays on the lower edge.
    """
    height, width = part.alpha.shape
    free = host.shape[0] - height, host.shape[1] - width
    rows, columns = _ring(part.alpha, 120)
    colours = part.pixels[rows, columns]
    best, best_cost = (free[0] // 2, free[1] // 2), np.inf
    for y, x in _drawn_places(part.corner[0], host.shape[0], free, 40, rng):
        y = free[0] if part.grounded else y
        cost = float(np.abs(host[rows + y, columns + x] - colours).mean())
        if avoid is not None:
            cost += 200.0 * max(0.0, 0.9 - distance_in_sizes((y, x), avoid, (height, width)))
        if cost < best_cost:
            best, best_cost = (y, x), cost
    return best


def best_cover(host: Pixels, part: Part, rng: np.random.Generator) -> tuple[tuple[int, int], float]:
    """The place (y, x) whose pixels join best around the part's own place, and the mismatch."""
    height, width = part.alpha.shape
    free = host.shape[0] - height, host.shape[1] - width
    rows, columns = _ring(part.alpha, 160)
    here = host[rows + part.corner[0], columns + part.corner[1]].astype(np.float32)
    best, best_cost = (0, 0), np.inf
    for y, x in _drawn_places(part.corner[0], host.shape[0], free, 60, rng):
        cost = float(np.abs(host[rows + y, columns + x] - here).mean())
        cost += 150.0 * max(0.0, 0.8 - distance_in_sizes((y, x), part.corner, (height, width)))
        if cost < best_cost:
            best, best_cost = (y, x), cost
    return best, best_cost


def mismatch_with(host: Pixels, part: Part, rng: np.random.Generator) -> float:
    """How far the colours around the part are from the nearest of some places of the host."""
    rows, columns = _ring(part.alpha, 80)
    around = part.pixels[rows, columns]
    places = rng.random((48, 2))
    y = (places[:, 0] * (host.shape[0] - 8)).astype(int)
    x = (places[:, 1] * (host.shape[1] - 8)).astype(int)
    patches = np.stack([host[y + i, x + j] for i in (0, 3, 7) for j in (0, 3, 7)], axis=1)
    patches = patches.astype(np.float32)
    colour = np.abs(patches.mean(axis=1) - around.mean(axis=0)).mean(axis=1)
    texture = np.abs(patches.std(axis=1).mean(axis=1) - around.std(axis=0).mean())
    return float((colour + 0.5 * texture).min())


def dullness(part: Part) -> float:
    """Return what speaks against a part that is no object, or all one colour."""
    flat = float(part.pixels[part.alpha > 0.5].std()) < 8.0
    return _FREE_FORM_COST * (part.shape != "object") + 40.0 * flat


def _drawn_places(
    near: int, height: int, free: tuple[int, int], count: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Places (y, x) about as high in a picture of `height` as `near`, anywhere across it."""
    y = np.clip(near + rng.normal(0, 0.2, count) * height, 0, max(0, free[0])).astype(int)
    x = rng.integers(0, max(0, free[1]) + 1, count)
    return list(zip(y.tolist(), x.tolist(), strict=True))


def distance_in_sizes(a: tuple[int, int], b: tuple[int, int], size: tuple[int, int]) -> float:
    """Return how far two boxes of one size lie apart: 0 the same place, 1 side by side."""
    return max(abs(a[0] - b[0]) / size[0], abs(a[1] - b[1]) / size[1])


def _ring(alpha: Floats, most: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of at most about `most` pixels just outside the outline, within the part's box."""
    inside = alpha > 0.1
    border = ndimage.binary_dilation(inside, iterations=3) & ~inside
    rows, columns = np.nonzero(border if border.any() else np.ones_like(inside))
    step = max(1, len(rows) // most)
    return rows[::step], columns[::step]
