"""Home-made forgeries: splices, copy-moves and removals, each with its mask and its history.

`forge` makes one forgery from pixels, `authentic_and_forged` a pair for training whose two sides
went through the same geometry and the same saves, `forge_folder` a CASIA-style data set from a
folder of photographs. The recipe (object-like masks of 1 to 25 % of the area, a donor with a
JPEG history of its own, geometry, colour, blur, feathered or blurred seams, a save by the editor)
follows the trial described in the project's detector notes; blending over a membrane follows
Farbman et al., "Convolution Pyramids", SIGGRAPH Asia 2011.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from forgery_lab.errors import DataError
from forgery_pyfunc import jpeg

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]
Operation = dict[str, Any]
Task = TypeVar("Task")
Result = TypeVar("Result")

KINDS = ("splice", "copy-move", "removal")
AREAS = (0.01, 0.25)
SMALLEST_SIDE = 64
_SEGMENTATION_SIDE = 112
_WORKING_FRACTION = 0.6


@dataclass(frozen=True)
class Forgery:
    """A forged picture, where it was forged, and how.

    Attributes:
        pixels: uint8[H, W, 3], as the editor saved and re-opened it.
        mask: bool[H, W], true where pixels were replaced.
        record: JSON-ready: `kind`, `donor` (index or None), `area`, `operations` in order.
    """

    pixels: Pixels
    mask: Mask
    record: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Save:
    """One save to a file and the opening of it: JPEG at `quality`, or lossless if None."""

    quality: int | None
    subsampling: str = "4:2:0"

    @classmethod
    def drawn(
        cls, rng: np.random.Generator, qualities: tuple[int, int] = (80, 98), lossless: float = 0.25
    ) -> Save:
        """A random save: lossless with the given probability, else JPEG in `qualities`."""
        subsampling = "4:2:0" if rng.random() < 0.6 else "4:4:4"
        quality = int(rng.integers(qualities[0], qualities[1] + 1))
        return cls(None if rng.random() < lossless else quality, subsampling)

    def apply(self, pixels: Pixels) -> Pixels:
        """The pixels after this save: uint8[H, W, 3] to uint8[H, W, 3]."""
        if self.quality is None:
            return pixels
        data = jpeg.encode(pixels, quality=self.quality, subsampling=self.subsampling)
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"))

    def operation(self, name: str) -> Operation:
        """This save as an entry of a record."""
        return {"name": name, "quality": self.quality, "subsampling": self.subsampling}


def forge(
    host: Pixels,
    donors: Sequence[Pixels],
    kind: str,
    rng: np.random.Generator,
    editor_save: Save | None = None,
) -> Forgery:
    """A forgery of `host`, of the same size.

    Args:
        host: uint8[H, W, 3], at least 64 pixels on each side.
        donors: Pictures to take a part from; one is drawn. Only a splice needs any.
        kind: `splice`, `copy-move` (a part of the host again elsewhere) or `removal`
            (an object of the host covered by a neighbouring part of the host).
        rng: The only source of randomness: the same state gives the same forgery.
        editor_save: How the editor saved the result; drawn where None.

    Raises:
        DataError: unknown kind, a picture of wrong type or too small, a splice without a donor.
    """
    _check_picture(host, "host")
    if kind not in KINDS:
        raise DataError(f"kind: got {kind!r}, allowed are {', '.join(KINDS)}")
    if kind == "splice" and not donors:
        raise DataError("donors: a splice needs at least one donor, got none")
    operations: list[Operation] = []
    donor_index = None
    if kind == "splice":
        donor_index = int(rng.integers(len(donors)))
        _check_picture(donors[donor_index], f"donors[{donor_index}]")
        forged, mask = _splice(host, donors[donor_index], rng, operations)
    elif kind == "copy-move":
        forged, mask = _copy_move(host, rng, operations)
    else:
        forged, mask = _removal(host, rng, operations)
    save = editor_save or Save.drawn(rng)
    operations.append(save.operation("editor_save"))
    record = {
        "kind": kind,
        "donor": donor_index,
        "area": round(float(mask.mean()), 5),
        "operations": operations,
    }
    return Forgery(save.apply(forged), mask, record)


def _check_picture(pixels: Pixels, name: str) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise DataError(
            f"{name}: got {pixels.dtype}{list(pixels.shape)}, a picture must be uint8[H, W, 3]"
        )
    if min(pixels.shape[:2]) < SMALLEST_SIDE:
        raise DataError(
            f"{name}: got {pixels.shape[1]}x{pixels.shape[0]} pixels, "
            f"each side must have at least {SMALLEST_SIDE}"
        )


# The three kinds ------------------------------------------------------------------------------


def _splice(
    host: Pixels, donor: Pixels, rng: np.random.Generator, operations: list[Operation]
) -> tuple[Pixels, Mask]:
    if rng.random() < 0.8:
        history = Save.drawn(rng, (55, 95), lossless=0.0)
        donor = history.apply(donor)
        operations.append(history.operation("donor_save"))
    part = _cut(donor, _drawn_area(rng), rng, operations)
    wanted = part.area * host.shape[0] * host.shape[1] / (donor.shape[0] * donor.shape[1])
    part = _transformed(
        part, host, rng, operations, natural_scale=float(np.sqrt(wanted / part.area))
    )
    corner = _place(host, part, rng, avoid=None)
    part = _matched_to_host(part, host, corner, rng, operations)
    return _paste(host, part, corner, rng, operations)


def _copy_move(
    host: Pixels, rng: np.random.Generator, operations: list[Operation]
) -> tuple[Pixels, Mask]:
    part = _cut(host, min(_drawn_area(rng), 0.15), rng, operations)
    source = part.corner
    if rng.random() < 0.5:
        part = _transformed(part, host, rng, operations, natural_scale=1.0)
    corner = _place(host, part, rng, avoid=source)
    operations.append({"name": "move", "from": list(source), "to": list(corner)})
    return _paste(host, part, corner, rng, operations)


def _removal(
    host: Pixels, rng: np.random.Generator, operations: list[Operation]
) -> tuple[Pixels, Mask]:
    part = _cut(host, min(_drawn_area(rng), 0.12), rng, operations, margin=3)
    source = _best_cover(host, part, rng)
    height, width = part.alpha.shape
    covering = host[source[0] : source[0] + height, source[1] : source[1] + width]
    cover = Part(covering.astype(np.float32), part.alpha, part.corner, part.shape)
    operations.append({"name": "cover", "from": list(source), "to": list(part.corner)})
    return _paste(host, cover, part.corner, rng, operations)


def _drawn_area(rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(AREAS))))


# Cutting out ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A part of a picture: float32[h, w, 3] pixels, float32[h, w] coverage, its place (y, x)."""

    pixels: Floats
    alpha: Floats
    corner: tuple[int, int]
    shape: str

    @property
    def area(self) -> float:
        """Its area in pixels, at least 1."""
        return max(1.0, float(self.alpha.sum()))


def _cut(
    picture: Pixels,
    area: float,
    rng: np.random.Generator,
    operations: list[Operation],
    margin: int = 0,
) -> Part:
    """A part of about `area` (a fraction of the picture) with a natural or a drawn outline."""
    shape = str(rng.choice(["object", "blob", "polygon", "ellipse"], p=[0.72, 0.16, 0.07, 0.05]))
    coverage = outline(picture, shape, area, rng)
    if margin:
        coverage = ndimage.grey_dilation(coverage, size=(2 * margin + 1, 2 * margin + 1))
    rows = np.flatnonzero(coverage.max(axis=1) > 0.02)
    columns = np.flatnonzero(coverage.max(axis=0) > 0.02)
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    pixels = picture[top:bottom, left:right].astype(np.float32)
    operations.append(
        {
            "name": "cut",
            "shape": shape,
            "box": [int(left), int(top), int(right), int(bottom)],
            "area": round(float((coverage > 0.5).mean()), 5),
        }
    )
    return Part(pixels, coverage[top:bottom, left:right], (int(top), int(left)), shape)


def outline(picture: Pixels, shape: str, area: float, rng: np.random.Generator) -> Floats:
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
    if float((coverage > 0.5).mean()) < 0.2 * area:
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
    for _ in range(4):
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


def _grown(codes: NDArray[np.int32], distance: Floats) -> Mask:
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
    opened = ndimage.binary_opening(inside, iterations=1)
    labels, count = ndimage.label(opened)
    if count == 0:
        return distance < 1.0
    largest = 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return np.asarray(ndimage.binary_fill_holes(labels == largest))


def _objectness(region: Mask, edges: Floats, area: float) -> float:
    """How much the outline follows edges, less what is wrong with place and size."""
    border = region ^ ndimage.binary_erosion(region)
    if not border.any():
        return -np.inf
    contrast = float(edges[border].mean() / (edges.mean() + 1.0))
    cut_off = float(
        region[0].mean() + region[-1].mean() * 0.3 + region[:, 0].mean() + region[:, -1].mean()
    )
    size = abs(float(np.log(max(region.mean(), 1e-4) / area)))
    return contrast - 3.0 * cut_off - 0.5 * size


def _snapped_to_edges(coverage: Floats, picture: Pixels) -> Floats:
    """A guided filter (He et al., ECCV 2010) in the region's box pulls it onto strong edges."""
    box = _box(coverage > 0.02, coverage.shape, grow=8)
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
    """An outline around a drawn centre, as a radius for each direction."""
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


# Fitting in -----------------------------------------------------------------------------------


def _transformed(
    part: Part,
    host: Pixels,
    rng: np.random.Generator,
    operations: list[Operation],
    natural_scale: float,
) -> Part:
    """Scaled, turned, mirrored and sometimes sheared, and made to fit into the host."""
    height, width = part.alpha.shape
    scale = natural_scale * float(np.exp(rng.normal(0, 0.18)))
    largest = _WORKING_FRACTION * min(host.shape[0] / height, host.shape[1] / width) / 0.75
    scale = float(np.clip(scale, 12.0 / min(height, width), max(largest, 1e-3)))
    if abs(scale - 1) < 0.06:
        scale = 1.0
    angle = float(rng.normal(0, 9)) if rng.random() < 0.45 else 0.0
    shear = float(rng.normal(0, 0.08)) if rng.random() < 0.15 else 0.0
    mirror = bool(rng.random() < 0.4)
    pixels, alpha = part.pixels, part.alpha
    if mirror:
        pixels, alpha = pixels[:, ::-1], alpha[:, ::-1]
        operations.append({"name": "mirror"})
    if scale != 1.0:
        size = (max(4, round(width * scale)), max(4, round(height * scale)))
        pixels, alpha = _resized(pixels, size), _resized(alpha, size)
        operations.append({"name": "scale", "factor": round(scale, 4)})
    if angle or shear:
        pixels, alpha = _turned(pixels, alpha, angle, shear)
        operations.append({"name": "turn", "degrees": round(angle, 2), "shear": round(shear, 3)})
    limit_y, limit_x = host.shape[0] - 2, host.shape[1] - 2
    return Part(
        pixels[:limit_y, :limit_x], alpha[:limit_y, :limit_x].clip(0, 1), part.corner, part.shape
    )


def _resized(array: Floats, size: tuple[int, int]) -> Floats:
    """Lanczos with antialiasing, per channel in float32."""
    planes = array[..., None] if array.ndim == 2 else array
    resized = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(planes[..., c])).resize(
                size, Image.Resampling.LANCZOS
            )
        )
        for c in range(planes.shape[2])
    ]
    return resized[0] if array.ndim == 2 else np.stack(resized, axis=-1)


def _turned(pixels: Floats, alpha: Floats, angle: float, shear: float) -> tuple[Floats, Floats]:
    """Rotation about the centre in degrees and a horizontal shear, bicubic."""
    height, width = alpha.shape
    turn = np.deg2rad(angle)
    grown_x = int(
        np.ceil(abs(width * np.cos(turn)) + abs(height * np.sin(turn)) + abs(shear) * height)
    )
    grown_y = int(np.ceil(abs(height * np.cos(turn)) + abs(width * np.sin(turn))))
    forward = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.array(
        [[1.0, shear], [0.0, 1.0]]
    )
    back = np.linalg.inv(forward)
    centre = np.array([width / 2, height / 2]) - back @ np.array([grown_x / 2, grown_y / 2])
    data = (back[0, 0], back[0, 1], centre[0], back[1, 0], back[1, 1], centre[1])

    def warp(plane: Floats) -> Floats:
        image = Image.fromarray(np.ascontiguousarray(plane))
        return np.asarray(
            image.transform(
                (grown_x, grown_y), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC
            )
        )

    return np.stack([warp(pixels[..., c]) for c in range(3)], axis=-1), warp(alpha).clip(0, 1)


def _place(
    host: Pixels, part: Part, rng: np.random.Generator, avoid: tuple[int, int] | None
) -> tuple[int, int]:
    """Where (y, x) the part's seam differs least from the host, among a few drawn places.

    A part stays near its own height in the picture, as things stand where they stand.
    """
    height, width = part.alpha.shape
    free_y, free_x = host.shape[0] - height, host.shape[1] - width
    ring = _ring(part.alpha)
    step = max(1, len(ring[0]) // 150)
    ring = (ring[0][::step], ring[1][::step])
    colours = part.pixels[ring]
    best, best_cost = (free_y // 2, free_x // 2), np.inf
    for _ in range(24):
        y = int(np.clip(part.corner[0] + rng.normal(0, 0.2) * host.shape[0], 0, free_y))
        x = int(rng.integers(0, free_x + 1))
        cost = float(np.abs(host[ring[0] + y, ring[1] + x] - colours).mean())
        if avoid is not None:
            apart = max(abs(y - avoid[0]) / height, abs(x - avoid[1]) / width)
            cost += 200.0 * max(0.0, 0.9 - apart)
        if cost < best_cost:
            best, best_cost = (y, x), cost
    return best


def _best_cover(host: Pixels, part: Part, rng: np.random.Generator) -> tuple[int, int]:
    """The place (y, x) of host whose pixels join best around the part's own place."""
    height, width = part.alpha.shape
    free_y, free_x = host.shape[0] - height, host.shape[1] - width
    ring = _ring(part.alpha)
    step = max(1, len(ring[0]) // 200)
    ring = (ring[0][::step], ring[1][::step])
    here = host[ring[0] + part.corner[0], ring[1] + part.corner[1]].astype(np.float32)
    best, best_cost = (0, 0), np.inf
    for _ in range(60):
        y = int(np.clip(part.corner[0] + rng.normal(0, 0.25) * host.shape[0], 0, free_y))
        x = int(rng.integers(0, free_x + 1))
        there = host[ring[0] + y, ring[1] + x]
        apart = max(abs(y - part.corner[0]) / height, abs(x - part.corner[1]) / width)
        cost = float(np.abs(there - here).mean()) + 150.0 * max(0.0, 0.8 - apart)
        if cost < best_cost:
            best, best_cost = (y, x), cost
    return best


def _ring(alpha: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the pixels just inside the outline."""
    inside = alpha > 0.5
    border = inside & ~ndimage.binary_erosion(inside, iterations=2)
    if not border.any():
        border = np.ones_like(inside)
    rows, columns = np.nonzero(border)
    return rows, columns


def _matched_to_host(
    part: Part,
    host: Pixels,
    corner: tuple[int, int],
    rng: np.random.Generator,
    operations: list[Operation],
) -> Part:
    """Brightness, contrast and colour drawn towards the host's around there; softened to it."""
    height, width = part.alpha.shape
    box = _box_around(corner, (height, width), host.shape[:2], grow=max(height, width) // 2)
    around = host[box].reshape(-1, 3).astype(np.float32)
    inside = part.pixels[part.alpha > 0.5]
    strength = float(rng.uniform(0.15, 0.75))
    gain = (around.std(axis=0) + 8) / (inside.std(axis=0) + 8)
    gain = np.clip(gain, 0.75, 1.3) ** (0.5 * strength)
    target = inside.mean(axis=0) * (1 - 0.6 * strength) + around.mean(axis=0) * 0.6 * strength
    pixels = (part.pixels - inside.mean(axis=0)) * gain + target
    operations.append(
        {
            "name": "match_colour",
            "strength": round(strength, 3),
            "gain": [round(float(g), 3) for g in gain],
            "shift": [round(float(s), 2) for s in target - inside.mean(axis=0)],
        }
    )
    sigma = _softening(part.pixels, part.alpha > 0.5, host[box])
    if sigma > 0.25 and rng.random() < 0.7:
        pixels = ndimage.gaussian_filter(pixels, (sigma, sigma, 0))
        operations.append({"name": "soften", "sigma": round(sigma, 3)})
    return Part(pixels, part.alpha, part.corner, part.shape)


def _softening(pixels: Floats, inside: Mask, around: Pixels) -> float:
    """The blur, in pixels, that brings the part's fine detail near that of the surroundings."""
    fine = np.abs(np.diff(pixels[..., 1], axis=1))[inside[:, 1:]]
    coarse = np.abs(np.diff(around[..., 1].astype(np.float32), axis=1))
    ratio = float((fine.mean() if fine.size else 1.0) / (coarse.mean() + 0.5))
    return float(np.clip(0.45 * (ratio - 1.2), 0.0, 1.1))


# Pasting --------------------------------------------------------------------------------------


def _paste(
    host: Pixels,
    part: Part,
    corner: tuple[int, int],
    rng: np.random.Generator,
    operations: list[Operation],
) -> tuple[Pixels, Mask]:
    """The host with the part on it, by one of three blends, and the mask of what was replaced."""
    height, width = part.alpha.shape
    margin = 12
    window = _box_around(corner, (height, width), host.shape[:2], grow=margin)
    below = host[window].astype(np.float32)
    top, left = corner[0] - window[0].start, corner[1] - window[1].start
    place = (slice(top, top + height), slice(left, left + width))
    alpha = np.zeros(below.shape[:2], np.float32)
    alpha[place] = part.alpha
    above = below.copy()
    above[place] = part.pixels
    natural = part.shape == "object"
    blend = str(rng.choice(["edge", "feather", "membrane"], p=_blend_odds(natural)))
    sigma = float(rng.uniform(0.5, 0.9) if blend == "edge" else rng.uniform(1.0, 2.5))
    if blend == "membrane":
        above += _membrane(below - above, alpha > 0.5)
        sigma = 0.8
    soft = ndimage.gaussian_filter(alpha, sigma)
    if natural:
        soft = np.clip(soft * 1.25 - 0.25, 0.0, 1.0)
    joined = below + soft[..., None] * (above - below)
    operations.append({"name": "blend", "method": blend, "sigma": round(sigma, 3)})
    if rng.random() < 0.2:
        joined = _blurred_seam(joined, soft, float(rng.uniform(0.6, 1.4)), operations)
    forged = host.copy()
    forged[window] = np.clip(joined + 0.5, 0, 255).astype(np.uint8)
    mask = np.zeros(host.shape[:2], np.bool_)
    mask[window] = soft > 0.5
    if not mask.any():
        mask[window] = soft >= soft.max()
    return forged, mask


def _blend_odds(natural: bool) -> list[float]:
    return [0.55, 0.25, 0.20] if natural else [0.10, 0.25, 0.65]


def _membrane(difference: Floats, inside: Mask) -> Floats:
    """A smooth float32[h, w, 3] that equals `difference` around `inside`, spread over it.

    Adding it to the pasted part makes it meet its surroundings without a step, as Poisson
    blending does: pull-push over a pyramid of halves.
    """
    known = (~inside).astype(np.float32)
    edge = ndimage.binary_dilation(inside, iterations=3)
    weight = known * edge
    if not weight.any():
        return np.zeros_like(difference)
    return _pull_push(difference * weight[..., None], weight)


def _pull_push(weighted: Floats, weight: Floats) -> Floats:
    height, width = weight.shape
    if min(height, width) <= 2:
        total = weight.sum()
        return np.broadcast_to(
            weighted.sum(axis=(0, 1)) / max(float(total), 1e-6), weighted.shape
        ).astype(np.float32)
    smaller_weight = _halved(weight)
    smaller = _halved(weighted)
    strong = np.minimum(1.0, smaller_weight * 4.0)
    scale = strong / np.maximum(smaller_weight, 1e-6)
    filled = _pull_push(smaller * scale[..., None], strong)
    size = (width, height)
    coarse = np.stack(
        [
            np.asarray(
                Image.fromarray(np.ascontiguousarray(filled[..., c])).resize(
                    size, Image.Resampling.BILINEAR
                )
            )
            for c in range(filled.shape[2])
        ],
        axis=-1,
    )
    own = np.minimum(weight, 1.0)[..., None]
    return weighted / np.maximum(weight, 1e-6)[..., None] * own + coarse * (1.0 - own)


def _halved(array: Floats) -> Floats:
    padded = np.pad(
        array, [(0, array.shape[0] % 2), (0, array.shape[1] % 2)] + [(0, 0)] * (array.ndim - 2)
    )
    return 0.25 * (padded[::2, ::2] + padded[1::2, ::2] + padded[::2, 1::2] + padded[1::2, 1::2])


def _blurred_seam(
    joined: Floats, soft: Floats, sigma: float, operations: list[Operation]
) -> Floats:
    seam = ndimage.gaussian_filter(4.0 * soft * (1.0 - soft), 1.5)
    seam = np.clip(seam * 2.0, 0.0, 1.0)[..., None]
    operations.append({"name": "blur_seam", "sigma": round(sigma, 3)})
    return joined + seam * (ndimage.gaussian_filter(joined, (sigma, sigma, 0)) - joined)


def _box(mask: Mask, shape: tuple[int, ...], grow: int) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return slice(0, shape[0]), slice(0, shape[1])
    return (
        slice(max(0, rows[0] - grow), min(shape[0], rows[-1] + 1 + grow)),
        slice(max(0, columns[0] - grow), min(shape[1], columns[-1] + 1 + grow)),
    )


def _box_around(
    corner: tuple[int, int], size: tuple[int, int], limits: tuple[int, ...], grow: int
) -> tuple[slice, slice]:
    return (
        slice(max(0, corner[0] - grow), min(limits[0], corner[0] + size[0] + grow)),
        slice(max(0, corner[1] - grow), min(limits[1], corner[1] + size[1] + grow)),
    )


# Files ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PublishedFile:
    """The format in which a picture is published, drawn alike for authentic and forged ones."""

    extension: str
    save: Save

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> PublishedFile:
        """Mostly JPEG of quality 70 to 97; also TIFF, PNG, BMP and a little WebP."""
        extension = str(
            rng.choice(["jpg", "tif", "png", "bmp", "webp"], p=[0.64, 0.18, 0.1, 0.05, 0.03])
        )
        save = Save.drawn(rng, (70, 97), lossless=0.0)
        lossless = extension in ("tif", "png", "bmp")
        return cls(extension, Save(None) if lossless else save)

    def encoded(self, pixels: Pixels) -> bytes:
        """The bytes of the file of uint8[H, W, 3]."""
        if self.extension == "jpg":
            return jpeg.encode(pixels, quality=self.save.quality, subsampling=self.save.subsampling)
        buffer = io.BytesIO()
        options: dict[str, Any] = {"quality": self.save.quality} if self.save.quality else {}
        formats = {"tif": "TIFF", "png": "PNG", "bmp": "BMP", "webp": "WEBP"}
        Image.fromarray(pixels).save(buffer, formats[self.extension], **options)
        return buffer.getvalue()

    def operation(self) -> Operation:
        """This file as the last entry of a record."""
        return {"name": "publish", "format": self.extension, "quality": self.save.quality}


def casia_name(record: dict[str, Any], ids: tuple[str, str], number: int) -> str:
    """The name of a forgery in CASIA 2.0's manner, without extension.

    `Tp_D_CRN_M_N_<host>_<donor>_<number>`: D(ifferent) or S(ame) image; then, each or N: C for
    changed in size, R for rotated or mirrored, D for deformed; S(mall), M(edium) or L(arge);
    B for a blurred seam. CASIA's authors never published what the letters mean; these are ours.
    """
    names = {operation["name"] for operation in record["operations"]}
    deformed = any(operation.get("shear") for operation in record["operations"])
    turned = "mirror" in names or any(
        operation.get("degrees") for operation in record["operations"]
    )
    letters = ("C" if "scale" in names else "N") + ("R" if turned else "N")
    letters += "D" if deformed else "N"
    size = "S" if record["area"] < 0.06 else "M" if record["area"] < 0.16 else "L"
    seam = "B" if "blur_seam" in names else "N"
    origin = "D" if record["kind"] == "splice" else "S"
    return f"Tp_{origin}_{letters}_{size}_{seam}_{ids[0]}_{ids[1]}_{number:05d}"


def write_mask(path: Path, mask: Mask) -> None:
    """A PNG of 0 and 255, three times smaller as one bit, but grey as CASIA's are."""
    Image.fromarray(mask.astype(np.uint8) * 255).save(path, "PNG")


def write_records(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """One JSON object a line."""
    lines = [json.dumps(record, sort_keys=True) for record in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` to fill; it becomes `folder` at the end, or vanishes on an error.

    Raises:
        DataError: `folder` exists and is not an empty folder.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise DataError(f"{folder}: exists already and is not an empty folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        partial.chmod(0o755)
        yield partial
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def in_parallel(
    function: Callable[[Task], Result], tasks: Sequence[Task], processes: int | None = None
) -> Iterator[Result]:
    """The results in the order of the tasks, each computed in one of a few fresh processes."""
    processes = min(processes or os.cpu_count() or 1, len(tasks))
    if processes <= 1:
        yield from map(function, tasks)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        yield from pool.map(function, tasks, chunksize=1)
