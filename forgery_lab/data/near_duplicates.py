"""Near-duplicates among any number of images, by their perceptual hashes.

Hashes of 64 bits are cut into blocks, so many that two hashes which differ in few bits agree in
several whole blocks. For each choice of so many blocks the hashes are sorted by their bits there,
and only neighbours that agree in these are compared: n log n steps instead of all pairs.

Source: Norouzi, Punjani and Fleet, *Fast search in Hamming space with multi-index hashing*, 2012.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
_Block = tuple[np.uint64, np.uint64]
"""The lowest bit of a block, and how many it has."""
_EDGES = np.linspace(0, 64, DISTANCE + _AGREEING + 1).round().astype(np.uint64)
_BLOCKS = list(zip(_EDGES, np.diff(_EDGES), strict=False))
_BESIDE_KEY = np.uint64(64 - _AGREEING * int(max(width for _, width in _BLOCKS)))
"""Lower bits of a number that is sorted by its bits above, which are a hash's in some blocks. They
say where the hash is, and what is left of them holds the whole hash folded: most pairs that agree
in some blocks by chance differ there already, so that their hashes need not be looked up."""
_IN_CACHE = 2**14
"""So many hashes at a time are made sortable: a million in one go take twice as long."""


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
    bits = np.uint64(max(len(codes) - 1, 1).bit_length())
    beside_key = _folded(codes, _BESIDE_KEY - bits) << bits
    beside_key |= np.arange(len(codes), dtype=np.uint64)
    ordered, unlike = np.empty_like(codes), np.empty_like(codes[1:])
    agrees = np.zeros(len(codes), bool)  # with the next one
    for chosen in combinations(_BLOCKS, _AGREEING):
        for start in range(0, len(codes), _IN_CACHE):
            part = slice(start, start + _IN_CACHE)
            ordered[part] = _key(codes[part], chosen) << _BESIDE_KEY | beside_key[part]
        ordered.sort()  # several times as fast as `argsort`
        np.bitwise_xor(ordered[1:], ordered[:-1], out=unlike)
        np.less(unlike, np.uint64(1) << _BESIDE_KEY, out=agrees[:-1])
        first, step = np.flatnonzero(agrees), 1
        different = unlike.take(first)
        while len(first):
            likely = first.compress(np.bitwise_count(different >> bits) <= DISTANCE)
            ends = np.stack([ordered.take(likely), ordered.take(likely + step)])
            ends &= (np.uint64(1) << bits) - np.uint64(1)
            ends = ends.view(np.int64)
            distance = np.bitwise_count(codes.take(ends[0]) ^ codes.take(ends[1]))
            yield np.sort(ends.compress(distance <= DISTANCE, axis=1), axis=0).T
            first = first.compress(agrees.take(first + step))
            step += 1
            different = ordered.take(first) ^ ordered.take(first + step)


def _key(codes: np.ndarray, chosen: Iterable[_Block]) -> np.ndarray:
    """Return the hashes' bits in some blocks as one number, uint64[n]."""
    key = np.zeros_like(codes)
    for edge, width in chosen:
        mask = (np.uint64(1) << width) - np.uint64(1)
        key = key << width | codes >> edge & mask
    return key


def _folded(codes: np.ndarray, bits: np.uint64) -> np.ndarray:
    """Return so many bits, uint64[n]: two hashes differ in at least as many as these do."""
    folded = np.zeros_like(codes)
    for shift in range(0, 64, int(bits)):
        folded ^= codes >> np.uint64(shift)
    return folded & ((np.uint64(1) << bits) - np.uint64(1))
