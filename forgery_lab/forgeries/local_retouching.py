"""A part of a picture retouched with a soft brush: blur, stamp, colour, light, sharpness."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

from forgery_lab.forgeries.cutting import drawn_area
from forgery_lab.forgeries.outlines import outline
from forgery_lab.forgeries.pictures import Floats, Mask, Operation, Pixels

_SHAPES = {"object": 0.55, "blob": 0.25, "ellipse": 0.2}
_LARGEST = 0.18
"""Largest retouched part, as a share of the picture."""


def retouched(
    host: Pixels, rng: np.random.Generator, operations: list[Operation]
) -> tuple[Pixels, Mask]:
    """The host with a part retouched in one of `METHODS`, soft-edged, and the mask of the part."""
    method = str(rng.choice(list(METHODS), p=[odds for odds, _ in METHODS.values()]))
    if method == "stamp":
        coverage, operation = _strokes(host, rng)
    else:
        coverage, operation = _region(host, rng)
    changed, how = METHODS[method][1](host, coverage, rng)
    operations.append({"name": "retouch", "method": method, **operation, **how})
    joined = host + coverage[..., None] * (changed - host)
    mask = coverage > min(0.5, 0.99 * float(coverage.max()))
    return np.clip(joined + 0.5, 0, 255).astype(np.uint8), mask


def _region(host: Pixels, rng: np.random.Generator) -> tuple[Floats, Operation]:
    """Return the soft coverage float32[H, W] of an object or a free form, and how it was drawn."""
    shape = str(rng.choice(list(_SHAPES), p=list(_SHAPES.values())))
    coverage = outline(host, shape, drawn_area(rng, _LARGEST), rng)
    sigma = float(rng.uniform(0.01, 0.06) * np.sqrt((coverage > 0.5).sum()))
    soft = ndimage.gaussian_filter(coverage, sigma)
    return soft, {"shape": shape, "feather": round(sigma, 2)}


def _strokes(host: Pixels, rng: np.random.Generator) -> tuple[Floats, Operation]:
    """Return the coverage of a few strokes of a round brush, and how they were drawn."""
    height, width = host.shape[:2]
    radius = float(np.exp(rng.uniform(np.log(0.03), np.log(0.09)))) * min(height, width)
    canvas = Image.new("L", (width, height))
    pen = ImageDraw.Draw(canvas)
    area = drawn_area(rng, _LARGEST / 2) * height * width
    place = rng.uniform(0.2, 0.8, 2) * (width, height)
    heading = rng.uniform(0, 2 * np.pi)
    covered = 0.0
    while covered < area:
        heading += rng.normal(0, 0.7)
        step = radius * rng.uniform(0.5, 2.0)
        ahead = place + step * np.array([np.cos(heading), np.sin(heading)])
        if not ((ahead > radius) & (ahead < (width - radius, height - radius))).all():
            heading += np.pi / 2 + rng.uniform(0, 1)
            ahead = np.clip(ahead, radius, (width - radius, height - radius))
        pen.line([*place, *ahead], 255, round(2 * radius))
        pen.ellipse([*(ahead - radius), *(ahead + radius)], 255)
        pen.ellipse([*(place - radius), *(place + radius)], 255)
        place = ahead
        covered += 2 * radius * step
    hardness = float(rng.uniform(0.5, 0.95))
    painted = np.asarray(canvas, np.float32) / 255
    coverage = ndimage.gaussian_filter(painted, 0.5 * radius * (1 - hardness))
    return coverage, {
        "shape": "strokes",
        "radius": round(radius, 1),
        "hardness": round(hardness, 2),
    }


# Methods: what becomes of the picture, float32[H, W, 3], and what to record ---------------------

_Changed = tuple[NDArray[np.float32], Operation]


def _blurred(host: Pixels, coverage: Floats, rng: np.random.Generator) -> _Changed:
    radius = float(np.exp(rng.uniform(np.log(1.5), np.log(0.012 * max(host.shape) + 2))))
    blurred = Image.fromarray(host).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(blurred, np.float32), {"sigma": round(radius, 2)}


def _sharpened(host: Pixels, coverage: Floats, rng: np.random.Generator) -> _Changed:
    radius, percent = float(rng.uniform(0.8, 3.0)), int(rng.integers(100, 300))
    sharp = Image.fromarray(host).filter(ImageFilter.UnsharpMask(radius, percent, 0))
    return np.asarray(sharp, np.float32), {"sigma": round(radius, 2), "percent": percent}


def _stamped(host: Pixels, coverage: Floats, rng: np.random.Generator) -> _Changed:
    """The picture from a nearby place, of some drawn ones the most like what it covers."""
    height, width = coverage.shape
    rows, columns = np.nonzero(coverage[::4, ::4] > 0.05)
    if not len(rows):
        return host.astype(np.float32), {}
    rows, columns = 4 * rows, 4 * columns
    size = max(8, int(np.sqrt(len(rows)) * 4))
    best, best_cost = (size, size), np.inf
    for _ in range(12):
        angle, far = rng.uniform(0, 2 * np.pi), size * rng.uniform(0.4, 1.6)
        down, right = round(far * np.sin(angle)), round(far * np.cos(angle))
        y, x = rows + down, columns + right
        within = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        there = host[y[within], x[within]].astype(np.float32)
        cost = 400.0 * (1 - within.mean())
        if len(there):
            cost += float(np.abs(there.mean(axis=0) - host[rows, columns].mean(axis=0)).mean())
        if cost < best_cost:
            best, best_cost = (down, right), cost
    y = np.clip(np.arange(height) + best[0], 0, height - 1)
    x = np.clip(np.arange(width) + best[1], 0, width - 1)
    return host[y][:, x].astype(np.float32), {"offset": list(best)}


def _coloured(host: Pixels, coverage: Floats, rng: np.random.Generator) -> _Changed:
    """Gains that differ between the channels, or the hues turned."""
    if rng.random() < 0.5:
        gains = np.exp(rng.normal(0, 0.22, 3))
        gains = gains / gains.mean()
        how: Operation = {"gains": [round(float(gain), 3) for gain in gains]}
        return host * gains.astype(np.float32), how
    hue = int(rng.choice([-1, 1]) * rng.integers(12, 128))
    planes = np.asarray(Image.fromarray(host).convert("HSV")).copy()
    planes[..., 0] += np.uint8(hue % 256)
    turned = Image.fromarray(planes, "HSV").convert("RGB")
    return np.asarray(turned, np.float32), {"hue": hue}


def _lit(host: Pixels, coverage: Floats, rng: np.random.Generator) -> _Changed:
    """Brighter or darker, with more or less contrast about the part's mean."""
    gain = float(np.exp(rng.choice([-1, 1]) * rng.uniform(0.15, 0.5)))
    contrast = float(np.exp(rng.normal(0, 0.15)))
    total = max(1e-6, float(coverage.sum()))
    mean = (host * coverage[..., None]).sum(axis=(0, 1)) / total
    how: Operation = {"gain": round(gain, 3), "contrast": round(contrast, 3)}
    return ((host - mean) * contrast + mean) * np.float32(gain), how


def _saturated(host: Pixels, coverage: Floats, rng: np.random.Generator) -> _Changed:
    """More vivid, paler, or without colour."""
    factor = float(rng.choice([0.0, rng.uniform(0.1, 0.6), rng.uniform(1.5, 2.5)]))
    grey = host.mean(axis=2, keepdims=True, dtype=np.float32)
    return grey + factor * (host - grey), {"factor": round(factor, 3)}


METHODS: Mapping[str, tuple[float, Callable[[Pixels, Floats, np.random.Generator], _Changed]]] = {
    "blur": (0.22, _blurred),
    "stamp": (0.28, _stamped),
    "colour": (0.16, _coloured),
    "brightness": (0.14, _lit),
    "saturation": (0.08, _saturated),
    "sharpening": (0.12, _sharpened),
}
"""How often a part is retouched in each way, and what does it."""
