"""Family "dct": the quantised coefficients as the file holds them, and the steps they were cut by.

40 channels: `level.F`, the level (coefficient over step, a whole number from -5 to 5) of the F-th
frequency in zigzag order, 1 … 20; and `step.F`, the base-2 logarithm of its quantisation step less
3, the same at every block. A network turns the levels into one-hot form and takes the steps as the
condition under which to read them (Kwon et al., *CAT-Net*, WACV 2021; much smaller here).

Levels are found by transforming the decoded luma again, which is exact but for clipped pixels and
steps of 1. What the steps are of an image without a table (PNG, TIFF, …): see `quantisation`.
"""

import numpy as np

from forgery_pyfunc.features import blocks, quantisation
from forgery_pyfunc.features.family import Family
from forgery_pyfunc.imaging.decoding import DecodedImage
from forgery_pyfunc.imaging.jpeg_header import ZIGZAG

FREQUENCIES = 20
CLIP = 5
CHANNELS = [f"{of}.{f}" for of in ("level", "step") for f in range(1, FREQUENCIES + 1)]

_PLACES = ZIGZAG[1 : FREQUENCIES + 1]


def extract(image: DecodedImage) -> np.ndarray:
    """Return float32[H // 8, W // 8, 40], the channels named in `CHANNELS`, tile by tile."""
    steps = quantisation.luma_table(image).ravel()[_PLACES].astype(np.float32)
    rows, columns = blocks.grid(image.height, image.width)
    features = np.empty((rows, columns, len(CHANNELS)), np.float32)
    features[..., FREQUENCIES:] = np.log2(steps) - 3
    for down, across in blocks.tiles(rows, columns):
        luma = image.luma[blocks.in_pixels(down), blocks.in_pixels(across)]
        coefficients = blocks.dct(luma)[:, _PLACES]
        levels = np.clip(np.rint(coefficients / steps), -CLIP, CLIP)
        here = features[down, across]
        here[..., :FREQUENCIES] = levels.reshape(*here.shape[:2], -1)
    return features


def _mirrored(channel: str, axis: int) -> tuple[str, int]:
    """Return the channel; a DCT coefficient of odd frequency changes its sign."""
    kind, _, place = channel.rpartition(".")
    frequency = divmod(int(ZIGZAG[int(place)]), blocks.SIZE)[axis]
    return channel, -1 if kind == "level" and frequency % 2 else 1


PAPER = (
    "M.-J. Kwon, I.-J. Yu, S.-H. Nam & H.-K. Lee, CAT-Net: Compression Artifact Tracing "
    "Network for Detection and Localization of Image Splicing, WACV 2021"
)
FAMILY = Family("dct", tuple(CHANNELS), extract, PAPER, mirror=_mirrored)
