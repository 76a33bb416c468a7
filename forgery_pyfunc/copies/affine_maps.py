"""Affine maps: float64[2, 3], from x and y of one pixel to x and y of another."""

import numpy as np
from PIL import Image

_BEYOND = 128  # grey level of what a map brings from outside of the picture


def inverted(affine: np.ndarray) -> np.ndarray:
    """Return the map back."""
    linear = np.linalg.inv(affine[:, :2])
    return np.column_stack([linear, -linear @ affine[:, 2]])


def after(later: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return the map that does one after the other."""
    linear = later[:, :2]
    return np.column_stack([linear @ first[:, :2], linear @ first[:, 2] + later[:, 2]])


def about(affine: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Return the map whose coordinates were counted from an origin, counted from 0."""
    linear = affine[:, :2]
    return np.column_stack([linear, affine[:, 2] + origin - linear @ origin])


def scale_of(affine: np.ndarray) -> float:
    """Return the factor by which lengths grow, on average over directions."""
    return float(np.sqrt(abs(np.linalg.det(affine[:, :2]))))


def in_picture(affine: np.ndarray, reduced: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Return the map in a picture of height and width `shape` for that in a reduced copy of it."""
    factors = np.array([shape[1] / reduced[1], shape[0] / reduced[0]])
    linear = affine[:, :2] * factors[:, None] / factors
    centre = factors / 2 - 0.5  # of the reduced copy's first pixel
    return np.column_stack([linear, affine[:, 2] * factors + centre - linear @ centre])


def moved(mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return bool[H, W], where the map takes a mask bool[H, W] to, within the same frame."""
    image = Image.fromarray(mask).convert("L")
    data = _coefficients(inverted(affine), np.zeros(2), np.ones(2))
    return np.asarray(image.transform(image.size, Image.Transform.AFFINE, data)) > 0


def warped(
    image: Image.Image,
    full: tuple[int, int],
    affine: np.ndarray,
    corner: np.ndarray,
    shape: tuple[int, ...],
) -> np.ndarray:
    """Return float32[h, w], what the map brings to a window, bicubic.

    Args:
        image: the picture, mode F, or a reduced copy of it.
        full: width and height of the picture itself, which the map is for.
        affine: the map.
        corner: x and y of the window.
        shape: its height and width.
    """
    data = _coefficients(inverted(affine), corner, np.array(image.size) / full)
    size = (shape[1], shape[0])
    kernel = Image.Resampling.BICUBIC
    return np.asarray(
        image.transform(size, Image.Transform.AFFINE, data, kernel, fillcolor=_BEYOND)
    )


def _coefficients(inverse: np.ndarray, corner: np.ndarray, factors: np.ndarray) -> list[float]:
    """Return Pillow's coefficients of a map from a window to a picture reduced by factors.

    Pillow counts from the corner of a pixel, so half a pixel is taken off before and added after.
    """
    linear = inverse[:, :2]
    offset = linear @ (corner - 0.5) + inverse[:, 2] + 0.5
    return (np.column_stack([linear, offset]) * factors[:, None]).ravel().tolist()
