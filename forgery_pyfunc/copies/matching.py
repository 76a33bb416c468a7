"""Matches of keypoints with others of the same picture, and groups that agree on one map."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from forgery_pyfunc.copies.keypoints import Keypoints

_NEAREST = 16.0  # pixels from a keypoint to its twin
_SAME_PLACE = 8.0  # pixels between keypoints that are of one place, mostly of several levels
_LEAST_LIKENESS = 0.8
_MOST_RATIO = 0.7  # of the distances of the best match and of the second best
_MOST_MATCHES = 150
_OFF, _OFF_PER_PIXEL = 3.0, 0.1  # pixels that a predicted match may be off, more farther away
_SCALES_APART, _LEAST_COSINE = 0.3, 0.9  # logarithm of the ratio, and of the turns' difference
_CELL = 4.0  # pixels; matches closer to each other are one
_STIFFNESS = 640.0  # square pixels of spread that are worth as much as the first match's own map
_FLIP = np.diag([1.0, -1.0])


@dataclass(frozen=True, eq=False)
class Matches:
    """Pairs of places that look the same, the second half being the first in reverse.

    Attributes:
        sources, targets: float64[n, 2], x and y in pixels.
        linear: float64[n, 2, 2], from around the source to around the target.
    """

    sources: np.ndarray
    targets: np.ndarray
    linear: np.ndarray


@dataclass(frozen=True, eq=False)
class Group:
    """Matches that agree on one map.

    Attributes:
        map: float64[2, 3], see `affine_maps`.
        targets: float64[n, 2], where matches end.
        size: number of different places among their sources.
    """

    map: np.ndarray
    targets: np.ndarray
    size: int


def match(points: Keypoints) -> Matches:
    """Return the matches that are much better than the second best, the clearest first.

    What repeats more than once has no clear match, so regular patterns drop out here.
    """
    count = len(points.places)
    if count < 2:
        return Matches(np.empty((0, 2)), np.empty((0, 2)), np.empty((0, 2, 2)))
    likeness, apart = _likeness(points), _square_distances(points.places)
    for plane in (likeness[:, 0], likeness[:, 1]):
        plane[apart < _NEAREST**2] = -1
    either = likeness.reshape(count, -1)  # plain, then mirrored
    best = either.argmax(1)
    highest = either[np.arange(count), best]
    asked = np.flatnonzero(highest > _LEAST_LIKENESS)
    row, place = _around(apart < _SAME_PLACE**2, best[asked] % count)
    likeness[asked[row], :, place] = -1
    ratio = (1 - highest[asked]) / np.maximum(1 - either[asked].max(1), 1e-6)
    clearest = np.argsort(ratio, kind="stable")[: (ratio < _MOST_RATIO**2).sum()]
    kept = asked[clearest[:_MOST_MATCHES]]
    return _matches(points, kept, best[kept] % count, best[kept] >= count)


def groups(matches: Matches, fewest: int, most: int) -> Iterator[Group]:
    """Yield at most `most` groups of at least `fewest` places, each match in one, largest first.

    Every match has a map of its own, so each is tried as the others' model: RANSAC with nothing
    left to chance.
    """
    agree = _agreeing(matches)
    half = len(agree)
    left = np.ones(2 * half, bool)
    for _ in range(most):
        votes = (agree & left).sum(1) * left[:half]
        if not votes.size or votes.max() < fewest:
            return
        model = int(votes.argmax())
        members = np.flatnonzero(agree[model] & left)
        left[members] = False
        left[(members + half) % (2 * half)] = False
        sources, targets = matches.sources[members], matches.targets[members]
        size = len(np.unique(np.rint(sources / _CELL), axis=0))
        if size >= fewest:
            yield Group(_fitted(sources, targets, matches.linear[model]), targets, size)


def _likeness(points: Keypoints) -> np.ndarray:
    """Return float32[n, 2, n], products of descriptors with all, and with all mirrored ones."""
    every = np.concatenate([points.descriptors, points.mirrored()])
    return (points.descriptors @ every.T).reshape(len(points.places), 2, -1)


def _square_distances(places: np.ndarray) -> np.ndarray:
    squares = (places**2).sum(1)
    return squares[:, None] + squares - 2 * places @ places.T


def _around(near: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return, of every neighbour of some places, which of these it is near, and its number."""
    of, neighbours = np.nonzero(near)
    counts = np.bincount(of, minlength=len(near))
    starts = np.cumsum(counts) - counts
    lengths = counts[places]
    row = np.repeat(np.arange(len(places)), lengths)
    within = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return row, neighbours[starts[places][row] + within]


def _matches(
    points: Keypoints, source: np.ndarray, target: np.ndarray, mirrored: np.ndarray
) -> Matches:
    frames = points.frames.astype(np.float64)
    there = frames[target]
    there[mirrored] = there[mirrored] @ _FLIP
    linear = there @ np.linalg.inv(frames[source])
    one, other = (points.places[which].astype(np.float64) for which in (source, target))
    return Matches(
        np.concatenate([one, other]),
        np.concatenate([other, one]),
        np.concatenate([linear, np.linalg.inv(linear)]),
    )


def _agreeing(matches: Matches) -> np.ndarray:
    """Return bool[n / 2, n], whether the map of each match predicts each other one."""
    half = len(matches.sources) // 2
    x, y = (matches.sources[:, axis] - matches.sources[:half, axis, None] for axis in (0, 1))
    u, v = (matches.targets[:, axis] - matches.targets[:half, axis, None] for axis in (0, 1))
    (a, b), (c, d) = matches.linear[:half].transpose(1, 2, 0)[..., None]
    off = np.hypot(a * x + b * y - u, c * x + d * y - v)
    determinant = np.linalg.det(matches.linear)
    size = np.sqrt(np.abs(determinant))
    unit = (matches.linear / size[:, None, None]).reshape(-1, 4)
    agree = off < _OFF + _OFF_PER_PIXEL * np.hypot(x, y)
    agree &= off <= np.roll(off, half, axis=1)  # a flip nearly leads back: one direction of a match
    agree &= np.abs(np.log(size[:half, None] / size)) < _SCALES_APART
    agree &= (determinant[:half, None] < 0) == (determinant < 0)
    agree &= unit[:half] @ unit.T / 2 > _LEAST_COSINE
    return agree


def _fitted(sources: np.ndarray, targets: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """Return the affine map of least squares, held near a linear part as far as places are few."""
    centre, middle = sources.mean(0), targets.mean(0)
    around = sources - centre
    missed = targets - middle - around @ linear.T
    stiff = around.T @ around + _STIFFNESS * np.eye(2)
    linear = linear + np.linalg.solve(stiff, around.T @ missed).T
    return np.column_stack([linear, middle - linear @ centre])
