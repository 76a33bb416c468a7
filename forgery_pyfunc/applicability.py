"""Whether an image is one that the method can speak about: a photograph with something in it.

The detector reads what cameras, JPEG saves and editing leave behind. A drawing, a screenshot, a
document, one tone or pure noise hold none of it, a palette wipes it out, and a probability of such
an image would mean nothing. Of 1,688 photographs and authentic CASIA images as they are, the
limits leave out one, which is all black.
"""

import math

import numpy as np

from forgery_pyfunc.contract import CodedMessage
from forgery_pyfunc.features import blocks
from forgery_pyfunc.imaging.decoding import DecodedImage

MOST_ONE_TONE = 0.7
"""Share of 8×8 blocks of exactly one tone from which an image is no photograph, or an empty one."""
MOST_PAPER, PAPER_TONES = 0.7, 25
"""Share of pixels within so many neighbouring tones from which they may be a page's ground."""
MOST_STROKES, STROKE = 0.2, 120
"""Share of 8×8 blocks with tones so far apart from which there is writing on such a ground."""
MOST_COLOURS = 256
"""Colours, not grey, that a palette can hold."""
LEAST_LIKENESS = 0.3
"""Correlation of neighbouring pixels' brightness below which an image is noise."""
_COLOUR_SAMPLE = 2**16


def reason_against(image: DecodedImage) -> CodedMessage | None:
    """Return why the method does not apply, None where it does; the code is one of `REASON_CODES`.

    The image is at least 8 pixels wide and high.
    """
    rows, columns = blocks.grid(image.height, image.width)
    luma = image.luma[: 8 * rows, : 8 * columns]
    contrast = _contrast(luma)
    one_tone = float((contrast == 0).mean())
    if one_tone > MOST_ONE_TONE:
        return CodedMessage(
            "not_a_photograph",
            f"{one_tone:.0%} of the image's blocks are of one tone, as in "
            "drawings, screenshots and empty pictures; the method speaks about photographs",
        )
    if (contrast >= STROKE).mean() > MOST_STROKES and (paper := _paper(luma)) > MOST_PAPER:
        return CodedMessage(
            "not_a_photograph",
            f"{paper:.0%} of the image is of nearly one tone with strokes on it, "
            "as in documents, screenshots and drawings; the method speaks about photographs",
        )
    if _likeness(luma) < LEAST_LIKENESS:
        return CodedMessage(
            "noise", "neighbouring pixels have little in common, so this is no photograph"
        )
    if image.jpeg is None and _has_palette(image.pixels):
        return CodedMessage(
            "few_colours",
            f"the image has at most {MOST_COLOURS} colours; reducing a photograph to "
            "a palette wipes out the traces that the method reads",
        )
    return None


def _contrast(luma: np.ndarray) -> np.ndarray:
    """Return how far apart the tones of each block are, uint8[rows, columns]."""
    rows, columns = blocks.grid(*luma.shape)
    across = luma.reshape(rows, 8, 8 * columns)
    highest = across.max(1).reshape(rows, columns, 8).max(2)
    lowest = across.min(1).reshape(rows, columns, 8).min(2)
    return highest - lowest


def _paper(luma: np.ndarray) -> float:
    """Return the share of pixels within the `PAPER_TONES` neighbouring tones that hold most."""
    shares = np.bincount(luma.ravel(), minlength=256) / luma.size
    return float(np.convolve(shares, np.ones(PAPER_TONES), "valid").max())


def _has_palette(pixels: np.ndarray) -> bool:
    step = max(1, math.isqrt(pixels.shape[0] * pixels.shape[1] // _COLOUR_SAMPLE))
    some = pixels[::step, ::step].astype(np.uint32)
    red, green, blue = some[..., 0], some[..., 1], some[..., 2]
    if np.array_equal(red, green) and np.array_equal(green, blue):
        return False
    return len(np.unique(red << 16 | green << 8 | blue)) <= MOST_COLOURS


def _likeness(luma: np.ndarray) -> float:
    """Correlation of pixels with their right and lower neighbours, from every fourth row."""
    some = luma[: len(luma) // 4 * 4 : 4].astype(np.float32)
    below = luma[1 : len(luma) // 4 * 4 : 4].astype(np.float32)
    deviation = some.var()
    if deviation == 0:
        return 1.0
    steps = ((some[:, 1:] - some[:, :-1]) ** 2).mean() + ((below - some) ** 2).mean()
    return float(1 - steps / (4 * deviation))
