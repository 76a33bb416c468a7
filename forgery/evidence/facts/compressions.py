"""How many times an image was saved as JPEG."""

from dataclasses import dataclass

import numpy as np

from forgery.evidence.views.block_grid import block_grid
from forgery_pyfunc.features import SMALLEST_SIDE, blocks, quantisation
from forgery_pyfunc.imaging.decoding import DecodedImage
from forgery_pyfunc.imaging.jpeg_header import ZIGZAG, standard_table

_LARGEST_SAMPLE = 20_000  # blocks whose coefficients are counted
_EARLIER_QUALITIES = (*range(40, 99, 2), 99, 100)
_CLEARLY_BETTER = 0.6
_LEVELS_COUNTED = 20


@dataclass(frozen=True)
class Compressions:
    """How many JPEG saves are suspected: at least `count`, None when it cannot be told.

    `earlier_quality`: IJG quality that explains the coefficients best as an earlier save. `ratio`:
    distance of the histograms with that save to the distance without; below 0.6 counts.
    """

    count: int | None
    earlier_quality: int | None
    ratio: float | None
    explanation: str


def compressions(image: DecodedImage) -> Compressions:
    """Return how many JPEG saves are suspected, by double quantisation.

    The image is moved by four pixels, so that its coefficients lose their quantisation; they are
    quantised once as in the file, and twice, first with the IJG table of each of many qualities.
    The histogram nearest to the file's tells. It finds no earlier save of about the same or higher
    quality, with an unusual table, or on a displaced grid.

    Source: Lukáš & Fridrich, *Estimation of primary quantization matrix in double compressed JPEG
    images*, DFRWS 2003.
    """
    if min(image.height, image.width) < SMALLEST_SIDE:
        return Compressions(None, None, None, "The image is too small to tell.")
    if image.jpeg is None or not quantisation.has_luma_table(image):
        return _without_tables(image)
    places = ZIGZAG[1:10]
    steps = image.jpeg.luma_table.ravel()[places]
    seen = _level_histograms(_sampled_coefficients(image.luma, places) / steps)
    before = _sampled_coefficients(image.luma[4:, 4:], places)
    once = np.abs(_level_histograms(before / steps) - seen).sum()
    distances = []
    for quality in _EARLIER_QUALITIES:
        first = standard_table(quality).ravel()[places].astype(np.float32)
        twice = _level_histograms(np.rint(before / first) * first / steps)
        distances.append(np.abs(twice - seen).sum())
    if once < 0.1:  # Nearly all levels are 0: nothing to compare.
        return Compressions(None, None, None, "The image is too plain or too coarse to tell.")
    best = int(np.argmin(distances))
    ratio = float(distances[best] / once)
    if ratio < _CLEARLY_BETTER:
        quality = _EARLIER_QUALITIES[best]
        return Compressions(
            2,
            quality,
            ratio,
            f"At least two saves: the coefficients show an earlier one at about quality {quality}.",
        )
    return Compressions(1, None, ratio, "One save: the coefficients show no earlier one.")


def _without_tables(image: DecodedImage) -> Compressions:
    if block_grid(image).offset is None:
        return Compressions(
            0, None, None, "Not a JPEG file, and the pixels show no trace of a JPEG save."
        )
    return Compressions(
        1, None, None, "Not a JPEG file, but the pixels show the block grid of a JPEG save."
    )


def _sampled_coefficients(luma: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return float32[n, places]: coefficients of evenly chosen blocks."""
    rows, columns = blocks.grid(*luma.shape)
    step = max(1, int(np.sqrt(rows * columns / _LARGEST_SAMPLE)))
    size = blocks.SIZE
    whole = luma[: size * rows, : size * columns].reshape(rows, size, columns, size)
    chosen = whole[::step, :, ::step]
    plane = chosen.reshape(size * chosen.shape[0], size * chosen.shape[2])
    return blocks.dct(plane.astype(np.float32) - 128)[:, places]


def _level_histograms(levels: np.ndarray) -> np.ndarray:
    """Return float64[frequencies, 21]: shares of the sizes 0, 1, …, 20 and more, rounded."""
    sizes = np.minimum(np.abs(np.rint(levels)), _LEVELS_COUNTED).astype(np.intp)
    counts = [np.bincount(column, minlength=_LEVELS_COUNTED + 1) for column in sizes.T]
    return np.stack(counts) / len(levels)
