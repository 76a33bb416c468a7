"""Keypoints of a picture at several scales, with descriptors that no turn and no flip changes.

Keypoints are local maxima of the Hessian's determinant on every level of a pyramid, each with one
or more orientations from a histogram of gradients (Lowe, *Distinctive image features from
scale-invariant keypoints*, IJCV 2004). The descriptor is a patch of 8×8 samples along the
orientation, of mean 0 and length 1 (Brown, Szeliski & Winder, *Multi-image matching using
multi-scale oriented patches*, CVPR 2005). Those of a mirrored patch are the same in another order.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

_STEP = 2**0.5  # ratio of the scales of neighbouring levels
_MOST = (400, 250, 150, 100)  # keypoints of each level
_SMALLEST_LEVEL = 48  # pixels on its shorter side
_MARGIN = 11  # pixels of a level around a keypoint, for its patch
_FAINTEST = 0.05  # determinant of a keypoint
_AREA, _IN_TURN = 24, 3  # pixels of areas that give their strongest keypoints in turn, so many each
_BINS, _REACH = 36, 6  # of the histogram of gradients, and half the side of its window in pixels
_SECOND_PEAK = 0.8
_SAMPLES, _SPACING = 8, 2.0  # of a descriptor on a side, pixels of the level apart
_LEAST_CONTRAST = 1.5  # standard deviation of a patch in grey levels


@dataclass(frozen=True, eq=False)
class Keypoints:
    """Keypoints of a picture.

    Attributes:
        places: float32[n, 2], x and y in pixels.
        frames: float32[n, 2, 2], from the patch's axes to the picture's: a turn times a scale.
        descriptors: float32[n, 64], of mean 0 and length 1.
    """

    places: np.ndarray
    frames: np.ndarray
    descriptors: np.ndarray

    def mirrored(self) -> np.ndarray:
        """Return the descriptors of the patches mirrored across the orientation, [n, 64]."""
        patches = self.descriptors.reshape(-1, _SAMPLES, _SAMPLES)
        return patches[:, ::-1].reshape(len(patches), -1)


def find(plane: np.ndarray) -> Keypoints:
    """Return the keypoints of a picture float32[H, W], at most 900 with one or more frames each."""
    levels = [_of_level(level, most) for level, most in zip(_pyramid(plane), _MOST, strict=False)]
    places, frames, descriptors = (np.concatenate(part) for part in zip(*levels, strict=True))
    return Keypoints(places, frames, descriptors)


def smoothed(plane: np.ndarray) -> np.ndarray:
    """Return the plane after the binomial filter (1, 4, 6, 4, 1) / 16 each way; edge repeated."""
    return _binomial(_binomial(np.pad(plane, 2, mode="edge")).T).T


def _binomial(padded: np.ndarray) -> np.ndarray:
    sides = padded[1:-3] + padded[3:-1]
    sides *= 4
    sides += 6 * padded[2:-2]
    sides += padded[:-4]
    sides += padded[4:]
    sides /= 16
    return sides


@dataclass(frozen=True, eq=False)
class _Level:
    """A reduced picture float32[h, w], and the factors to the picture's width and height."""

    plane: np.ndarray
    factors: np.ndarray


def _pyramid(plane: np.ndarray) -> Iterator[_Level]:
    image = Image.fromarray(plane)
    yield _Level(plane, np.ones(2))
    for number in range(1, len(_MOST)):
        width, height = (round(side / _STEP**number) for side in image.size)
        if min(width, height) < _SMALLEST_LEVEL:
            return
        reduced = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
        yield _Level(reduced, np.array(image.size) / (width, height))


def _of_level(level: _Level, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return places, frames and descriptors of the keypoints of a level."""
    smooth = smoothed(level.plane)
    rows, columns = _maxima(_determinant(smooth), most)
    which, angles = _orientations(smooth, rows, columns)
    rows, columns = rows[which], columns[which]
    patches = _patches(smooth, rows, columns, angles)
    patches -= patches.mean(1, keepdims=True)
    lengths = np.sqrt((patches**2).sum(1))
    telling = lengths > _LEAST_CONTRAST * _SAMPLES
    places = (np.stack([columns, rows], 1)[telling] + 0.5) * level.factors - 0.5
    cosine, sine = np.cos(angles[telling]), np.sin(angles[telling])
    frames = np.stack([np.stack([cosine, -sine], 1), np.stack([sine, cosine], 1)], 1)
    return (
        places.astype(np.float32),
        (frames * level.factors.mean()).astype(np.float32),
        patches[telling] / lengths[telling, None],
    )


def _determinant(smooth: np.ndarray) -> np.ndarray:
    """Return float32[h, w], the size of the Hessian's determinant; 0 at the margin."""
    result = np.zeros_like(smooth)
    inner = smooth[1:-1, 1:-1]
    across = smooth[1:-1, 2:] + smooth[1:-1, :-2] - 2 * inner
    down = smooth[2:, 1:-1] + smooth[:-2, 1:-1] - 2 * inner
    both = (smooth[2:, 2:] + smooth[:-2, :-2] - smooth[2:, :-2] - smooth[:-2, 2:]) / 4
    within = np.s_[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    of_inner = np.s_[_MARGIN - 1 : 1 - _MARGIN, _MARGIN - 1 : 1 - _MARGIN]
    result[within] = np.abs(across * down - both * both)[of_inner]
    return result


def _maxima(strength: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns, to parts of a pixel, of local maxima.

    Areas give their strongest in turn, so that a part with little contrast has some as well.
    """
    highest = np.maximum(np.maximum(strength[:-2], strength[1:-1]), strength[2:])
    highest = np.maximum(np.maximum(highest[:, :-2], highest[:, 1:-1]), highest[:, 2:])
    inner = strength[1:-1, 1:-1]
    rows, columns = (axis + 1 for axis in np.nonzero((inner == highest) & (inner > _FAINTEST)))
    values = strength[rows, columns]
    area = rows // _AREA * (strength.shape[1] // _AREA + 1) + columns // _AREA
    order = np.lexsort((-values, area))
    turn = (np.arange(len(order)) - np.searchsorted(area[order], area[order])) // _IN_TURN
    chosen = order[np.lexsort((-values[order], turn))[:most]]
    values, rows, columns = values[chosen], rows[chosen], columns[chosen]
    return (
        rows + _top(strength[rows - 1, columns], values, strength[rows + 1, columns]),
        columns + _top(strength[rows, columns - 1], values, strength[rows, columns + 1]),
    )


def _top(before: np.ndarray, here: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return where the parabola through three values is highest, -0.5 to 0.5 from the middle."""
    curve = np.minimum(before + after - 2 * here, -1e-6)
    return np.clip((before - after) / (2 * curve), -0.5, 0.5)


def _orientations(
    smooth: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers of keypoints, and an angle in radians with each; most have one."""
    across, down = np.zeros_like(smooth), np.zeros_like(smooth)
    across[:, 1:-1] = smooth[:, 2:] - smooth[:, :-2]
    down[1:-1] = smooth[2:] - smooth[:-2]
    turns = np.arctan2(down, across) * np.float32(_BINS / (2 * np.pi))
    bins = np.floor(turns).astype(np.int32) % _BINS
    places = np.rint(rows).astype(np.int32) * smooth.shape[1] + np.rint(columns).astype(np.int32)
    steps = np.arange(-_REACH, _REACH + 1, dtype=np.int32)
    around = places[:, None] + (steps[:, None] * smooth.shape[1] + steps).ravel()
    weights = np.hypot(across, down).ravel().take(around) * _gradient_weights()
    first = _BINS * np.arange(len(rows), dtype=np.int32)[:, None]
    counted = (first + bins.ravel().take(around)).ravel()
    counts = np.bincount(counted, weights.ravel(), len(rows) * _BINS)
    histogram = _circular(_circular(counts.reshape(-1, _BINS)))
    before, after = np.roll(histogram, 1, 1), np.roll(histogram, -1, 1)
    peaks = (histogram > before) & (histogram >= after)
    peaks &= histogram >= _SECOND_PEAK * histogram.max(1, keepdims=True)
    which, peak = np.nonzero(peaks)
    offset = _top(before[peaks], histogram[peaks], after[peaks])
    return which, (peak + 0.5 + offset) * (2 * np.pi / _BINS)


def _circular(histogram: np.ndarray) -> np.ndarray:
    """Return means of each three neighbouring bins, the first and the last being neighbours."""
    return (np.roll(histogram, 1, 1) + histogram + np.roll(histogram, -1, 1)) / 3


@functools.cache
def _gradient_weights() -> np.ndarray:
    """Return float32[169], a Gaussian cut off at a circle."""
    axis = np.arange(-_REACH, _REACH + 1)
    squares = axis[:, None] ** 2 + axis**2
    weights = np.exp(-2.0 * squares / _REACH**2) * (squares <= _REACH**2)
    return weights.ravel().astype(np.float32)


def _patches(
    smooth: np.ndarray, rows: np.ndarray, columns: np.ndarray, angles: np.ndarray
) -> np.ndarray:
    """Return float32[n, 64], samples along the orientation, bilinear, row by row."""
    axis = (np.arange(_SAMPLES) - (_SAMPLES - 1) / 2) * _SPACING
    along, aside = np.tile(axis, _SAMPLES), axis.repeat(_SAMPLES)
    cosine, sine = np.cos(angles)[:, None], np.sin(angles)[:, None]
    x = columns[:, None] + cosine * along - sine * aside
    y = rows[:, None] + sine * along + cosine * aside
    left, top = x.astype(np.int32), y.astype(np.int32)
    x, y = (x - left).astype(np.float32), (y - top).astype(np.float32)
    flat, width = smooth.ravel(), smooth.shape[1]
    here = top * width + left
    upper = flat[here] * (1 - x) + flat[here + 1] * x
    lower = flat[here + width] * (1 - x) + flat[here + width + 1] * x
    return upper * (1 - y) + lower * y
