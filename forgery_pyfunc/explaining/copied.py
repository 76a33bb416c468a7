"""Which two places of a picture look the same, one copied from the other without being turned.

The displacements of the family "copymove" are gathered: those that marked blocks share with their
neighbours, and what lies together and has the same one makes a pair of places. A pair counts where
the fine detail of both agrees at full size: content repeats in tiles and windows, detail hardly.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from forgery_pyfunc.features import blocks, copymove
from forgery_pyfunc.features.copymove import Twins
from forgery_pyfunc.imaging.decoding import DecodedImage

MOST = 3
"""Pairs of places that are named."""
FEWEST = 6
"""Blocks that a place has at least."""
ALIKE = 0.5
"""Correlation of the fine detail of two places from which they are the same."""
COVERED = 0.08
"""Share of the marked blocks that both places cover at least: what explains less is chance. Of 74
generated forgeries that the shipped detector found, no pair that was not copied covered more."""

_AGREE = 0.2  # share of the neighbours with the same displacement from which a block counts
_TRIED = 8  # displacements, those that most blocks share
_DIFFERENT = 256  # displacements that are counted
_APART = 0.5  # share of a place that its twin, or another pair, may cover at most
_COMPARED = 256  # blocks of a place, evenly chosen
_AROUND = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]


@dataclass(frozen=True, eq=False)
class Pair:
    """Two places that look the same.

    Attributes:
        place: bool[H // 8, W // 8], the blocks of one of them.
        down, right: pixels from there to the other.
        likeness: correlation of the fine detail of both, at most 1.
    """

    place: np.ndarray
    down: int
    right: int
    likeness: float


def find(image: DecodedImage, marked: np.ndarray) -> list[Pair]:
    """Return at most `MOST` pairs of places of which one at least is marked; the largest first.

    Args:
        image: that the places are of.
        marked: bool[H // 8, W // 8].
    """
    twins = copymove.twins(image)
    detail = _fine_detail(image.luma)
    alike = []
    for down, right in _shared_displacements(twins, marked):
        place = _place(twins, marked, down, right)
        if place.sum() >= FEWEST:
            pair = _refined(detail, place, down, right, twins.step)
            other = _other(pair)
            if (
                pair.likeness >= ALIKE
                and _covered(place, other) <= _APART
                and _covered(marked, place | other) >= COVERED
            ):
                alike.append(pair)
    found: list[Pair] = []
    for pair in sorted(alike, key=lambda pair: -int(pair.place.sum())):
        if all(_covered(pair.place, known.place) <= _APART for known in found):
            found.append(pair)
    return found[:MOST]


def _other(pair: Pair) -> np.ndarray:
    """Return the blocks of the second place, bool[h, w]."""
    return _moved(pair.place, round(pair.down / blocks.SIZE), round(pair.right / blocks.SIZE))


def _covered(place: np.ndarray, by: np.ndarray) -> float:
    """Return the share of a place's blocks that belong to another one."""
    return float((place & by).sum() / place.sum())


def _shared_displacements(twins: Twins, marked: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield displacements of marked blocks down and right, those that most share first.

    One and its opposite are the same.
    """
    asking = marked & (twins.agree > _AGREE)
    found = np.stack([twins.down[asking], twins.right[asking]], 1).astype(int)
    back = (found[:, 0] < 0) | ((found[:, 0] == 0) & (found[:, 1] < 0))
    values, counts = np.unique(np.where(back, -1, 1)[:, None] * found, axis=0, return_counts=True)
    frequent = np.argsort(-counts, kind="stable")[:_DIFFERENT]
    values, counts = values[frequent], counts[frequent]
    same = np.abs(values[:, None] - values).max(2) <= twins.step
    for _ in range(_TRIED):
        if not counts.any():
            return
        best = same[(same @ counts).argmax()] & (counts > 0)
        down, right = np.average(values[best], axis=0, weights=counts[best])
        yield round(down), round(right)
        counts = np.where(best, 0, counts)


def _place(twins: Twins, marked: np.ndarray, down: int, right: int) -> np.ndarray:
    """Return the largest group of blocks from which such a displacement leads to a twin.

    Blocks of the other place lead back; they count where they lead to.
    """
    there, back = (
        (twins.agree > _AGREE)
        & (np.abs(twins.down - sign * down) <= twins.step)
        & (np.abs(twins.right - sign * right) <= twins.step)
        for sign in (1, -1)
    )
    rows, columns = round(down / blocks.SIZE), round(right / blocks.SIZE)
    either = there | _moved(back, -rows, -columns)
    return _group(either, either & (marked | _moved(marked, -rows, -columns)))


def _moved(mask: np.ndarray, down: int, right: int) -> np.ndarray:
    """Return a mask moved by so many places; what leaves it is lost."""
    rows, columns = mask.shape
    moved = np.zeros_like(mask)
    if abs(down) < rows and abs(right) < columns:
        moved[max(down, 0) : rows + min(down, 0), max(right, 0) : columns + min(right, 0)] = mask[
            max(-down, 0) : rows - max(down, 0), max(-right, 0) : columns - max(right, 0)
        ]
    return moved


def _group(mask: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Return the connected part of a mask around the seed with most of the mask nearby."""
    group = np.zeros_like(mask)
    if not seeds.any():
        return group
    near = mask.astype(int)
    for _ in range(2):
        near = np.sum([_moved(near, i, j) for i, j in _AROUND], axis=0)
    group.ravel()[np.where(seeds, near, -1).argmax()] = True
    while True:
        larger = np.logical_or.reduce([_moved(group, i, j) for i, j in _AROUND]) & mask
        if (larger == group).all():
            return group
        group = larger


def _fine_detail(luma: np.ndarray) -> np.ndarray:
    """Return float32[H, W], what each pixel differs from its four neighbours by, times 4."""
    around = np.pad(luma.astype(np.float32), 1, mode="edge")
    neighbours = around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]
    return 4 * around[1:-1, 1:-1] - neighbours


def _refined(detail: np.ndarray, place: np.ndarray, down: int, right: int, reach: int) -> Pair:
    """Return the pair of places whose displacement, within `reach` pixels, fits best."""
    steps = range(-reach, reach + 1)
    tried = [(down + i, right + j) for i in steps for j in steps]
    few, many = _pixels(place, _COMPARED // 8), _pixels(place, _COMPARED)
    best = max(tried, key=lambda displacement: _correlation(detail, *few, *displacement))
    return Pair(place, *best, _correlation(detail, *many, *best))


def _pixels(place: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the pixels of at most so many blocks of a place."""
    inside = np.arange(blocks.SIZE)
    some = slice(None, None, -(-int(place.sum()) // most))
    rows, columns = (blocks.SIZE * at[some, None] + inside for at in np.nonzero(place))
    y, x = np.broadcast_arrays(rows[:, :, None], columns[:, None, :])
    return y, x


def _correlation(plane: np.ndarray, y: np.ndarray, x: np.ndarray, down: int, right: int) -> float:
    """Return the correlation of pixels with those so far away; 0 where half of these are outside.

    Their mean is taken for 0, as that of fine detail is.
    """
    inside = (y + down >= 0) & (y + down < plane.shape[0])
    inside &= (x + right >= 0) & (x + right < plane.shape[1])
    if inside.mean() < 0.5:
        return 0.0
    one, other = plane[y[inside], x[inside]], plane[y[inside] + down, x[inside] + right]
    power = float((one**2).sum()) * float((other**2).sum())
    return float((one * other).sum()) / power**0.5 if power > 0 else 0.0
