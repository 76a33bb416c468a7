"""The luma quantisation steps to read an image's DCT coefficients by, whatever file it came in.

A JPEG's table tells them. A picture that was a JPEG and is now a PNG has the same pixels and no
table; but its coefficients still lie at multiples of the steps, give or take what rounding to
pixels adds, and so do those of a picture that was then saved with steps too fine to matter. So
where a file has no table, or a fine one, the steps are those at whose multiples all coefficients
lie. Where many lie off, as in a part that was pasted in later, the steps are fine: the multiples
then show as peaks of the histograms, and what lies off them as well.

A step is chosen by likelihood, frequency by frequency, of a mixture: multiples with noise, and
anything. Where two saves on one grid left most coefficients at multiples of the first, coarser
step, the few others tell the last one. Where one of libjpeg's tables explains as much as steps
that are free, all are taken from it.

Fan & de Queiroz, *Identification of bitmap compression history: JPEG detection and quantizer
estimation*, IEEE Transactions on Image Processing 12(2), 2003.
"""

import functools

import numpy as np

from forgery_pyfunc.features import blocks
from forgery_pyfunc.imaging.decoding import DecodedImage
from forgery_pyfunc.imaging.jpeg_header import ZIGZAG, standard_table

FREQUENCIES = 40
"""In zigzag order, after the mean, that are looked at: of higher ones nearly all are 0."""
FINE_STEP = 2
"""Of every frequency, where no save left steps that all coefficients lie at multiples of."""
FINEST_TABLE = 5
"""Highest step of a table that is too fine to matter."""
MAX_OFF = 0.02
"""Share of coefficients off the multiples up to which the pixels count as those of one save. Of
140 JPEGs saved as PNG none had more; of 49 forgeries saved at nearly no loss none had less."""

_PLACES = ZIGZAG[1 : FREQUENCIES + 1]
_MAX_STEP = 127
_BINS_PER_LEVEL, _LARGEST = 8, 160  # of the histograms of absolute coefficients
_SMALLEST = 1.4  # coefficients below it are 0 with noise
_NOISE = 0.42  # standard deviation of what rounding to pixels adds to a coefficient
_OFF, _TELLING_STEP = 1.8, 5  # distance from all multiples, of steps from this one on
_ANYTHING, _LAST_ALONE = 0.005, 0.02  # shares off all multiples, and off those of an earlier save
_MULTIPLES, _FINEST_LAST = (2, 3, 4), 4  # earlier steps in last ones, and the least last one
_TWO_SAVES, _FREE_STEP = 2.0, 4.8  # log-likelihood that an earlier save, a free step must be worth
_KNOWN, _ENOUGH = 12.0, 60.0  # log-likelihood that tells one step, and that there was a save
_MOST_BLOCKS = 2**14  # of large images, evenly chosen


def luma_table(image: DecodedImage) -> np.ndarray:
    """Return the quantisation steps of the luma, float32[8, 8]; see the module."""
    if image.jpeg is not None and has_luma_table(image):
        table = image.jpeg.luma_table
        if table.ravel()[_PLACES].max() > FINEST_TABLE:
            return table
    found = _table_of_pixels(image)
    return np.full((blocks.SIZE, blocks.SIZE), FINE_STEP, np.float32) if found is None else found


def has_luma_table(image: DecodedImage) -> bool:
    """Return whether `luma` is a component that the file itself quantised."""
    if image.jpeg is None or image.mode not in ("RGB", "L"):
        return False
    stored_as_rgb = image.jpeg.adobe_transform == 0 and "JFIF" not in image.jpeg.markers
    return image.mode == "L" or not stored_as_rgb


def _table_of_pixels(image: DecodedImage) -> np.ndarray | None:
    """Return the table at whose multiples the coefficients lie, or None where they lie at none's.

    Steps of frequencies whose coefficients are all 0 are those of libjpeg's table that fits best.
    """
    sizes = _coefficient_sizes(image)
    evidence = _evidence(sizes)
    best, steps = evidence.max(1), evidence.argmax(1) + 1
    known = best > _KNOWN
    if best[known & (steps >= _TELLING_STEP)].sum() < _ENOUGH:
        return None
    explained = np.take_along_axis(evidence, _standard_steps().T - 1, axis=1).sum(0)
    table = standard_table(1 + int(explained.argmax())).astype(np.float32)
    if explained.max() < (best[known] - _FREE_STEP).sum():
        table.ravel()[_PLACES[known]] = steps[known]
    return table if _share_off(sizes, table.ravel()[_PLACES]) <= MAX_OFF else None


def _coefficient_sizes(image: DecodedImage) -> np.ndarray:
    """Return float32[n, 40], absolute coefficients of blocks without a clipped pixel."""
    rows, columns = blocks.grid(image.height, image.width)
    stride = int(np.ceil(np.sqrt(rows * columns / _MOST_BLOCKS)))
    luma, pixels = (
        plane[: blocks.SIZE * rows, : blocks.SIZE * columns].reshape(
            rows, blocks.SIZE, columns, blocks.SIZE, -1
        )[::stride, :, ::stride]
        for plane in (image.luma, image.pixels)
    )
    clipped = ((pixels == 0) | (pixels == 255)).any((1, 3, 4)).ravel()
    chosen = luma.reshape(luma.shape[0] * blocks.SIZE, luma.shape[2] * blocks.SIZE)
    return np.abs(blocks.dct(chosen)[~clipped][:, _PLACES])


def _evidence(sizes: np.ndarray) -> np.ndarray:
    """Return float[40, 127]: log-likelihood ratio of each step against none, by frequency."""
    length = _BINS_PER_LEVEL * _LARGEST
    bins = np.minimum(np.rint(sizes * _BINS_PER_LEVEL), length - 1).astype(np.int64)
    counts = np.stack([np.bincount(column, minlength=length) for column in bins.T])
    counts[:, : int(_SMALLEST * _BINS_PER_LEVEL) + 1] = 0
    counts[:, -1] = 0  # larger ones
    alone, *after_others = (counts @ ratios for ratios in _log_ratios())
    return np.maximum(alone, np.max(after_others, axis=0) - _TWO_SAVES)


def _share_off(sizes: np.ndarray, steps: np.ndarray) -> float:
    """Return the share of coefficients, of those that are not 0, off all multiples of the steps."""
    telling = steps >= _TELLING_STEP
    sizes, steps = sizes[:, telling], steps[telling]
    off = np.abs(sizes - np.rint(sizes / steps) * steps) > _OFF
    return float(off.sum() / max((sizes > _SMALLEST).sum(), 1))


@functools.cache
def _log_ratios() -> tuple[np.ndarray, ...]:
    """Return float[bins, steps] of one save, and of two for each of `_MULTIPLES`."""
    sizes = np.arange(_BINS_PER_LEVEL * _LARGEST)[:, np.newaxis] / _BINS_PER_LEVEL
    steps = np.arange(1.0, _MAX_STEP + 1)
    once = _density(sizes, steps)
    last = _LAST_ALONE * np.where(steps < _FINEST_LAST, 0, once)
    twice = [(1 - _LAST_ALONE) * _density(sizes, m * steps) + last for m in _MULTIPLES]
    return tuple(np.log((1 - _ANYTHING) * density + _ANYTHING) for density in (once, *twice))


def _density(sizes: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return the density at sizes of multiples of steps with noise; 1 on average."""
    off = sizes - np.rint(sizes / steps) * steps
    return steps / (_NOISE * np.sqrt(2 * np.pi)) * np.exp(-0.5 * (off / _NOISE) ** 2)


@functools.cache
def _standard_steps() -> np.ndarray:
    """Return int[100, 40], the steps of libjpeg's luma tables, quality 1 first."""
    tables = np.stack([standard_table(quality).ravel()[_PLACES] for quality in range(1, 101)])
    return np.minimum(tables, _MAX_STEP)
