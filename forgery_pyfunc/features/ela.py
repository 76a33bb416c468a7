"""Family "ela": the input of the field's usual ELA network, and of no other."""

import numpy as np
from PIL import Image

from forgery_pyfunc.features.family import Family
from forgery_pyfunc.imaging.decoding import DecodedImage
from forgery_pyfunc.imaging.ela import error_levels

SIZE = 128
QUALITY = 90
CHANNELS = ["ela.red", "ela.green", "ela.blue"]


def extract(image: DecodedImage) -> np.ndarray:
    """Return float32[128, 128, 3], pixel ELA at quality 90, resized as usual, 32 levels being 1.

    The usual way stretches every image to its own maximum; this does not.
    """
    levels = Image.fromarray(error_levels(image.pixels, QUALITY))
    return np.asarray(levels.resize((SIZE, SIZE), Image.Resampling.BILINEAR), np.float32) / 32


PAPER = "N. Krawetz, A Picture's Worth: Digital Image Analysis and Forensics, Black Hat 2007"
FAMILY = Family("ela", tuple(CHANNELS), extract, PAPER, mirror=None, side=SIZE)
