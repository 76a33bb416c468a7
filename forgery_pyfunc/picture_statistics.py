"""Statistics of a picture's pixels that tell photographs from drawings, screenshots and documents.

A photograph has a little noise nearly everywhere, smooth histograms, edges of every direction and
softness. What a computer draws has areas of exactly one tone, few colours, and steps of one pixel
along rows and columns. The statistics are taken from at most 64 tiles of 32×32 pixels, spread
evenly over the picture, at three scales, and from a grid of pixels that spans all of it, so that
they cost the same for every size. They read pixels only, never the file they came from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image

from forgery_pyfunc.imaging.decoding import DecodedImage

TILE, TILES = 32, 64
GRID = 2**14
"""Pixels of the grid, about."""

_BLOCK = 8
_STEPS = (0, 1, 2, 4, 8, 16, 32, 64, 128)
"""Differences of neighbouring pixels, in tones, whose cumulative shares are counted."""
_QUANTILES = (10, 25, 50, 75, 90)
_COLOURS = (1, 2, 4, 16)
"""So many of the most frequent tones and colours are summed."""
_STRONG, _FLAT = 32, 2
"""Tones by which an edge differs at least, and a flat neighbourhood at most."""
_BACKGROUND = 25
"""Neighbouring tones that a page's background may span."""

_SHARES = tuple(f"step.{step}" for step in _STEPS)
_HISTOGRAM = (
    *(f"tones.{count}" for count in _COLOURS),
    "tones.entropy", "tones.roughness", "tones.background", "tones.black", "tones.white",
    *(f"colours.{count}" for count in _COLOURS),
    "colours.entropy", "colours.number", "saturation.mean", "saturation.deviation",
    "saturation.none", "saturation.high",
)  # fmt: skip
_EDGES = (
    "edge.strong", "edge.isolated", "edge.one_sided", "edge.along_axis", "edge.both_axes",
)  # fmt: skip
_LINES = ("line.equal", "line.almost_equal")
_BLOCKS = (
    *(f"contrast.{q}" for q in _QUANTILES), "contrast.none", "contrast.small", "contrast.full",
    *(f"noise.{q}" for q in _QUANTILES), "noise.peak", "noise.smooth",
)  # fmt: skip

NAMES: tuple[str, ...] = (
    *(f"tiles.{name}" for name in (*_SHARES, *_HISTOGRAM, *_EDGES, *_LINES, *_BLOCKS)),
    *(f"half.{name}" for name in (*_SHARES, *_EDGES)),
    *(f"quarter.{name}" for name in _SHARES),
    "half.energy", "quarter.energy",
    *(f"grid.{name}" for name in (*_SHARES, *_HISTOGRAM, *_LINES)),
)  # fmt: skip
"""What `statistics` returns, in this order."""


@dataclass(frozen=True)
class Sample:
    """What the statistics are taken from.

    Attributes:
        tiles: uint8[n, 32, 32] of luma, spread evenly.
        tile_colours: uint8[n, 32, 32, 3], RGB of the same.
        grid: uint8[1, h, w] of luma at every so many pixels of the picture.
        grid_colours: uint8[1, h, w, 3], RGB of the same.
    """

    tiles: np.ndarray
    tile_colours: np.ndarray
    grid: np.ndarray
    grid_colours: np.ndarray

    @classmethod
    def of(cls, image: DecodedImage) -> Sample:
        """Return the sample of an image of at least 32×32 pixels."""
        return cls(*_tiles(image), *_grid(image))


def statistics(sample: Sample) -> np.ndarray:
    """Return float32[len(NAMES)]."""
    tiles = sample.tiles
    half = _halved(tiles)
    quarter = _halved(half)
    steps = [_steps(plane) for plane in (tiles, half, quarter)]
    energies = [_energy(two) for two in steps]
    grid_steps = _steps(sample.grid)
    found = [
        *_shares(steps[0]), *_histogram(tiles[:, ::2], sample.tile_colours[:, ::2, ::2]),
        *_edges(steps[0]), *_lines(steps[0]), *_blocks(tiles, steps[0][0]),
        *_shares(steps[1]), *_edges(steps[1]),
        *_shares(steps[2]),
        *(math.log((coarse + 0.1) / (fine + 0.1)) for fine, coarse in pairwise(energies)),
        *_shares(grid_steps), *_histogram(sample.grid, sample.grid_colours), *_lines(grid_steps),
    ]  # fmt: skip
    return np.array(found, np.float32)


def _tiles(image: DecodedImage) -> tuple[np.ndarray, np.ndarray]:
    most_down, most_across = image.height // TILE, image.width // TILE
    down = min(most_down, max(1, round(math.sqrt(TILES * image.height / image.width))))
    across = min(most_across, max(1, TILES // down))
    down = min(most_down, max(1, TILES // across))
    tops = np.linspace(0, image.height - TILE, down).astype(int) // _BLOCK * _BLOCK
    lefts = np.linspace(0, image.width - TILE, across).astype(int) // _BLOCK * _BLOCK
    colours = np.empty((down * across, TILE, TILE, 3), np.uint8)
    for number, (top, left) in enumerate((top, left) for top in tops for left in lefts):
        colours[number] = image.pixels[top : top + TILE, left : left + TILE]
    return _luma(colours), colours


def _grid(image: DecodedImage) -> tuple[np.ndarray, np.ndarray]:
    step = max(1, math.isqrt(image.height * image.width // GRID))
    colours = image.pixels[np.newaxis, step // 2 :: step, step // 2 :: step]
    return _luma(colours), colours


def _luma(colours: np.ndarray) -> np.ndarray:
    """Return uint8[n, h, w] by ITU-R BT.601; what a JPEG stores may differ by a tone."""
    height, width = colours.shape[1:3]
    rows = np.ascontiguousarray(colours).reshape(-1, width, 3)
    return np.asarray(Image.fromarray(rows).convert("L")).reshape(-1, height, width)


def _halved(tiles: np.ndarray) -> np.ndarray:
    """Return uint8[n, h / 2, w / 2], the means of two by two pixels."""
    rows = tiles[:, 0::2].astype(np.uint16) + tiles[:, 1::2]
    return ((rows[..., 0::2] + rows[..., 1::2] + 2) >> 2).astype(np.uint8)


def _steps(planes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how far each pixel is from its right and from its lower neighbour, uint8."""
    right = _distance(planes[:, :, 1:], planes[:, :, :-1])
    return right, _distance(planes[:, 1:], planes[:, :-1])


def _distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.maximum(one, other) - np.minimum(one, other)


def _energy(steps: tuple[np.ndarray, np.ndarray]) -> float:
    """Return the mean square of both directions' steps."""
    return sum(float(np.square(step, dtype=np.float32).mean()) for step in steps)


def _shares(steps: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return the shares of neighbours that differ by at most `_STEPS`, as logits."""
    counts = [sum(np.count_nonzero(step <= most) for step in steps) for most in _STEPS]
    return _logits(np.array(counts) / sum(step.size for step in steps))


def _logits(shares: np.ndarray) -> np.ndarray:
    """Return shares as logits, levelled off at one in thousand."""
    return np.log((shares + 1e-3) / (1 - shares + 1e-3))


def _histogram(luma: np.ndarray, colours: np.ndarray) -> list[float]:
    """Return `_HISTOGRAM`: of tones, of colours with 4 bits each, and of saturation."""
    tones = np.bincount(luma.ravel(), minlength=256) / luma.size
    red, green, blue = (colours[..., channel] for channel in range(3))
    codes = (red >> 4).astype(np.uint16) << 8 | (green & 0xF0) | blue >> 4
    shares = np.bincount(codes.ravel(), minlength=4096) / codes.size
    present = shares[shares > 0]
    saturation = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    background = np.convolve(tones, np.ones(_BACKGROUND), "valid").max()
    return [
        *_most(tones),
        _entropy(tones[tones > 0]), float(np.abs(np.diff(tones)).sum()), float(background),
        float(tones[0]), float(tones[255]),
        *_most(shares), _entropy(present), math.log(len(present)),
        float(saturation.mean()) / 64, float(saturation.std()) / 64,
        float((saturation == 0).mean()), float((saturation > 2 * 64).mean()),
    ]  # fmt: skip


def _most(shares: np.ndarray) -> np.ndarray:
    """Return the sums of the largest shares."""
    largest = np.sort(np.partition(shares, -_COLOURS[-1])[-_COLOURS[-1] :])[::-1]
    return np.cumsum(largest)[[count - 1 for count in _COLOURS]]


def _entropy(shares: np.ndarray) -> float:
    return float(-(shares * np.log(shares)).sum())


def _edges(steps: tuple[np.ndarray, np.ndarray]) -> list[float]:
    """Return `_EDGES`: how many strong steps there are, and how many of them stand alone."""
    strong = isolated = one_sided = 0
    size = 0
    for step in (steps[0], steps[1].swapaxes(1, 2)):
        middle = step[:, :, 1:-1] >= _STRONG
        before, after = step[:, :, :-2] <= _FLAT, step[:, :, 2:] <= _FLAT
        size += middle.size
        strong += int(np.count_nonzero(middle))
        isolated += int(np.count_nonzero(middle & before & after))
        one_sided += int(np.count_nonzero(middle & (before ^ after)))
    right, down = steps[0][:, :-1], steps[1][:, :, :-1]
    across, along = right >= _STRONG, down >= _STRONG
    either = np.count_nonzero(across | along)
    straight = np.count_nonzero((across & (down <= _FLAT)) | (along & (right <= _FLAT)))
    both = np.count_nonzero(across & along)
    return [
        math.log(strong / size + 1e-4),
        (isolated + 1) / (strong + 10), (one_sided + 1) / (strong + 10),
        (straight + 1) / (either + 10), (both + 1) / (either + 10),
    ]  # fmt: skip


def _lines(steps: tuple[np.ndarray, np.ndarray]) -> list[float]:
    """Return `_LINES`: the shares of rows and columns of one tone, and of nearly one."""
    tops = [step.max(axis) for step, axis in zip(steps, (2, 1), strict=True)]
    count = sum(top.size for top in tops)
    return [sum(np.count_nonzero(top <= most) for top in tops) / count for most in (0, 2 * _FLAT)]


def _blocks(tiles: np.ndarray, right: np.ndarray) -> list[float]:
    """Return `_BLOCKS`: contrast and noise of the tiles' 8×8 blocks."""
    contrast = _of_blocks(tiles, np.maximum) - _of_blocks(tiles, np.minimum)
    second = _distance(right[:, :, 1:], right[:, :, :-1])
    second = second[:, :, : TILE - _BLOCK]
    noise = _of_blocks(second.astype(np.uint16), np.add) / np.float32(_BLOCK**2)
    peak = _of_blocks(second, np.maximum)
    smooth = contrast <= 2 * _BLOCK
    return [
        *np.log2(1 + _quantiles(contrast)),
        float((contrast == 0).mean()), float((contrast <= _FLAT).mean()),
        float((contrast >= 4 * _STRONG).mean()),
        *np.log2(0.05 + _quantiles(noise)),
        float(np.median(peak / (noise + 0.1))),
        float(np.log2(0.05 + noise[smooth[:, :, :-1]].mean())) if smooth[:, :, :-1].any() else 3.0,
    ]  # fmt: skip


def _quantiles(values: np.ndarray) -> np.ndarray:
    """Return `_QUANTILES` of values, interpolated; NumPy's own takes ten times as long."""
    ranked = np.sort(values, axis=None)
    places = np.array(_QUANTILES) / 100 * (len(ranked) - 1)
    return np.interp(places, np.arange(len(ranked)), ranked)


def _of_blocks(planes: np.ndarray, operation: np.ufunc) -> np.ndarray:
    """Return the planes' 8×8 blocks, each reduced to one number."""
    count, height, width = planes.shape
    rows = operation.reduce(planes.reshape(count, height // _BLOCK, _BLOCK, width), axis=2)
    shape = count, height // _BLOCK, width // _BLOCK, _BLOCK
    return operation.reduce(rows.reshape(shape), axis=3)
