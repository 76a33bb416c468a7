"""Family "copymove": which blocks have a twin elsewhere in the image, and which agree on where.

Each block looks for the most similar patch, 14 pixels wide, at least 16 pixels away. Patches are
compared by their 10 lowest DCT coefficients, taken from the image at half size; they stand at every
second pixel, so twins are found at any displacement. The search is
PatchMatch's idea (Barnes et al., SIGGRAPH 2009; for forgeries Cozzolino, Poggi & Verdoliva, IEEE
TIFS 2015) with a better start: every second block is compared with the patches of a coarse lattice,
sorted by brightness, where brightness agrees; then these matches are refined, and the displacements
of neighbours are tried. All of it is deterministic. Eight channels:

- `distance`: log root mean square difference to the twin; `texture`: the same against the patch's
  own contrast, 0 without a twin;
- `agree.3`, `agree.5`: share of the neighbours, 3×3 and 5×5, with the same displacement, times 4;
- `votes`: log number of blocks in the image with this displacement or its opposite;
- `pointed`: log number of blocks that have their twin here;
- `mutual`: 1 where the twin's twin is here again;
- `length`: log length of the displacement in units of 64 pixels.

Images above a million pixels are searched at a smaller scale, long strips in pieces, so time and
memory grow no faster than the number of pixels.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from forgery_pyfunc.features import blocks
from forgery_pyfunc.features.family import Family, unchanged
from forgery_pyfunc.imaging.decoding import DecodedImage

CHANNELS = [
    "distance",
    "texture",
    "agree.3",
    "agree.5",
    "votes",
    "pointed",
    "mutual",
    "length",
]

_MOST_PIXELS = 2**20
_SHORTEST_SIDE = 32  # of the image that is searched, in pixels before it is halved
_PITCH = 4  # between blocks, in pixels of the halved image, as are all lengths below
_PATCH = 7
_NEAREST = 8
# Three is coprime to the pitch: a displacement that one block misses by a pixel, a neighbour meets.
_LATTICE = 3
_BASIS = 4
_LOWEST = np.flatnonzero(np.add.outer(np.arange(_BASIS), np.arange(_BASIS)).ravel() < _BASIS)
_FLAT = 1.0  # contrast below which a patch has no twin
_BRIGHTNESS_APART = 6.0
_SLAB = 96
_AT_ONCE = 16
_MOST_CANDIDATES = 8192
_EQUAL = 1  # displacements this far apart are the same
_NONE = np.float32(1e6)
_CROSS = [(-1, 0), (0, -1), (0, 1), (1, 0)]
_NEIGHBOURS = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]


@dataclass
class _Matches:
    """Displacement to the twin, and difference from it, float32[h, w]; `_NONE` without a twin."""

    down: np.ndarray
    right: np.ndarray
    difference: np.ndarray


@dataclass(frozen=True)
class _Patches:
    """Descriptors of all patches [H, W, 10]; of those at blocks [h, w, 10], with places.

    `contrast`: float32[h, w], root mean square of the patch about its mean, in grey levels.
    """

    all: np.ndarray
    blocks: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    contrast: np.ndarray


@dataclass(frozen=True)
class Twins:
    """The most similar other place of every block.

    Attributes:
        down, right: how far it is, in pixels of the image, float32[H // 8, W // 8]; of no meaning
            where `agree` is 0.
        agree: share of the eight neighbours with the same displacement, 0 without a twin.
        step: pixels by which two displacements may differ and still be the same.
    """

    down: np.ndarray
    right: np.ndarray
    agree: np.ndarray
    step: int


def extract(image: DecodedImage) -> np.ndarray:
    """Return float32[H // 8, W // 8, 8], the channels named in `CHANNELS`."""
    return _of_pieces(image, len(CHANNELS), _channels)


def twins(image: DecodedImage) -> Twins:
    """Return where the twin of every block is: what the channels leave out."""
    down, right, agree = np.moveaxis(_of_pieces(image, 3, _displacements), 2, 0)
    pixels = 2 * _shrink(8 * down.shape[0], 8 * down.shape[1])
    return Twins(pixels * down, pixels * right, agree, pixels * _EQUAL)


def _of_pieces(
    image: DecodedImage, depth: int, read: Callable[[_Patches, _Matches], np.ndarray]
) -> np.ndarray:
    """Return float32[H // 8, W // 8, depth] that is read from the matches, piece by piece."""
    rows, columns = blocks.grid(image.height, image.width)
    shrink = _shrink(8 * rows, 8 * columns)
    halved = _halve(_reduce(image.luma[: 8 * rows, : 8 * columns], shrink))
    down, across = -(-rows // shrink), -(-columns // shrink)
    found = np.empty((down, across, depth), np.float32)
    longest = max(_MOST_PIXELS // (64 * min(down, across)), 1)
    for start in range(0, max(down, across), longest):
        piece = slice(start, start + longest)
        here = np.s_[piece, :] if down >= across else np.s_[:, piece]
        patches = _patches(halved[_in_halved(here[0]), _in_halved(here[1])], _PATCH)
        found[here] = read(patches, _matches(patches))
    return found.repeat(shrink, 0).repeat(shrink, 1)[:rows, :columns]


def _shrink(height: int, width: int) -> int:
    """Return the factor by which to reduce an image before it is searched."""
    wanted = int(np.ceil(np.sqrt(height * width / _MOST_PIXELS)))
    return max(1, min(wanted, min(height, width) // _SHORTEST_SIDE))


def _in_halved(piece: slice) -> slice:
    if piece.start is None:
        return piece
    return slice(_PITCH * piece.start, _PITCH * piece.stop)


def _reduce(plane: np.ndarray, factor: int) -> np.ndarray:
    """Return float32 means of squares of `factor` pixels; the edge is repeated to fill the last.

    The result has whole blocks: multiples of 8 rows and columns.
    """
    multiple = factor * blocks.SIZE
    height, width = plane.shape
    if height % multiple or width % multiple:
        plane = np.pad(plane, ((0, -height % multiple), (0, -width % multiple)), mode="edge")
    if factor == 1:
        return plane.astype(np.float32)
    rows = np.add.reduce(plane.reshape(-1, factor, plane.shape[1]), axis=1, dtype=np.float32)
    ones = np.full((factor, 1), 1 / factor**2, np.float32)
    return (rows.reshape(-1, factor) @ ones).reshape(len(rows), -1)


def _halve(plane: np.ndarray) -> np.ndarray:
    """Return float32[H / 2, W / 2], weighted means, (1, 3, 3, 1) / 8 each way.

    Softer than means of squares, so that patches an odd displacement apart still look alike.
    """
    plane = np.pad(plane, 1, mode="edge")
    rows = (3 * (plane[1:-1:2] + plane[2::2]) + (plane[:-2:2] + plane[3::2])) / 8
    return (3 * (rows[:, 1:-1:2] + rows[:, 2::2]) + (rows[:, :-2:2] + rows[:, 3::2])) / 8


def _patches(halved: np.ndarray, size: int) -> _Patches:
    """Return descriptors of the patches of `size`² pixels around every pixel and every block."""
    before = size // 2
    around = np.pad(halved, (before, size - 1 - before), mode="reflect")
    descriptors = _low_frequencies(around, size)
    rows, columns = _block_centres(halved.shape[0]), _block_centres(halved.shape[1])
    at_blocks = descriptors[rows[:, None], columns]
    contrast = np.sqrt((at_blocks[..., 1:] ** 2).sum(2))
    return _Patches(descriptors, at_blocks, rows, columns, contrast)


def _low_frequencies(plane: np.ndarray, size: int) -> np.ndarray:
    """Return float32[H - size + 1, W - size + 1, 10], the lowest DCT coefficients of each patch.

    Scaled so that the squares sum to the mean square of what the coefficients hold.
    """
    bands, weights = _transforms(size)
    height, width = plane.shape[0] - size + 1, plane.shape[1] - size + 1
    # Down: a band matrix holds the basis once per row, for some rows at a time.
    down = np.empty((height, plane.shape[1], _BASIS), np.float32)
    for top in range(0, height, _AT_ONCE):
        count = min(_AT_ONCE, height - top)
        band = bands[: count * _BASIS, : count + size - 1]
        product = band @ plane[top : top + count + size - 1]
        down[top : top + count] = product.reshape(count, _BASIS, -1).transpose(0, 2, 1)
    # Across: what a patch needs now lies in one stretch of memory, `size` times four numbers.
    result = np.empty((height, width, weights.shape[1]), np.float32)
    stretches = as_strided(
        down, (height, width, size * _BASIS), (*down.strides[:2], down.itemsize), writeable=False
    )
    for top in range(0, height, _AT_ONCE):
        some = slice(top, top + _AT_ONCE)
        np.matmul(np.ascontiguousarray(stretches[some]), weights, out=result[some])
    return result


@functools.cache
def _transforms(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return float32[rows * 4, rows + size - 1] down, and float32[size * 4, 10] across."""
    basis = (blocks.dct_matrix(size)[:_BASIS] / np.sqrt(size)).astype(np.float32)
    bands = np.zeros((_AT_ONCE, _BASIS, _AT_ONCE + size - 1), np.float32)
    for row in range(_AT_ONCE):
        bands[row, :, row : row + size] = basis
    across = np.einsum("ab,vs->sabv", np.eye(_BASIS), basis).reshape(size * _BASIS, _BASIS**2)
    return bands.reshape(_AT_ONCE * _BASIS, -1), across[:, _LOWEST].astype(np.float32)


def _matches(patches: _Patches) -> _Matches:
    matches = _first_matches(patches)
    _try(patches, matches, [(matches.down + i, matches.right + j) for i, j in _NEIGHBOURS])
    for _ in range(3):
        down, right = (_shifted(plane, _CROSS) for plane in (matches.down, matches.right))
        _try(patches, matches, list(zip(down, right, strict=True)), patience=1.1)
    return matches


def _first_matches(patches: _Patches) -> _Matches:
    """Return, for blocks with contrast, the nearest lattice descriptor of similar brightness."""
    shape = patches.blocks.shape[:2]
    depth = patches.all.shape[2]
    rows = np.arange(0, patches.all.shape[0], _LATTICE)
    columns = np.arange(0, patches.all.shape[1], _LATTICE)
    lattice = patches.all[::_LATTICE, ::_LATTICE].reshape(-1, depth)
    order = np.argsort(lattice[:, 0], kind="stable")
    rank = np.full(len(order) + 1, -1, np.int32)  # the last stands for no place
    rank[order] = np.arange(len(order))
    lattice = lattice[order]
    brightness = np.ascontiguousarray(lattice[:, 0])
    # The nearest to q maximises q·c - |c|²/2: one product, with a column for the norm.
    candidates = np.column_stack([lattice, (lattice**2).sum(1) / -2])

    wanted = patches.blocks.reshape(-1, depth)
    with_one = np.column_stack([wanted, np.ones(len(wanted), np.float32)])
    near = _near_on_lattice(*patches.all.shape[:2])
    down, right, difference = np.full((3, len(wanted)), _NONE)
    asking = patches.contrast > _FLAT
    asking &= np.add.outer(np.arange(shape[0]), np.arange(shape[1])) % 2 == 0
    live = np.nonzero(asking.ravel())[0]
    live = live[np.argsort(wanted[live, 0], kind="stable")]
    for start in range(0, len(live), _SLAB):
        slab = live[start : start + _SLAB]
        lowest, highest = wanted[slab[0], 0], wanted[slab[-1], 0]
        first = np.searchsorted(brightness, lowest - _BRIGHTNESS_APART)
        last = np.searchsorted(brightness, highest + _BRIGHTNESS_APART, "right")
        step = -(-(last - first) // _MOST_CANDIDATES) or 1
        some = slice(first, last, step)
        likeness = with_one[slab] @ candidates[some].T
        if not likeness.size:
            continue
        _exclude(likeness, rank[near[slab]] - first, step)
        best = likeness.argmax(1)
        some_found = likeness[np.arange(len(slab)), best] > -np.inf
        slab, best = slab[some_found], best[some_found]
        twin = first + step * best
        difference[slab] = np.sqrt(((wanted[slab] - lattice[twin]) ** 2).sum(1))
        row, column = np.divmod(order[twin], len(columns))
        down[slab] = rows[row] - patches.rows[slab // shape[1]]
        right[slab] = columns[column] - patches.columns[slab % shape[1]]
    return _Matches(down.reshape(shape), right.reshape(shape), difference.reshape(shape))


def _exclude(likeness: np.ndarray, ranks: np.ndarray, step: int) -> None:
    """Set the candidates of these ranks, of which every `step`-th stands here, to -inf, in place.

    likeness: float32[blocks, candidates]; ranks: int32[blocks, n], negative or too large for none.
    """
    here = (ranks >= 0) & (ranks < step * likeness.shape[1])
    if step > 1:
        here &= ranks % step == 0
    block, which = np.nonzero(here)
    likeness[block, ranks[block, which] // step] = -np.inf


@functools.lru_cache(maxsize=4)
def _near_on_lattice(height: int, width: int) -> np.ndarray:
    """Return int32[blocks, n], numbers of the lattice points within `_NEAREST` of each block.

    Rows are filled up with the number of places.
    """
    reach = _NEAREST // _LATTICE + 1
    steps = np.arange(-reach, reach + 1)
    lengths, nearby, apart = [], [], []
    for length in (height, width):
        at = _block_centres(length)[:, None]
        lattice = at // _LATTICE + steps
        count = -(-length // _LATTICE)
        outside = (lattice < 0) | (lattice >= count)
        lengths.append(count)
        nearby.append(lattice)
        apart.append(np.where(outside, _NEAREST, lattice * _LATTICE - at))
    near = apart[0][:, None, :, None] ** 2 + apart[1][None, :, None, :] ** 2 < _NEAREST**2
    number = nearby[0][:, None, :, None] * lengths[1] + nearby[1][None, :, None, :]
    number = np.where(near, number, lengths[0] * lengths[1]).astype(np.int32)
    number = number.reshape(-1, len(steps) ** 2)
    return np.sort(number, axis=1)[:, : near.sum((2, 3)).max()]


def _block_centres(length: int) -> np.ndarray:
    return np.arange(_PITCH // 2, length, _PITCH)


def _try(
    patches: _Patches,
    matches: _Matches,
    proposals: list[tuple[np.ndarray, np.ndarray]],
    patience: float = 1.0,
) -> None:
    """Take over the best of the proposed displacements where it differs at most as much as now.

    `patience` above 1 prefers it, being a neighbour's, to a match that is better by less.
    """
    height, width, depth = patches.all.shape
    down = np.stack([proposal[0] for proposal in proposals])
    right = np.stack([proposal[1] for proposal in proposals])
    row = patches.rows[:, None] + down
    column = patches.columns + right
    outside = (row < 0) | (row >= height) | (column < 0) | (column >= width)
    outside |= down**2 + right**2 < _NEAREST**2
    outside |= patches.contrast <= _FLAT
    place = row * width + column
    place[outside] = 0
    twins = patches.all.reshape(-1, depth).take(place.astype(np.intp), axis=0)
    twins -= patches.blocks
    squares = np.einsum("nhwc,nhwc->nhw", twins, twins)
    squares[outside] = _NONE**2
    best = squares.argmin(0)[None]
    least = np.sqrt(np.take_along_axis(squares, best, 0)[0])
    better = least < patience * matches.difference
    for now, proposed in (
        (matches.down, np.take_along_axis(down, best, 0)[0]),
        (matches.right, np.take_along_axis(right, best, 0)[0]),
        (matches.difference, least),
    ):
        np.copyto(now, proposed, where=better)


def _shifted(plane: np.ndarray, offsets: list[tuple[int, int]]) -> list[np.ndarray]:
    """Return views of the plane at these offsets from each place, `_NONE` beyond its edge."""
    reach = 2
    height, width = plane.shape
    padded = np.full((height + 2 * reach, width + 2 * reach), _NONE)
    padded[reach:-reach, reach:-reach] = plane
    return [
        padded[reach + i : reach + i + height, reach + j : reach + j + width] for i, j in offsets
    ]


def _channels(patches: _Patches, matches: _Matches) -> np.ndarray:
    """Return float32[h, w, 8], the channels named in `CHANNELS`."""
    matched = matches.difference < _NONE
    contrast = patches.contrast
    difference = np.where(matched, matches.difference, contrast)
    three, five = _agreement(matches, matched)
    length = np.where(matched, np.hypot(matches.down, matches.right), 0)
    row, column = _blocks_of_twins(patches, matches, matched)
    pointed = np.zeros(matched.shape, np.float32)
    np.add.at(pointed, (row[matched], column[matched]), 1)
    back = np.abs(matches.down[row, column] + matches.down) <= _PITCH // 2
    back &= np.abs(matches.right[row, column] + matches.right) <= _PITCH // 2
    return np.stack(
        [
            np.log(difference + 0.25),
            np.log((difference + 0.5) / (contrast + 0.5)),
            4 * three,
            4 * five,
            np.log1p(_votes(matches, matched & (three > 0.2))),
            np.log1p(pointed),
            (back & matched).astype(np.float32),
            np.log1p(length / 32),
        ],
        2,
    )


def _displacements(_patches: _Patches, matches: _Matches) -> np.ndarray:
    """Return float32[h, w, 3]: displacement down and right, and the agreement of neighbours."""
    matched = matches.difference < _NONE
    three, _ = _agreement(matches, matched)
    return np.stack([matches.down, matches.right, three], 2)


def _agreement(matches: _Matches, matched: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares of neighbours, 3×3 and 5×5, with the block's own displacement."""
    offsets = [(i, j) for i in range(-2, 3) for j in range(-2, 3) if i or j]
    inner = np.zeros(matched.shape, np.uint8)
    outer = np.zeros(matched.shape, np.uint8)
    down, right = _shifted(matches.down, offsets), _shifted(matches.right, offsets)
    for offset, its_down, its_right in zip(offsets, down, right, strict=True):
        same = np.abs(its_down - matches.down) <= _EQUAL
        same &= np.abs(its_right - matches.right) <= _EQUAL
        ring = inner if offset in _NEIGHBOURS else outer
        ring += same
    share = matched.astype(np.float32)
    return share * inner / 8, share * (inner + outer) / 24


def _blocks_of_twins(
    patches: _Patches, matches: _Matches, matched: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return block row and column that hold the twin's centre; 0 where there is no twin."""
    row = np.where(matched, patches.rows[:, None] + matches.down, 0) // _PITCH
    column = np.where(matched, patches.columns + matches.right, 0) // _PITCH
    return row.astype(np.intp), column.astype(np.intp)


def _votes(matches: _Matches, voting: np.ndarray) -> np.ndarray:
    """Return float32[h, w], voting blocks with this displacement or its opposite (± 1)."""
    votes = np.zeros(voting.shape, np.float32)
    if not voting.any():
        return votes
    down, right = matches.down[voting].astype(np.intp), matches.right[voting].astype(np.intp)
    reach_down, reach_right = np.abs(down).max() + 1, np.abs(right).max() + 1
    ballot = np.zeros((2 * reach_down + 1, 2 * reach_right + 1), np.float32)
    np.add.at(ballot, (reach_down + down, reach_right + right), 1)
    ballot += ballot[::-1, ::-1]
    near = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    votes[voting] = sum(ballot[reach_down + down + i, reach_right + right + j] for i, j in near)
    return votes


PAPER = (
    "D. Cozzolino, G. Poggi & L. Verdoliva, Efficient dense-field copy-move forgery "
    "detection, IEEE TIFS 2015"
)
FAMILY = Family("copymove", tuple(CHANNELS), extract, PAPER, mirror=unchanged)
