"""Strokes of a round brush over a region, and what a stamp paints along them."""

from __future__ import annotations

import numpy as np

Offset = tuple[float, float]


def over(mask: np.ndarray, radius: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Return strokes whose brush covers a region: float[points, 2] of x and y each.

    They run row by row as a hand would, to and fro, none quite straight.
    """
    inner = np.argwhere(mask)
    if not len(inner):
        return []
    step = max(radius * 0.9, 1.0)
    found = []
    for number, y in enumerate(np.arange(inner[:, 0].min(), inner[:, 0].max() + step, step)):
        row = min(round(y), inner[:, 0].max())
        columns = np.flatnonzero(mask[row])
        if not len(columns):
            continue
        x = np.arange(columns.min(), columns.max() + step / 2, max(radius / 3, 1.0))
        sway = rng.normal(0, radius * 0.06, len(x)).cumsum() * 0.3
        path = np.stack([x, row + np.clip(sway, -radius * 0.4, radius * 0.4)], axis=1)
        found.append(path if number % 2 == 0 else path[::-1])
    return found


def stamped(
    picture: np.ndarray, paths: list[np.ndarray], offset: Offset, radius: float, hardness: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the picture after a clone stamp went along the paths, and the paint's opacity.

    What is painted is taken from the picture as it was, `offset` away.

    Returns:
        uint8[H, W, 3] and float[H, W] from 0 to 1.
    """
    height, width = picture.shape[:2]
    source = picture.astype(np.float32)
    canvas, paint = source.copy(), np.zeros((height, width), np.float32)
    reach = int(np.ceil(radius))
    dx, dy = round(offset[0]), round(offset[1])
    grid = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    for x, y in np.concatenate(paths) if paths else []:
        column, row = round(x), round(y)
        ys, xs = grid[0] + row, grid[1] + column
        inside = (ys >= 0) & (ys < height) & (xs >= 0) & (xs < width)
        inside &= (ys + dy >= 0) & (ys + dy < height) & (xs + dx >= 0) & (xs + dx < width)
        distance = np.hypot(ys - y, xs - x)[inside] / radius
        alpha = np.clip((1 - distance) / max(1 - hardness, 1e-3), 0, 1)
        ys, xs = ys[inside], xs[inside]
        fresh = source[ys + dy, xs + dx]
        canvas[ys, xs] += alpha[:, None] * (fresh - canvas[ys, xs])
        paint[ys, xs] += alpha * (1 - paint[ys, xs])
    return np.clip(canvas.round(), 0, 255).astype(np.uint8), paint
