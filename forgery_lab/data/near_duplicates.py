"""Near-duplicates among any number of images, by their perceptual hashes.

Hashes of 64 bits are cut into blocks, so many that two hashes which differ in few bits agree in
several whole blocks. For each choice of so many blocks the hashes are sorted by their bits there,
and only neighbours that agree in these are compared: n log n steps instead of all pairs.

Source: Norouzi, Punjani and Fleet, *Fast search in Hamming space with multi-index hashing*, 2012.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

DISTANCE = 8
"""Bits of the 64-bit perceptual hash in which two images may differ and still be the same picture.

Measured on CASIA 1.0: of 938,000 pairs of images that share no source none is nearer than 12, so
that about one pair in CASIA 2.0's 80 million meets at 8 by chance. Of 150 authentic images saved
again at quality 60, halved and saved again, cropped by 3 % or brightened by a fifth, all stay
within 8 (at 4 a quarter of the cropped ones is lost).
"""

_AGREEING = 4
"""Blocks of which near hashes agree in at least so many: 20 bits or more, in which one of a million
different hashes agrees with one by chance. Three blocks are sorted in a third of the time, but have
16 bits, and the comparisons take over at a million."""
_EDGES = np.linspace(0, 64, DISTANCE + _AGREEING + 1).round().astype(np.uint64)
_BLOCKS = list(zip(_EDGES, np.diff(_EDGES), strict=False))
_POSITION, _POSITIONS = np.uint64(32), np.uint64(2**32 - 1)
"""Lower bits of a sorted number, which say where a hash is; above are its bits in some blocks."""


def near_duplicates(hashes: Sequence[str]) -> np.ndarray:
    """Return int64[P, 2]: the pairs i < j of hashes that differ in at most `DISTANCE` bits, sorted.

    `hashes` are perceptual hashes as 16 hexadecimal digits.
    """
    distinct, which, counts = np.unique(_codes(hashes), return_inverse=True, return_counts=True)
    alone = np.arange(len(distinct))
    near = np.concatenate([np.column_stack([alone, alone]), *_near(distinct)])
    first, second = np.unique(near, axis=0).T
    sizes = counts[first] * counts[second]
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    of_second = np.repeat(counts[second], sizes)
    images, starts = np.argsort(which, kind="stable"), np.cumsum(counts) - counts
    ends = np.column_stack(
        [
            images[np.repeat(starts[first], sizes) + within // of_second],
            images[np.repeat(starts[second], sizes) + within % of_second],
        ]
    )
    is_pair = np.repeat(first != second, sizes) | (ends[:, 0] < ends[:, 1])
    pairs = np.sort(ends[is_pair], axis=1)
    return pairs[np.lexsort(pairs.T[::-1])]


def looks_like(rows: pd.DataFrame, others: pd.DataFrame) -> np.ndarray:
    """Return bool[n]: whether each row's perceptual hash is near one of the others'.

    False where a table has no `phash`, as the training manifests of old models.
    """
    if "phash" not in rows or "phash" not in others:
        return np.zeros(len(rows), bool)
    codes, other_codes = _codes(rows["phash"]), np.unique(_codes(others["phash"]))
    distinct = np.union1d(codes, other_codes)
    is_other = np.isin(distinct, other_codes)
    found = is_other.copy()
    for near in _near(distinct):
        found[near[is_other[near[:, 1]], 0]] = True
        found[near[is_other[near[:, 0]], 1]] = True
    return found[np.searchsorted(distinct, codes)]


def _codes(hashes: Sequence[str] | pd.Series) -> np.ndarray:
    return np.array([int(code, 16) for code in hashes], np.uint64)


def _near(codes: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the near pairs i < j of different hashes uint64[n], as int64[P, 2]; some repeatedly."""
    positions = np.arange(len(codes), dtype=np.uint64)
    for chosen in combinations(_BLOCKS, _AGREEING):
        key = np.zeros_like(codes)
        for edge, width in chosen:
            mask = (np.uint64(1) << width) - np.uint64(1)
            key = key << width | codes >> edge & mask
        # One sort of numbers is several times as fast as `argsort`.
        ordered = np.sort(key << _POSITION | positions)
        key, order = ordered >> _POSITION, (ordered & _POSITIONS).astype(np.int64)
        agrees = np.append(key[1:] == key[:-1], False)  # with the next one
        first, step = np.flatnonzero(agrees), 1
        while len(first):
            ends = np.column_stack([order[first], order[first + step]])
            different = np.bitwise_count(codes[ends[:, 0]] ^ codes[ends[:, 1]])
            yield np.sort(ends[different <= DISTANCE], axis=1)
            first = first[agrees[first + step]]
            step += 1
