"""Noise: what a smoothing filter takes away."""

import numpy as np
from PIL import Image, ImageFilter

from forgery.evidence.views.method import Drawing, Picture, ViewMethod
from forgery_pyfunc.imaging.decoding import DecodedImage

_GAIN = 8


def noise_residual(image: DecodedImage) -> np.ndarray:
    """Return uint8[H, W]: the luma minus its 3×3 median, amplified 8 times around 128.

    In the stored orientation. Source: Mahdian & Saic, *Using noise inconsistencies for blind image
    forensics*, Image and Vision Computing 2009 (there with a wavelet filter).
    """
    smooth = np.asarray(Image.fromarray(image.luma).filter(ImageFilter.MedianFilter(3)))
    noise = image.luma.astype(np.int16)
    noise -= smooth
    noise *= _GAIN
    noise += 128
    return np.clip(noise, 0, 255, out=noise).astype(np.uint8)


def draw(picture: Picture) -> Drawing:
    """Return the noise residual."""
    return Drawing(picture.upright(noise_residual(picture.image)))


VIEW = ViewMethod(
    "Noise",
    "The fine grain that a smoothing filter removes. Look for areas whose grain is coarser, "
    "finer or missing.",
    draw,
)
