"""Whether an image is one that the method can speak about: a photograph with something in it.

The detector reads what cameras, JPEG saves and editing leave behind. A drawing, a screenshot, one
tone or pure noise hold none of it, and a probability of such an image would mean nothing. Of
1,100 photographs and CASIA images looked at, as they are and saved again at quality 50, the limits
leave out an all-black one and two at quality 50.
"""

import numpy as np

from forgery_pyfunc.decoding import DecodedImage
from forgery_pyfunc.features import blocks

MOST_ONE_TONE = 0.7
"""Share of 8×8 blocks of exactly one tone from which an image is no photograph, or an empty one."""
LEAST_LIKENESS = 0.3
"""Correlation of neighbouring pixels' brightness below which an image is noise."""


def reason_against(image: DecodedImage) -> str | None:
    """Return why the method does not apply, as "code: sentence", or None where it does.

    The image is at least 8 pixels wide and high.
    """
    rows, columns = blocks.grid(image.height, image.width)
    luma = image.luma[: 8 * rows, : 8 * columns]
    share = _share_of_one_tone(luma)
    if share > MOST_ONE_TONE:
        return (
            f"not_a_photograph: {share:.0%} of the image's blocks are of one tone, as in drawings, "
            "screenshots and empty pictures; the method speaks about photographs"
        )
    if _likeness(luma) < LEAST_LIKENESS:
        return "noise: neighbouring pixels have little in common, so this is no photograph"
    return None


def _share_of_one_tone(luma: np.ndarray) -> float:
    rows, columns = blocks.grid(*luma.shape)
    across = luma.reshape(rows, 8, 8 * columns)
    highest = across.max(1).reshape(rows, columns, 8).max(2)
    lowest = across.min(1).reshape(rows, columns, 8).min(2)
    return float((highest == lowest).mean())


def _likeness(luma: np.ndarray) -> float:
    """Correlation of pixels with their right and lower neighbours, from every fourth row."""
    some = luma[: len(luma) // 4 * 4 : 4].astype(np.float32)
    below = luma[1 : len(luma) // 4 * 4 : 4].astype(np.float32)
    deviation = some.var()
    if deviation == 0:
        return 1.0
    steps = ((some[:, 1:] - some[:, :-1]) ** 2).mean() + ((below - some) ** 2).mean()
    return float(1 - steps / (4 * deviation))
