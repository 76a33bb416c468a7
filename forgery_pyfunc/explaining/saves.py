"""Which earlier JPEG save the marked part of a picture bears, and which the rest.

What a first save leaves among the levels of a last one on the same grid is told frequency by
frequency: the levels are compared with those of the same content saved once, and saved first with
each of many steps. The content is read on a grid moved by four pixels, where saves leave no peaks
(Lukáš & Fridrich, *Estimation of primary quantization matrix in double compressed JPEG images*,
DFRWS 2003).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from forgery_pyfunc.features import blocks, quantisation
from forgery_pyfunc.imaging.decoding import DecodedImage
from forgery_pyfunc.imaging.jpeg_header import ZIGZAG, standard_table

FEWEST = 12
"""Blocks of which anything is told."""

_FREQUENCIES = 15  # in zigzag order, after the mean
_PLACES = ZIGZAG[1 : _FREQUENCIES + 1]
_STEPS = np.arange(2, 41)  # of an earlier save that are looked for
_SIZES = 21  # of levels; the last stands for all larger ones
_PRIOR = 0.5  # levels of each size that every histogram has before any is seen
_BINS_PER_UNIT, _LARGEST = 4, 256
_MOST_BLOCKS = 4000  # evenly chosen
_KNOWN, _KNOWN_PER_BLOCK, _FEWEST_KNOWN = 10.0, 0.03, 3
"""Log-likelihood, in all and per block, that tells one earlier step; frequencies that must tell."""
_FEWEST_LEVELS = 0.1  # that are not 0, per block
_MOVE = blocks.SIZE // 2


@dataclass(frozen=True, eq=False)
class EarlierSave:
    """An earlier save on the grid of the last.

    Attributes:
        quality: IJG quality whose table is nearest.
        steps: int[15], of the frequencies that tell, else 0.
        evidence: log-likelihood ratio per block of this save to none.
    """

    quality: int
    steps: np.ndarray
    evidence: float


@dataclass(eq=False)
class Levels:
    """What some blocks of a picture say of its saves.

    Attributes:
        seen: float[15, 21], their levels by size.
        content: float[15, bins], coefficients of the same content on the moved grid, by size.
        steps: float[15], of the last save; 1 where the file tells of none.
        blocks: their number.
    """

    seen: np.ndarray
    content: np.ndarray
    steps: np.ndarray
    blocks: int

    @classmethod
    def of(cls, image: DecodedImage, chosen: np.ndarray) -> "Levels | None":
        """Return the levels of the chosen blocks, bool[H // 8, W // 8]; None of too few blocks."""
        steps = np.ones(_FREQUENCIES)
        if image.jpeg is not None and quantisation.has_luma_table(image):
            steps = image.jpeg.luma_table.ravel()[_PLACES].astype(float)
        moved = chosen[:-1, :-1] & chosen[1:, :-1] & chosen[:-1, 1:] & chosen[1:, 1:]
        if min(chosen.sum(), moved.sum()) < FEWEST:
            return None
        here = _coefficients(image.luma, chosen)
        content = _coefficients(image.luma[_MOVE:-_MOVE, _MOVE:-_MOVE], moved)
        bins = np.minimum(np.rint(content * _BINS_PER_UNIT), _BINS_PER_UNIT * _LARGEST - 1)
        return cls(
            _histograms(_sizes(here, steps), _SIZES),
            _histograms(bins.astype(np.intp), _BINS_PER_UNIT * _LARGEST),
            steps,
            len(here),
        )

    @property
    def nearly_all_zero(self) -> bool:
        """Whether there is hardly a level that tells anything."""
        return bool(self.seen[:, 1:].sum() < _FEWEST_LEVELS * self.blocks)

    @cached_property
    def evidence(self) -> np.ndarray:
        """Log-likelihood ratios per block of an earlier save with each step, float[15, steps]."""
        once = self._expected(np.ones(1))[0]
        earlier = self._expected(_STEPS)
        return ((earlier - once) * self.seen).sum(2).T / self.blocks

    def earlier_save(self) -> EarlierSave | None:
        """Return the earlier save that these blocks bear, None where none is visible."""
        best, steps = self.evidence.max(1), _STEPS[self.evidence.argmax(1)]
        known = (best > _KNOWN_PER_BLOCK) & (best * self.blocks > _KNOWN)
        if known.sum() < _FEWEST_KNOWN:
            return None
        tables = np.stack([standard_table(q).ravel()[_PLACES][known] for q in range(1, 101)])
        fit = np.abs(np.log(tables / steps[known])).mean(1)
        quality = 1 + int(fit.argmin())
        return EarlierSave(quality, np.where(known, steps, 0), float(best[known].sum()))

    def evidence_of(self, save: EarlierSave) -> float:
        """Return the log-likelihood ratio per block that these blocks bear that save."""
        known = save.steps > 0
        places = np.searchsorted(_STEPS, save.steps[known])
        return float(self.evidence[known, places].sum())

    def _expected(self, earlier: np.ndarray) -> np.ndarray:
        """Return float[n, 15, 21], log probabilities of sizes after each of n earlier steps."""
        coefficients = np.arange(self.content.shape[1]) / _BINS_PER_UNIT
        first = np.rint(coefficients / earlier[:, None]) * earlier[:, None]
        first[earlier == 1] = coefficients
        levels = _sizes(first[:, None, :], self.steps[:, None])
        place = levels + _SIZES * np.arange(levels[..., 0].size).reshape(-1, _FREQUENCIES, 1)
        counts = np.broadcast_to(self.content, levels.shape).ravel()
        counted = np.bincount(place.ravel(), counts, _SIZES * levels[..., 0].size)
        found = counted.reshape(-1, *self.seen.shape) + _PRIOR
        return np.log(found / found.sum(2, keepdims=True))


def _coefficients(luma: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return float32[n, 15], absolute coefficients of evenly chosen ones of the chosen blocks."""
    rows, columns = blocks.grid(*luma.shape)
    size = blocks.SIZE
    tiles = luma[: size * rows, : size * columns].reshape(rows, size, columns, size)
    tiles = tiles.swapaxes(1, 2)[chosen[:rows, :columns]]
    tiles = tiles[:: -(-len(tiles) // _MOST_BLOCKS)].astype(np.float32)
    return np.abs(blocks.dct(tiles.reshape(-1, size))[:, _PLACES])


def _sizes(coefficients: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return whole numbers, the sizes of the levels of coefficients."""
    return np.minimum(np.rint(coefficients / steps), _SIZES - 1).astype(np.intp)


def _histograms(sizes: np.ndarray, length: int) -> np.ndarray:
    return np.stack([np.bincount(column, minlength=length) for column in sizes.T]).astype(float)
