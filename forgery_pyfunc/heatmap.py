"""The heat map: block probabilities as a picture of the image's size."""

import io

import numpy as np
from PIL import Image

from forgery_pyfunc.features import blocks


def render(probabilities: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return uint8[height, width], 0 … 255, from block probabilities float[h, w] in [0, 1].

    Cells grow smoothly (bilinear) to 8 × 8 pixels. Pixels right of and below the last whole
    block have no cell of their own and repeat the nearest one.
    """
    rows, columns = probabilities.shape
    covered = Image.fromarray(probabilities.astype(np.float32)).resize(
        (columns * blocks.SIZE, rows * blocks.SIZE), Image.Resampling.BILINEAR
    )
    levels = np.rint(np.asarray(covered) * 255).astype(np.uint8)
    below, right = max(height - levels.shape[0], 0), max(width - levels.shape[1], 0)
    return np.pad(levels, ((0, below), (0, right)), mode="edge")[:height, :width]


def to_png(levels: np.ndarray) -> bytes:
    """Return the bytes of a grey PNG with the levels uint8[H, W]."""
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
