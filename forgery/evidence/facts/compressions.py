"""How many times an image was saved as JPEG."""

from dataclasses import dataclass

import numpy as np

from forgery.evidence.views.block_grid import block_grid
from forgery_pyfunc.explaining.saves import Levels
from forgery_pyfunc.features import SMALLEST_SIDE, blocks, quantisation
from forgery_pyfunc.imaging.decoding import DecodedImage


@dataclass(frozen=True)
class Compressions:
    """How many JPEG saves are suspected: at least `count`, None when it cannot be told.

    `earlier_quality`: IJG quality that is nearest to the earlier save.
    """

    count: int | None
    earlier_quality: int | None
    explanation: str


def compressions(image: DecodedImage) -> Compressions:
    """Return how many JPEG saves are suspected, by what an earlier one leaves among the levels.

    See `forgery_pyfunc.explaining.saves`. It finds no earlier save of about the same or higher
    quality, or on a displaced grid.
    """
    if min(image.height, image.width) < SMALLEST_SIDE:
        return Compressions(None, None, "The image is too small to tell.")
    if image.jpeg is None or not quantisation.has_luma_table(image):
        return _without_tables(image)
    levels = Levels.of(image, np.ones(blocks.grid(image.height, image.width), bool))
    if levels is None or levels.nearly_all_zero:
        return Compressions(None, None, "The image is too plain or too coarse to tell.")
    save = levels.earlier_save()
    if save is None:
        return Compressions(1, None, "One save: the coefficients show no earlier one.")
    return Compressions(
        2,
        save.quality,
        "At least two saves: the coefficients show an earlier one at about quality "
        f"{save.quality}.",
    )


def _without_tables(image: DecodedImage) -> Compressions:
    if block_grid(image).offset is None:
        return Compressions(
            0, None, "Not a JPEG file, and the pixels show no trace of a JPEG save."
        )
    return Compressions(
        1, None, "Not a JPEG file, but the pixels show the block grid of a JPEG save."
    )
