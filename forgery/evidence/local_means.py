"""Means over the surroundings of each place of a map."""

import numpy as np


def local_means(plane: np.ndarray, reach: int = 1) -> np.ndarray:
    """Return means over squares of 2 * reach + 1 places, the edge repeated."""
    padded = np.pad(plane, reach, mode="edge") if plane.size else plane
    for axis in (0, 1):
        length = padded.shape[axis] - 2 * reach
        parts = [np.take(padded, range(k, k + length), axis) for k in range(2 * reach + 1)]
        padded = np.mean(parts, 0)
    return padded
