"""Whether the method applies to an image: whether it is a photograph with content.

The detector reads traces of cameras, JPEG saves and editing. Drawings, screenshots, documents,
blank images and pure noise carry none, a palette removes them, and a probability for such an image
would mean nothing. What is blank, noise or a palette is told by facts; whether the rest is a
photograph, by a classifier that comes with the detector. A detector without one judges all of it.
"""

import math
from dataclasses import dataclass

import numpy as np

from forgery_pyfunc.contract import CodedMessage
from forgery_pyfunc.imaging.decoding import DecodedImage
from forgery_pyfunc.imaging.guards import MAX_FRAMES_COUNTED
from forgery_pyfunc.photograph_classifier import PhotographClassifier
from forgery_pyfunc.picture_statistics import Sample, statistics

BLANK_TONES = 3
"""An image whose tones differ by less is blank."""
MAX_COLOURS = 256
"""Colours that a palette can hold; grey images are not counted."""
MIN_CORRELATION = 0.3
"""Correlation of neighbouring pixels' brightness below which an image is noise."""
UNTESTED_FORMATS = ("HEIC", "AVIF")
"""Whose compression the detector has not learnt from; `benchmarks.altered` says how it errs."""
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


@dataclass(frozen=True)
class Applicability:
    """Whether the method applies to an image.

    Attributes:
        reason: why it does not, None where it does; the code is one of `REASON_CODES`.
        photograph: probability of being a photograph, None where no classifier was asked.
    """

    reason: CodedMessage | None = None
    photograph: float | None = None


def judge(image: DecodedImage, classifier: PhotographClassifier | None = None) -> Applicability:
    """Return whether the method applies to an image of at least 32×32 pixels.

    Without a classifier, drawings, screenshots and documents pass.
    """
    if image.format in UNTESTED_FORMATS:
        return _declined(
            "untested_format",
            f"the detector has not learnt from {image.format} pictures, whose compression leaves "
            "other traces: it would miss most forgeries, or call photographs forged",
        )
    if int(image.luma.max()) - int(image.luma.min()) < BLANK_TONES:
        return _declined(
            "not_a_photograph", "the image is blank; the method applies to photographs"
        )
    sample = Sample.of(image)
    if _correlation(sample.tiles) < MIN_CORRELATION:
        return _declined(
            "noise", "neighbouring pixels are almost uncorrelated, so this is not a photograph"
        )
    probability = None
    if classifier is not None:
        probability = classifier.probability(statistics(sample))
        if probability < classifier.threshold:
            return _declined(
                "not_a_photograph",
                "the image looks like a screenshot, drawing, chart or document (probability of "
                f"being a photograph {probability:.2f}); the method applies to photographs",
                probability,
            )
    if image.jpeg is None and _has_palette(image.pixels):
        return _declined(
            "few_colours",
            f"the image has at most {MAX_COLOURS} colours; reducing a photograph to "
            "a palette removes the traces that the method reads",
            probability,
        )
    return Applicability(photograph=probability)


def _declined(code: str, message: str, photograph: float | None = None) -> Applicability:
    return Applicability(CodedMessage(code, message), photograph)


def _has_palette(pixels: np.ndarray) -> bool:
    step = max(1, math.isqrt(pixels.shape[0] * pixels.shape[1] // _COLOUR_SAMPLE))
    sample = pixels[::step, ::step].astype(np.uint32)
    red, green, blue = sample[..., 0], sample[..., 1], sample[..., 2]
    if np.array_equal(red, green) and np.array_equal(green, blue):
        return False
    return len(np.unique(red << 16 | green << 8 | blue)) <= MAX_COLOURS


def _correlation(tiles: np.ndarray) -> float:
    """Return the correlation of pixels with their right and lower neighbours, uint8[n, h, w]."""
    levels = tiles.astype(np.float32)
    deviation = levels.var()
    if deviation == 0:
        return 1.0
    steps = (np.diff(levels, axis=2) ** 2).mean() + (np.diff(levels, axis=1) ** 2).mean()
    return float(1 - steps / (4 * deviation))
