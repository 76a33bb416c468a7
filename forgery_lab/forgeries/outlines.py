"""Outlines of parts to cut out: along the edges of things in the picture, or of free form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Floats = NDArray[np.float32]

AREAS = (0.01, 0.25)
"""The smallest and the largest part, as fractions of the picture."""

_SEGMENTATION_SIDE = 112


def outline(
    picture: NDArray[np.uint8], shape: str, area: float, rng: np.random.Generator
) -> Floats:
    """Coverage float32[H, W] in [0, 1] of one region of about `area` (a fraction of the picture).

    `object` follows the edges of the picture, `blob`, `polygon` and `ellipse` are free forms.
    """
    height, width = picture.shape[:2]
    shrink = _SEGMENTATION_SIDE / max(height, width)
    size = (max(12, round(width * shrink)), max(12, round(height * shrink)))
    if shape == "object":
        small = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
        rough = _object(small.astype(np.float32), area, rng)
    else:
        rough = _free_form(size[1], size[0], shape, area, rng)
    coverage = _enlarged(rough, height, width)
    if shape == "object":
        coverage = _snapped_to_edges(coverage, picture)
    covered = float((coverage > 0.5).mean())
    if not max(AREAS[0], 0.3 * area) <= covered <= AREAS[1]:
        coverage = _enlarged(_free_form(size[1], size[0], "blob", area, rng), height, width)
    return coverage


def _enlarged(rough: Floats, height: int, width: int) -> Floats:
    """Smooth, then sharp again at full size: the outline of a low-resolution mask."""
    smooth = np.asarray(Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC))
    slope = max(1.0, max(height, width) / _SEGMENTATION_SIDE)
    return np.clip((smooth - 0.5) * 1.2 * slope + 0.5, 0.0, 1.0).astype(np.float32)


def _object(small: Floats, area: float, rng: np.random.Generator) -> Floats:
    """The most object-like of a few regions grown around drawn places: float32[h, w] of 0 and 1.

    Each starts from an ellipse and alternates, as GrabCut does, between colour histograms of
    inside and outside and the region they make likely. Rother et al., SIGGRAPH 2004.
    """
    height, width = small.shape[:2]
    edges = ndimage.gaussian_gradient_magnitude(small.mean(axis=2), 1.0)
    bins = (small / 256.0 * 8.0).astype(np.int32)
    codes = (bins[..., 0] * 8 + bins[..., 1]) * 8 + bins[..., 2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    best, best_score = np.zeros((height, width), np.float32), -np.inf
    for _ in range(3):
        aspect = float(np.exp(rng.uniform(-0.6, 0.6)))
        radius = np.sqrt(area * height * width / np.pi)
        ry, rx = radius * aspect, radius / aspect
        cy, cx = rng.uniform(0.25, 0.75) * height, rng.uniform(0.2, 0.8) * width
        distance = np.sqrt(((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2)
        region = _grown(codes, distance)
        score = _objectness(region, edges, area)
        if score > best_score:
            best, best_score = region.astype(np.float32), score
    return best


def _grown(codes: NDArray[np.int32], distance: Floats) -> NDArray[np.bool_]:
    inside = distance < 1.0
    near = distance < 2.2
    prior = 2.2 * (1.15 - distance)
    for _ in range(3):
        of_inside = np.bincount(codes[inside], minlength=512).astype(np.float32) + 0.5
        of_outside = np.bincount(codes[near & ~inside], minlength=512).astype(np.float32) + 0.5
        ratio = np.log(of_inside / of_inside.sum()) - np.log(of_outside / of_outside.sum())
        evidence = ndimage.gaussian_filter(ratio[codes], 1.2)
        inside = (evidence + prior > 0) & near
        if not inside.any():
            return distance < 1.0
    rounded = ndimage.gaussian_filter(inside.astype(np.float32), 1.5) > 0.5
    labels, count = ndimage.label(rounded)
    if count == 0:
        return distance < 1.0
    largest = 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return np.asarray(ndimage.binary_fill_holes(labels == largest))


def _objectness(region: NDArray[np.bool_], edges: Floats, area: float) -> float:
    """Return how much the outline follows edges, less what is wrong with place and size."""
    border = region ^ ndimage.binary_erosion(region)
    if not border.any():
        return -np.inf
    contrast = float(edges[border].mean() / (edges.mean() + 1.0))
    cut_off = float(
        region[0].mean() + region[-1].mean() * 0.3 + region[:, 0].mean() + region[:, -1].mean()
    )
    size = abs(float(np.log(max(region.mean(), 1e-4) / area)))
    raggedness = float(border.sum() / np.sqrt(region.sum())) / 4.0
    return contrast - 3.0 * cut_off - 0.5 * size - 0.5 * raggedness


def _snapped_to_edges(coverage: Floats, picture: NDArray[np.uint8]) -> Floats:
    """A guided filter (He et al., ECCV 2010) in the region's box pulls it onto strong edges."""
    box = box_of(coverage > 0.02, coverage.shape, grow=8)
    guide = picture[box].mean(axis=2, dtype=np.float32) / 255.0
    value = coverage[box]
    side = 2 * max(3, round(max(picture.shape[:2]) / 90)) + 1
    mean = lambda a: ndimage.uniform_filter(a, side)  # noqa: E731
    guide_mean, value_mean = mean(guide), mean(value)
    slope = (mean(guide * value) - guide_mean * value_mean) / (
        mean(guide * guide) - guide_mean**2 + 1e-3
    )
    filtered = mean(slope) * guide + mean(value_mean - slope * guide_mean)
    snapped = np.zeros_like(coverage)
    snapped[box] = np.clip((filtered - 0.5) * 3.0 + 0.5, 0.0, 1.0)
    return _largest(snapped)


def _largest(coverage: Floats) -> Floats:
    labels, count = ndimage.label(coverage > 0.5)
    if count < 2:
        return coverage
    keep = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return coverage * ndimage.binary_dilation(keep, iterations=2)


def _free_form(
    height: int, width: int, shape: str, area: float, rng: np.random.Generator
) -> Floats:
    """Return an outline around a drawn centre, as a radius for each direction."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    radius = np.sqrt(area * height * width / np.pi)
    aspect = float(np.exp(rng.uniform(-0.35, 0.35)))
    cy, cx = rng.uniform(0.3, 0.7) * height, rng.uniform(0.3, 0.7) * width
    dy, dx = (y - cy) / aspect, (x - cx) * aspect
    angle, distance = np.arctan2(dy, dx), np.hypot(dy, dx)
    if shape == "blob":
        limit = np.ones_like(angle)
        for harmonic in range(2, 6):
            limit += rng.normal(0, 0.22 / harmonic) * np.cos(
                harmonic * angle + rng.uniform(0, 2 * np.pi)
            )
    elif shape == "polygon":
        corners = int(rng.integers(3, 7))
        turned = (angle + rng.uniform(0, 2 * np.pi)) % (2 * np.pi / corners)
        limit = 1.15 * np.cos(np.pi / corners) / np.cos(turned - np.pi / corners)
    else:
        limit = np.ones_like(angle)
    return (distance < radius * limit).astype(np.float32)


def box_of(mask: NDArray[np.bool_], shape: tuple[int, ...], grow: int) -> tuple[slice, slice]:
    """Rows and columns of the box around a mask, grown by some pixels; all where it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return slice(0, shape[0]), slice(0, shape[1])
    return (
        slice(max(0, int(rows[0]) - grow), min(shape[0], int(rows[-1]) + 1 + grow)),
        slice(max(0, int(columns[0]) - grow), min(shape[1], int(columns[-1]) + 1 + grow)),
    )
