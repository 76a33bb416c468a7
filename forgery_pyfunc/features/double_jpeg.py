"""Family "double_jpeg": does a block bear the earlier save that the image as a whole bears?

What was saved as a JPEG twice on one grid has peaks, gaps and too many zeros among its quantised
DCT coefficients; a part that was pasted in has not, since its own earlier save, if any, lay on
another grid. 44 channels:

- `ratio.F`: of the F-th frequency in zigzag order, 1 … 40, log ratio of how often the size of the
  block's level occurs in the image to how often it would after a single save, within ± 4;
- `moved.BAND`: these ratios summed over a band of frequencies, for the levels of the four blocks of
  a moved grid that overlap the block, averaged: what the content alone is worth.

What a single save would leave is read from the image on a grid moved by four pixels, where earlier
saves leave no peaks (Lukáš & Fridrich, *Estimation of primary quantization matrix in double
compressed JPEG images*, DFRWS 2003). Where histograms there are so rough that a save once lay on
that grid (0.3 to 1.3; else 0.1 to 0.2, more where blocks are few), it is read on another one, and
`moved.BAND` stays on the first. The ratio is that of Lin, He, Tang & Tang, *Fast, automatic and
fine-grained tampered JPEG image detection via DCT coefficient analysis*, Pattern Recognition 2009,
with no model of the earlier table. What the steps are: see `quantisation`.
"""

import functools

import numpy as np

from forgery_pyfunc.features import blocks, quantisation
from forgery_pyfunc.features.family import Family, unchanged
from forgery_pyfunc.imaging.decoding import DecodedImage
from forgery_pyfunc.imaging.jpeg_header import ZIGZAG

FREQUENCIES = 40
BANDS = {"lowest": 0, "low": 5, "middle": 14, "high": 27}
CHANNELS = [
    *(f"ratio.{frequency}" for frequency in range(1, FREQUENCIES + 1)),
    *(f"moved.{band}" for band in BANDS),
]

_PLACES = ZIGZAG[1 : FREQUENCIES + 1]
_SIZES = 16  # of levels; the last stands for all larger ones, and says nothing
_FIRST_OF = (_SIZES * np.arange(FREQUENCIES)).astype(np.uint16)
_MOVE = blocks.SIZE // 2
_OTHER_MOVE = np.s_[2:-6, 6:-2]
_ROUGH, _ROUGH_BY_CHANCE = 0.18, 0.6  # limit for many blocks, and what 1 / √blocks adds to it
_PRIOR = 2.0  # blocks of each size in both histograms, so that rare sizes say little
_CLIP = 4.0
_WIDTHS = (0.6, 0.3)  # of the smoothing, in levels: at size 0, and more per size


def extract(image: DecodedImage) -> np.ndarray:
    """Return float32[H // 8, W // 8, 44], the channels named in `CHANNELS`."""
    rows, columns = blocks.grid(image.height, image.width)
    luma = image.luma[: 8 * rows, : 8 * columns]
    steps = quantisation.luma_table(image).ravel()[_PLACES].astype(np.float32)
    here = _sizes(luma, steps)
    moved = _sizes(luma[_MOVE:-_MOVE, _MOVE:-_MOVE], steps)
    single = _histograms(moved)
    if _roughness(single) > _ROUGH + _ROUGH_BY_CHANCE / np.sqrt(moved[..., 0].size):
        single = _histograms(_sizes(luma[_OTHER_MOVE], steps))
    ratios = _log_ratios(_histograms(here), single).ravel()
    features = np.empty((rows, columns, len(CHANNELS)), np.float32)
    features[..., :FREQUENCIES] = ratios[here]
    bands = [
        np.add.reduceat(ratios[some], list(BANDS.values()), axis=1)
        for some in moved.reshape(len(moved), -1, FREQUENCIES)
    ]
    around = np.pad(np.stack(bands), ((1, 1), (1, 1), (0, 0)), mode="edge")
    features[..., FREQUENCIES:] = (
        around[1:, 1:] + around[:-1, 1:] + around[1:, :-1] + around[:-1, :-1]
    ) / 4
    return features


def _sizes(luma: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return uint16[h, w, 40], level sizes of a plane [8h, 8w], numbered over all frequencies."""
    rows, columns = blocks.grid(*luma.shape)
    sizes = np.empty((rows, columns, FREQUENCIES), np.uint16)
    for down, across in blocks.tiles(rows, columns):
        part = luma[blocks.in_pixels(down), blocks.in_pixels(across)].astype(np.float32)
        levels = np.abs(np.rint(blocks.dct(part)[:, _PLACES] / steps))
        tile = sizes[down, across]
        tile[...] = np.minimum(levels, _SIZES - 1).reshape(tile.shape)
    sizes += _FIRST_OF
    return sizes


def _histograms(sizes: np.ndarray) -> np.ndarray:
    """Return int[40, 16], blocks by frequency and size."""
    counts = np.bincount(sizes.ravel(), minlength=FREQUENCIES * _SIZES)
    return counts.reshape(FREQUENCIES, _SIZES)


def _log_ratios(seen: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Return float32[40, 16], log ratios of the histogram to the smooth one of the moved grid."""
    expected = moved * (seen.sum(1, keepdims=True) / moved.sum(1, keepdims=True))
    smooth = np.log(expected + _PRIOR) @ _smoothing().T
    ratios = np.clip(np.log(seen + _PRIOR) - smooth, -_CLIP, _CLIP)
    ratios[:, -1] = 0
    return ratios.astype(np.float32)


def _roughness(histogram: np.ndarray) -> float:
    """Return the root mean square of how far logarithms lie from the smooth ones, over blocks."""
    logs = np.log(histogram + _PRIOR)
    off, counted = logs - logs @ _smoothing().T, histogram[:, 1:-1]
    return float(np.sqrt((counted * off[:, 1:-1] ** 2).sum() / max(counted.sum(), 1)))


@functools.cache
def _smoothing() -> np.ndarray:
    """Return float64[16, 16], weights that fit a line around each size but 0, wider at larger ones.

    Sizes of a plain save fall about exponentially, so that a line through logarithms is no bias;
    what deviates from it on the moved grid are few counts, and ripples of the last rounding.
    """
    weights = np.eye(_SIZES)
    sizes = np.arange(1, _SIZES - 1)
    for size in sizes:
        width = _WIDTHS[0] + _WIDTHS[1] * size
        near = np.exp(-0.25 * ((sizes - size) / width) ** 2)  # the root of a Gaussian
        line = np.stack([near, near * (sizes - size)], 1)
        weights[size, 1:-1] = np.linalg.pinv(line)[0] * near
    return weights


PAPER = (
    "Z. Lin, J. He, X. Tang & C.-K. Tang, Fast, automatic and fine-grained tampered JPEG "
    "image detection via DCT coefficient analysis, Pattern Recognition 2009"
)
FAMILY = Family("double_jpeg", tuple(CHANNELS), extract, PAPER, mirror=unchanged)
