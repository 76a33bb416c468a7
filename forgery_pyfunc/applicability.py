"""Whether the method applies to an image: whether it is a photograph with content, and one only.

The detector reads traces of cameras, JPEG saves and editing. Drawings, screenshots, documents,
blank images and pure noise carry none, a palette removes them, and a probability for such an image
would mean nothing. Of 1,688 unchanged photographs and authentic CASIA images, the limits exclude
one, which is all black.
"""

import math

import numpy as np

from forgery_pyfunc.contract import CodedMessage
from forgery_pyfunc.features import blocks
from forgery_pyfunc.imaging.decoding import DecodedImage
from forgery_pyfunc.imaging.guards import MAX_FRAMES_COUNTED

MAX_UNIFORM = 0.7
"""Share of uniform 8×8 blocks above which an image is no photograph, or a blank one."""
MAX_BACKGROUND, BACKGROUND_TONES = 0.7, 25
"""Share of pixels within so many neighbouring tones above which they may be a page's background."""
MAX_STROKES, STROKE_CONTRAST = 0.2, 120
"""Share of 8×8 blocks of such contrast above which there is writing on such a background."""
MAX_COLOURS = 256
"""Colours that a palette can hold; grey images are not counted."""
MIN_CORRELATION = 0.3
"""Correlation of neighbouring pixels' brightness below which an image is noise."""
_COLOUR_SAMPLE = 2**16


def note_on(image: DecodedImage) -> CodedMessage | None:
    """Return what is to be known of a file beside a verdict on its picture, None where nothing is.

    The code is one of `NOTE_CODES`.
    """
    if image.frames == 1:
        return None
    number = str(image.frames) if image.frames < MAX_FRAMES_COUNTED else "100 or more"
    kind = "pages" if image.format == "TIFF" else "frames"
    return CodedMessage(
        "first_frame_only", f"the file has {number} {kind}; only the first was judged"
    )


def reason_against(image: DecodedImage) -> CodedMessage | None:
    """Return why the method does not apply, None where it does; the code is one of `REASON_CODES`.

    The image is at least 8 pixels wide and high.
    """
    rows, columns = blocks.grid(image.height, image.width)
    luma = image.luma[: blocks.SIZE * rows, : blocks.SIZE * columns]
    contrast = _contrast(luma)
    uniform = float((contrast == 0).mean())
    if uniform > MAX_UNIFORM:
        return CodedMessage(
            "not_a_photograph",
            f"{uniform:.0%} of the image's blocks are uniform, as in "
            "drawings, screenshots and blank images; the method applies to photographs",
        )
    if (contrast >= STROKE_CONTRAST).mean() > MAX_STROKES and (
        background := _background(luma)
    ) > MAX_BACKGROUND:
        return CodedMessage(
            "not_a_photograph",
            f"{background:.0%} of the image is a nearly uniform background with strokes on it, "
            "as in documents, screenshots and drawings; the method applies to photographs",
        )
    if _correlation(luma) < MIN_CORRELATION:
        return CodedMessage(
            "noise",
            "neighbouring pixels are almost uncorrelated, so this is not a photograph",
        )
    if image.jpeg is None and _has_palette(image.pixels):
        return CodedMessage(
            "few_colours",
            f"the image has at most {MAX_COLOURS} colours; reducing a photograph to "
            "a palette removes the traces that the method reads",
        )
    return None


def _contrast(luma: np.ndarray) -> np.ndarray:
    """Return the contrast of each block, highest less lowest tone, uint8[rows, columns]."""
    rows, columns = blocks.grid(*luma.shape)
    across = luma.reshape(rows, blocks.SIZE, blocks.SIZE * columns)
    highest = across.max(1).reshape(rows, columns, blocks.SIZE).max(2)
    lowest = across.min(1).reshape(rows, columns, blocks.SIZE).min(2)
    return highest - lowest


def _background(luma: np.ndarray) -> float:
    """Return the largest share of pixels within `BACKGROUND_TONES` neighbouring tones."""
    shares = np.bincount(luma.ravel(), minlength=256) / luma.size
    return float(np.convolve(shares, np.ones(BACKGROUND_TONES), "valid").max())


def _has_palette(pixels: np.ndarray) -> bool:
    step = max(1, math.isqrt(pixels.shape[0] * pixels.shape[1] // _COLOUR_SAMPLE))
    sample = pixels[::step, ::step].astype(np.uint32)
    red, green, blue = sample[..., 0], sample[..., 1], sample[..., 2]
    if np.array_equal(red, green) and np.array_equal(green, blue):
        return False
    return len(np.unique(red << 16 | green << 8 | blue)) <= MAX_COLOURS


def _correlation(luma: np.ndarray) -> float:
    """Return the correlation of pixels with their right and lower neighbours, every fourth row."""
    rows = luma[: len(luma) // 4 * 4 : 4].astype(np.float32)
    below = luma[1 : len(luma) // 4 * 4 : 4].astype(np.float32)
    deviation = rows.var()
    if deviation == 0:
        return 1.0
    steps = ((rows[:, 1:] - rows[:, :-1]) ** 2).mean() + ((below - rows) ** 2).mean()
    return float(1 - steps / (4 * deviation))
