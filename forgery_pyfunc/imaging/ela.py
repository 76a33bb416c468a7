"""Error level analysis: the one implementation over pixels."""

import io

import numpy as np
from PIL.JpegImagePlugin import JpegImageFile

from forgery_pyfunc.imaging.jpeg_encoder import LARGEST_SIDE, encode

_PART = 32768


def error_levels(pixels: np.ndarray, quality: int = 90) -> np.ndarray:
    """Return uint8[H, W, 3], the absolute difference between an image and its JPEG save.

    The save is 4:2:0 with the standard tables at `quality`. Not stretched: a bright error level in
    one image means the same in another.

    Args:
        pixels: uint8[H, W, 3], RGB.
        quality: IJG quality 1 … 100.

    Raises:
        ValueError: a parameter is outside what is allowed.

    Source: N. Krawetz, *A Picture's Worth: Digital Image Analysis and Forensics*, Black Hat 2007.
    """
    if pixels.ndim != 3:
        raise ValueError(f"pixels: got {pixels.dtype}{list(pixels.shape)}, allowed: uint8[H, W, 3]")
    for axis in (0, 1):
        if pixels.shape[axis] > LARGEST_SIDE:  # Parts of whole 16×16 units are saved alike.
            parts = np.split(pixels, range(_PART, pixels.shape[axis], _PART), axis)
            return np.concatenate([error_levels(part, quality) for part in parts], axis)
    saved = np.asarray(JpegImageFile(io.BytesIO(encode(pixels, quality))))
    return np.maximum(pixels, saved) - np.minimum(pixels, saved)
