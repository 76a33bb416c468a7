"""Whether a place of a picture is a copy of another one under a map, and how far it reaches.

Compared is the fine detail: the picture less its mean over 9×9 pixels. From around the matches the
region grows over 4×4 pixels wherever detail correlates locally, and the map is fitted to the pixels
of the region. The correlation that counts is of detail divided by its local strength: one strong
edge, which looks like any other edge, then weighs no more than the grain beside it.
"""

import functools
from dataclasses import dataclass

import numpy as np
from numpy import fft
from PIL import Image

from forgery_pyfunc.copies import affine_maps
from forgery_pyfunc.copies.keypoints import smoothed

_CELL = 4
_AROUND_MATCH = 2  # cells
_MARGINS = (3, 10, 16)  # cells around the matches, then around what was grown
_BORDER = 6  # pixels at the edge of a window that are not sampled
_MOST_SAMPLES = 1000
_FEWEST_SAMPLES = 50
_ALIKE = 0.6  # local correlation
_FAINTEST = 1.0  # mean square of detail that tells anything, in grey levels squared
_MOVED = 12.0  # pixels by which a copy is moved at least, everywhere
_LEAST_AT_MATCHES, _MOST_BESIDE = 0.5, 0.95  # correlation there; share of it a few pixels off
_FEWEST_CELLS, _LEAST_CORE = 6, 25  # cells of the region, and those with eight neighbours in it
_REPEATED = 0.47  # correlation with a third place
_FAST = 64  # sides that are multiples of it have fast transforms
_MOST_OVERLAP = 0.1  # share of the smaller place in the other
_SCALES = (0.3, 3.3)
_BESIDE = ((3, 0), (-3, 0), (0, 3), (0, -3), (2, 2), (2, -2), (-2, 2), (-2, -2))
_SCALE_STEP = 0.1  # of the logarithm, between the reduced copies that are kept
_STEPS, _LARGEST_STEP, _STILL = 4, 1.5, 0.03  # of Gauss-Newton, in pixels
_UNIT = 16.0  # pixels; what the coordinates of the fit are divided by

_Samples = tuple[np.ndarray, np.ndarray]
_Box = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class Place:
    """A place that is a copy of another one.

    Attributes:
        map: float64[2, 3], from the other one, fitted to the pixels.
        source, target: bool[H, W], the other one and this one.
        correlation: of the detail of both, divided by its local strength.
    """

    map: np.ndarray
    source: np.ndarray
    target: np.ndarray
    correlation: float


@dataclass(frozen=True, eq=False)
class _Window:
    """Detail float32[h, w] of a part of the picture, and of what the map brings there."""

    here: np.ndarray
    brought: np.ndarray
    corner: np.ndarray


@dataclass(frozen=True, eq=False)
class _Fit:
    """A map fitted to samples, the correlation there, and the highest one a few pixels beside."""

    map: np.ndarray
    correlation: float
    beside: float


class Verifier:
    """Verifies maps of one picture, float32[H, W]."""

    def __init__(self, plane: np.ndarray) -> None:
        self._image = Image.fromarray(plane)
        self._detail = _detail(plane)
        self._sources = {0: self._image}
        self._cells = (plane.shape[0] // _CELL, plane.shape[1] // _CELL)

    @functools.cached_property
    def _evened(self) -> np.ndarray:
        return _even(self._detail)

    def verify(self, affine: np.ndarray, targets: np.ndarray) -> Place | None:
        """Return the place that a map makes a copy, None where it does not.

        Args:
            affine: float64[2, 3], of a group of matches.
            targets: float64[n, 2], where these end.
        """
        cells = self._around(targets)
        box = _box(cells, _MARGINS[0])
        fit = _fit(affine, self._window(affine, box), _samples(_pixels(cells[box])))
        if fit.correlation < _LEAST_AT_MATCHES or fit.beside > _MOST_BESIDE * fit.correlation:
            return None
        for margin in _MARGINS[1:]:
            if not _SCALES[0] < affine_maps.scale_of(fit.map) < _SCALES[1]:
                return None
            box = _box(cells, margin)
            window = self._window(fit.map, box)
            grown = np.zeros_like(cells)
            grown[box] = _connected(cells[box], _alike(window, fit.map))
            cells = grown
            if cells.sum() < _FEWEST_CELLS:
                return None
            brought_by = fit.map
            fit = _fit(brought_by, window, _samples(_pixels(cells[box])))
        if _eroded(cells).sum() < _LEAST_CORE:
            return None
        return self._place(brought_by, cells, _evened_correlation(window, _pixels(cells[box])))

    def repeats(self, place: Place) -> bool:
        """Return whether a third place shows the same, as in a pattern that repeats."""
        rows, columns = (np.flatnonzero(place.target.any(axis)) for axis in (1, 0))
        here = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        mask = place.target[here].astype(np.float32)
        likeness = _likeness_everywhere(self._evened, self._evened[here] * mask, mask)
        centre = np.argwhere(place.target).mean(0)
        for known in (place.target, place.source):
            if known.any():
                row, column = np.argwhere(known).mean(0) - centre + (rows[0], columns[0])
                top, left = (max(round(at - _MOVED), 0) for at in (row, column))
                likeness[top : top + 2 * int(_MOVED) + 1, left : left + 2 * int(_MOVED) + 1] = 0
        return bool(likeness.max() > _REPEATED)

    def _place(self, affine: np.ndarray, cells: np.ndarray, correlation: float) -> Place | None:
        target = np.zeros(self._detail.shape, bool)
        whole = _pixels(cells)
        target[: whole.shape[0], : whole.shape[1]] = whole
        source = affine_maps.moved(target, affine_maps.inverted(affine))
        overlap = (source & target).sum() / max(min(source.sum(), target.sum()), 1)
        if overlap > _MOST_OVERLAP:
            return None
        return Place(affine, source, target, correlation)

    def _around(self, targets: np.ndarray) -> np.ndarray:
        """Return the cells around the ends of matches, bool[H // 4, W // 4]."""
        cells = np.zeros(self._cells, bool)
        for column, row in (targets // _CELL).astype(int):
            top, left = max(row - _AROUND_MATCH, 0), max(column - _AROUND_MATCH, 0)
            cells[top : row + _AROUND_MATCH + 1, left : column + _AROUND_MATCH + 1] = True
        return cells

    def _window(self, affine: np.ndarray, box: _Box) -> _Window:
        rows, columns = (slice(_CELL * side.start, _CELL * side.stop) for side in box)
        here, corner = self._detail[rows, columns], np.array([columns.start, rows.start])
        source = self._source(affine_maps.scale_of(affine))
        brought = affine_maps.warped(source, self._image.size, affine, corner, here.shape)
        return _Window(here, _detail(brought), corner)

    def _source(self, scale: float) -> Image.Image:
        """Return the picture, reduced without aliasing as far as the map reduces it."""
        step = round(np.log(min(scale, 1.0)) / _SCALE_STEP)
        if step not in self._sources:
            factor = np.exp(_SCALE_STEP * step)
            width, height = (max(round(side * factor), 1) for side in self._image.size)
            kernel = Image.Resampling.BICUBIC
            self._sources[step] = self._image.resize((width, height), kernel)
        return self._sources[step]


def _detail(plane: np.ndarray) -> np.ndarray:
    fine = smoothed(plane)
    return fine - _means(fine)


def _means(plane: np.ndarray) -> np.ndarray:
    """Return means over 9×9 pixels; the edge is repeated."""
    padded = np.pad(plane, 4, mode="edge")
    return _ninefold(_ninefold(padded).T).T / np.float32(81)


def _ninefold(plane: np.ndarray) -> np.ndarray:
    """Return sums of nine rows, by doubling."""
    two = plane[:-1] + plane[1:]
    four = two[:-2] + two[2:]
    return four[:-5] + four[4:-1] + plane[8:]


def _alike(window: _Window, affine: np.ndarray) -> np.ndarray:
    """Return the cells of a window where detail correlates and the map moves pixels far enough."""
    here, brought = window.here, window.brought
    power, power_brought = _means(here * here), _means(brought * brought)
    local = _means(here * brought) / np.sqrt(np.maximum(power * power_brought, 1e-6))
    good = (local > _ALIKE) & (np.minimum(power, power_brought) > _FAINTEST)
    good &= _is_moved(affine, window)
    rows, columns = good.shape[0] // _CELL, good.shape[1] // _CELL
    return good.reshape(rows, _CELL, columns, _CELL).sum((1, 3)) > _CELL**2 / 2


def _is_moved(affine: np.ndarray, window: _Window) -> np.ndarray:
    back = affine_maps.inverted(affine) - np.eye(2, 3)
    x = np.arange(window.here.shape[1]) + window.corner[0]
    y = (np.arange(window.here.shape[0]) + window.corner[1])[:, None]
    across, down = (row[0] * x + row[1] * y + row[2] for row in back)
    return across**2 + down**2 > _MOVED**2


def _even(detail: np.ndarray) -> np.ndarray:
    """Return detail divided by its local strength."""
    return detail / np.sqrt(_means(detail * detail) + _FAINTEST)


def _evened_correlation(window: _Window, support: np.ndarray) -> float:
    samples = _samples(support)
    return _correlation(_even(window.here)[samples], _even(window.brought)[samples])


def _likeness_everywhere(plane: np.ndarray, part: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the correlation of a masked part with the plane at every place where it fits in."""
    shape = [-(-side // _FAST) * _FAST for side in plane.shape]
    spectra = (fft.rfft2(values, shape) for values in (plane, plane * plane, part, mask))
    of_plane, of_squares, of_part, of_mask = spectra
    product = fft.irfft2(of_plane * of_part.conj(), shape)
    power = fft.irfft2(of_squares * of_mask.conj(), shape)
    likeness = product / np.sqrt(np.maximum(power, 1.0) * (part * part).sum())
    fits = [side - length + 1 for side, length in zip(plane.shape, part.shape, strict=True)]
    return likeness[: fits[0], : fits[1]]


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.sqrt((one @ one) * (other @ other) + 1e-6))


def _samples(support: np.ndarray) -> _Samples:
    """Return rows and columns of evenly chosen pixels of the support, none near the edge."""
    inner = support[_BORDER:-_BORDER, _BORDER:-_BORDER]
    places = np.flatnonzero(inner)[:: max(1, int(inner.sum()) // _MOST_SAMPLES)]
    rows, columns = np.divmod(places, max(inner.shape[1], 1))
    return rows + _BORDER, columns + _BORDER


def _fit(affine: np.ndarray, window: _Window, samples: _Samples) -> _Fit:
    """Return the map fitted to the samples by Gauss-Newton, a few steps from where it is.

    Lucas & Kanade, *An iterative image registration technique*, IJCAI 1981; affine, with a gain.
    """
    rows, columns = samples
    if len(rows) < _FEWEST_SAMPLES:
        return _Fit(affine, 0.0, 0.0)
    here, brought = window.here[samples], window.brought[samples]
    centre = np.array([columns.mean(), rows.mean()])
    x, y = columns - centre[0], rows - centre[1]
    solver = _solver(window.here, samples, x / _UNIT, y / _UNIT)
    fitted, best = np.eye(2, 3), (_correlation(here, brought), np.eye(2, 3), brought)
    for _ in range(_STEPS):
        gain = here @ brought / (brought @ brought + 1e-3)
        step = np.clip(solver @ (gain * brought - here), -_LARGEST_STEP, _LARGEST_STEP)
        fitted = affine_maps.after(np.eye(2, 3) + step.reshape(2, 3) / [_UNIT, _UNIT, 1], fitted)
        back = affine_maps.inverted(fitted)
        u, v = (row[0] * x + row[1] * y + row[2] for row in back)
        brought = _interpolated(window.brought, u + centre[0], v + centre[1])
        correlation = _correlation(here, brought)
        if correlation > best[0]:
            best = correlation, fitted, brought
        if np.abs(step).max() < _STILL:
            break
    correlation, fitted, brought = best
    beside = max(_correlation(window.here[rows + i, columns + j], brought) for i, j in _BESIDE)
    whole = affine_maps.about(fitted, centre + window.corner)
    return _Fit(affine_maps.after(whole, affine), correlation, beside)


def _solver(plane: np.ndarray, samples: _Samples, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return float64[6, n], from differences at samples to the least-squares step."""
    rows, columns = samples
    across = (plane[rows, columns + 1] - plane[rows, columns - 1]) / 2
    down = (plane[rows + 1, columns] - plane[rows - 1, columns]) / 2
    slope = np.stack([across * x, across * y, across, down * x, down * y, down])
    return np.linalg.solve(slope @ slope.T + 1e-3 * len(rows) * np.eye(6), slope)


def _interpolated(plane: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return values of the plane between pixels, bilinear, at places kept within it."""
    x = np.clip(x, 0, plane.shape[1] - 1.01)
    y = np.clip(y, 0, plane.shape[0] - 1.01)
    left, top = x.astype(np.intp), y.astype(np.intp)
    x, y = x - left, y - top
    upper = plane[top, left] * (1 - x) + plane[top, left + 1] * x
    lower = plane[top + 1, left] * (1 - x) + plane[top + 1, left + 1] * x
    return upper * (1 - y) + lower * y


def _box(cells: np.ndarray, margin: int) -> _Box:
    """Return rows and columns of the box around cells, with a margin as far as there is room."""
    rows, columns = (np.flatnonzero(cells.any(axis)) for axis in (1, 0))
    return (
        slice(max(int(rows[0]) - margin, 0), min(int(rows[-1]) + 1 + margin, cells.shape[0])),
        slice(max(int(columns[0]) - margin, 0), min(int(columns[-1]) + 1 + margin, cells.shape[1])),
    )


def _pixels(cells: np.ndarray) -> np.ndarray:
    return cells.repeat(_CELL, 0).repeat(_CELL, 1)


def _connected(seeds: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Return the allowed cells that are connected with an allowed seed, corners included."""
    grown = seeds & allowed
    while True:
        padded = np.pad(grown, 1)
        rows = padded[:-2] | padded[1:-1] | padded[2:]
        wider = (rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]) & allowed
        if (wider == grown).all():
            return grown
        grown = wider


def _eroded(cells: np.ndarray) -> np.ndarray:
    """Return the cells whose eight neighbours are in it, too."""
    padded = np.pad(cells, 1)
    rows = padded[:-2] & padded[1:-1] & padded[2:]
    return rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]
