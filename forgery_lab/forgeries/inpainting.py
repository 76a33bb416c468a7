"""Holes filled from their surroundings: smooth diffusion, and patches copied from nearby.

The order and the matching of patches follow Criminisi et al., "Region Filling and Object Removal by
Exemplar-Based Image Inpainting", IEEE TIP 2004, at reduced size; what was found there says from
where the full-size pixels are copied.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from forgery_lab.forgeries.outlines import box_of
from forgery_lab.forgeries.pictures import Floats, Mask, Operation, Pixels
from forgery_lab.forgeries.poisson import harmonic, seamless

METHODS = ("diffusion", "exemplar")
_PATCH = 9
"""Pixels on a side of the patches that are matched, at reduced size."""
_VIEW = 40
"""About the square root of a hole's area, in pixels, at the size at which patches are matched."""
_MOST_CANDIDATES = 1500


def inpainted(
    host: Pixels, hole: Mask, method: str, rng: np.random.Generator, operations: list[Operation]
) -> Pixels:
    """Return uint8[H, W, 3] with the hole filled by one of `METHODS`; nothing else is changed."""
    box = box_of(hole, hole.shape, grow=max(16, round(0.7 * np.sqrt(hole.sum()))))
    around, inside = host[box].astype(np.float32), hole[box]
    operation: Operation = {"name": "inpaint", "method": method}
    if method == "exemplar":
        filled = _copied(around, inside, rng)
        operation["seamless"] = bool(rng.random() < 0.6)
        if operation["seamless"]:
            filled = seamless(around, filled, inside, mixed=False)
    else:
        filled = harmonic(around, ~inside)
        grain = float(rng.uniform(0.4, 1.0)) if rng.random() < 0.5 else 0.0
        operation["grain"] = round(grain, 3)
        filled = filled + grain * _grain(around, inside, rng)
    operations.append(operation)
    forged = host.copy()
    forged[hole] = np.clip(filled[inside] + 0.5, 0, 255).astype(np.uint8)
    return forged


def _grain(around: Floats, inside: Mask, rng: np.random.Generator) -> Floats:
    """Return noise as strong, per channel, as the finest detail of the calmer half around."""
    detail = np.abs(around - ndimage.gaussian_filter(around, (1.0, 1.0, 0)))[~inside]
    deviation = 1.5 * np.median(detail, axis=0) if len(detail) else np.ones(3, np.float32)
    noise = rng.standard_normal(around.shape, np.float32)
    noise = ndimage.gaussian_filter(noise, (0.6, 0.6, 0))
    return np.asarray(noise * (deviation / (noise.std() + 1e-6)), np.float32)


# Patches ----------------------------------------------------------------------------------------


def _copied(around: Floats, inside: Mask, rng: np.random.Generator) -> Floats:
    """Return float32[h, w, 3]: inside pieces of what is around, and what is beside them outside."""
    height, width = inside.shape
    shrink = max(1, round(np.sqrt(inside.sum()) / _VIEW))
    rows, columns = -(-height // shrink), -(-width // shrink)
    size = (columns * shrink, rows * shrink)
    grown = [(0, size[1] - height), (0, size[0] - width)]
    padded = np.pad(around, [*grown, (0, 0)], mode="edge")
    hole = np.pad(inside, grown, mode="edge")
    blocks = hole.reshape(rows, shrink, columns, shrink).max(axis=(1, 3)) > 0
    small = padded.reshape(rows, shrink, columns, shrink, 3).mean(axis=(1, 3))
    origin = _matched(small, blocks, rng)
    if origin is None:
        return harmonic(around, ~inside)
    nearest = ndimage.distance_transform_edt(~blocks, return_distances=False, return_indices=True)
    down, right = (
        np.kron(part[tuple(nearest)], np.full((shrink, shrink), shrink)) for part in origin
    )
    y, x = np.mgrid[:height, :width]
    y = np.clip(y + down[:height, :width], 0, height - 1)
    x = np.clip(x + right[:height, :width], 0, width - 1)
    if inside[y, x].any():
        around = harmonic(around, ~inside)
    return around[y, x]


def _matched(
    small: Floats, hole: Mask, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """Return how many rows and columns away each pixel of the hole has its origin, 0 outside it.

    Patch by patch, from where most is known: the patch of the surroundings that is nearest where
    both are known. None where no patch around is whole.
    """
    half = _PATCH // 2
    edge = [(half, half), (half, half)]
    unknown = np.pad(hole, edge, mode="edge")
    picture = np.pad(small, [*edge, (0, 0)], mode="edge")
    whole = ndimage.maximum_filter(hole, _PATCH) == 0
    whole[:half], whole[-half:], whole[:, :half], whole[:, -half:] = False, False, False, False
    places = np.argwhere(whole)
    if not len(places):
        return None
    places = rng.permutation(places)[:_MOST_CANDIDATES]
    windows = np.lib.stride_tricks.sliding_window_view(picture, (_PATCH, _PATCH), axis=(0, 1))
    candidates = np.moveaxis(windows[places[:, 0], places[:, 1]], 1, -1)
    candidates = candidates.reshape(len(places), -1)
    squares = (candidates**2).reshape(len(places), -1, 3).sum(axis=2)
    down, right = np.zeros(hole.shape, np.intp), np.zeros(hole.shape, np.intp)
    while unknown[half:-half, half:-half].any():
        y, x = _next(unknown, half)
        window = np.s_[y : y + _PATCH, x : x + _PATCH]
        known = ~unknown[window]
        wanted = np.where(known[..., None], picture[window], 0).ravel()
        costs = squares @ known.ravel().astype(np.float32) - 2 * (candidates @ wanted)
        best = places[int(costs.argmin())]
        new = unknown[window].copy()
        found = picture[best[0] : best[0] + _PATCH, best[1] : best[1] + _PATCH]
        picture[window][new] = found[new]
        unknown[window] = False
        rows, columns = np.nonzero(new)
        inner = (rows + y >= half) & (rows + y < half + hole.shape[0])
        inner &= (columns + x >= half) & (columns + x < half + hole.shape[1])
        rows, columns = rows[inner] + y - half, columns[inner] + x - half
        down[rows, columns], right[rows, columns] = best[0] - y, best[1] - x
    return down, right


def _next(unknown: Mask, half: int) -> tuple[int, int]:
    """Return the corner of the patch around the unknown pixel about which most is known."""
    share = ndimage.uniform_filter(unknown.astype(np.float32), _PATCH)
    inner = np.s_[half:-half, half:-half]
    share = np.where(unknown[inner], share[inner], np.inf)
    y, x = np.unravel_index(int(share.argmin()), share.shape)
    return int(y), int(x)
