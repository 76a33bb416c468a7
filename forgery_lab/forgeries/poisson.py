"""Laplace's and Poisson's equation inside an outline: what fills a hole, and seamless cloning.

Seamless cloning follows Pérez et al., "Poisson Image Editing", SIGGRAPH 2003.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft, ndimage

from forgery_lab.forgeries.pictures import Floats, Mask

_CYCLES = 2
"""Multigrid cycles on each level, after a start from the solution at half its size."""
_SWEEPS = 3
"""Damped Jacobi sweeps before and after what a coarser level corrects."""


def harmonic(values: Floats, known: Mask) -> Floats:
    """Return float32[h, w, c] that equals `values` where known and is smooth everywhere else.

    Laplace's equation, with what is known as boundary and no flow through the picture's edge. Each
    level starts from the solution at half its size. Where nothing is known, the answer is 0.

    Args:
        values: float32[h, w, c]; what it holds where it is not known is not looked at.
        known: bool[h, w].
    """
    if known.all():
        return values
    if not known.any():
        return np.zeros_like(values)
    weight = _halved(known.astype(np.float32))
    total = _halved(values * known[..., None])
    smaller = np.asarray(total / np.maximum(weight, 1e-6)[..., None], np.float32)
    coarse = harmonic(smaller, weight > 0)
    filled = np.where(known[..., None], values, _enlarged(coarse, known.shape))
    for _ in range(_CYCLES):
        filled = _cycle(filled, np.zeros_like(filled), known)
    return filled


def _cycle(values: Floats, laplacian: Floats, known: Mask) -> Floats:
    """Return `values` nearer to this Laplacian where not known, by one multigrid V-cycle."""
    unknown = (~known).astype(np.float32)[..., None]
    values = values.copy()
    for _ in range(_SWEEPS):
        values += 0.2 * unknown * (_laplacian(values) - laplacian)
    smaller = _halved(known.astype(np.float32)) > 0
    if not smaller.all():
        lacking = _halved(4 * unknown * (laplacian - _laplacian(values)))
        error = _cycle(np.zeros_like(lacking), lacking, smaller)
        values += unknown * _enlarged(error, known.shape)
    for _ in range(_SWEEPS):
        values += 0.2 * unknown * (_laplacian(values) - laplacian)
    return values


def _laplacian(values: Floats) -> Floats:
    """Return the sum of the four neighbours' differences, where the picture has them."""
    down, right = np.diff(values, axis=0), np.diff(values, axis=1)
    total = np.zeros_like(values)
    total[:-1] += down
    total[1:] -= down
    total[:, :-1] += right
    total[:, 1:] -= right
    return total


def seamless(below: Floats, above: Floats, inside: Mask, mixed: bool) -> Floats:
    """Return float32[h, w, 3]: the gradients of `above` inside, meeting `below` at the outline.

    Args:
        below: float32[h, w, 3] of the host.
        above: float32[h, w, 3] of the part.
        inside: bool[h, w] of what is replaced.
        mixed: Take the stronger of both gradients at each pixel, so that what stands behind
            shows through where the part is plain.
    """
    if mixed:
        above = _integrated(_stronger_slopes(below, above))
    ring = ndimage.binary_dilation(inside) & ~inside
    return np.where(inside[..., None], above + harmonic(below - above, ring), below)


def _halved(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return means of 2×2 pixels; beyond an odd edge lie zeros."""
    padded = np.pad(
        array, [(0, array.shape[0] % 2), (0, array.shape[1] % 2)] + [(0, 0)] * (array.ndim - 2)
    )
    return 0.25 * (padded[::2, ::2] + padded[1::2, ::2] + padded[::2, 1::2] + padded[1::2, 1::2])


def _enlarged(array: Floats, shape: tuple[int, ...]) -> Floats:
    """Return float32[h, w, c] at the height and width of `shape`, bilinear."""
    planes = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(array[..., channel])).resize(
                (shape[1], shape[0]), Image.Resampling.BILINEAR
            )
        )
        for channel in range(array.shape[2])
    ]
    return np.stack(planes, axis=-1)


def _stronger_slopes(below: Floats, above: Floats) -> Floats:
    """Return the divergence of the stronger of both gradients, zero on the edge."""
    divergence = np.zeros_like(below)
    for axis in (0, 1):
        slopes = [np.diff(picture, axis=axis) for picture in (below, above)]
        strength = [np.abs(slope).sum(axis=2, keepdims=True) for slope in slopes]
        slope = np.where(strength[0] > strength[1], *slopes)
        inner = (slice(1, -1), slice(None))[:: 1 if axis == 0 else -1]
        divergence[inner] += np.diff(slope, axis=axis)
    return divergence


def _integrated(divergence: Floats) -> Floats:
    """Return what has this Laplacian and is zero beyond the edge, by sine transforms."""
    spectrum = fft.dstn(divergence, type=1, axes=(0, 1))
    down, right = (
        2 * np.cos(np.pi * np.arange(1, side + 1, dtype=np.float32) / (side + 1)) - 2
        for side in divergence.shape[:2]
    )
    spectrum /= (down[:, None] + right)[..., None]
    return np.asarray(fft.idstn(spectrum, type=1, axes=(0, 1)), np.float32)
