"""Ground truth masks: read from their files, and turned into the forged fraction of each block."""

from pathlib import Path

import numpy as np
from PIL import Image

from forgery_lab.errors import DataError
from forgery_pyfunc.features import blocks


def read_mask(path: Path) -> np.ndarray:
    """Return a ground truth file as bool[H, W], true where forged (above half of white)."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L")) > 127
    except OSError as error:
        raise DataError(f"mask {path} cannot be read: {error}") from error


def block_targets(mask: np.ndarray | None, label: int, height: int, width: int) -> np.ndarray:
    """Return the forged fraction of every 8×8 block, float16[height // 8, width // 8].

    An authentic image is 0 everywhere; a forgery without a mask is NaN everywhere.
    """
    size = blocks.SIZE
    shape = (height // size, width // size)
    if label == 0:
        return np.zeros(shape, np.float16)
    if mask is None:
        return np.full(shape, np.nan, np.float16)
    inside = np.asarray(mask)[: shape[0] * size, : shape[1] * size] != 0
    return inside.reshape(shape[0], size, shape[1], size).mean((1, 3)).astype(np.float16)
