"""Outlines of marked regions: objects by GrabCut, ellipses, boxes, and what is written."""

from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage

MARGIN = 0.2
"""Around a marked object, as a share of its sides, for GrabCut to learn the background from."""
LONGER_SIDE = 420
"""Pixels at which GrabCut works."""
ITERATIONS = 6
SEED = 1

PixelBox = tuple[int, int, int, int]


def outline(picture: np.ndarray, box: PixelBox, shape: str) -> np.ndarray:
    """Return bool[H, W] of a marked region.

    Args:
        picture: uint8[H, W, 3].
        box: left, top, right and bottom of the region, in pixels.
        shape: one of `plan.SHAPES`.
    """
    height, width = picture.shape[:2]
    left, top, right, bottom = box
    if shape == "object":
        return _object(picture, box)
    if shape == "ink":
        return _ink(picture, box)
    mask = np.zeros((height, width), bool)
    if shape == "box":
        mask[top:bottom, left:right] = True
        return mask
    y, x = np.ogrid[:height, :width]
    across = (2 * x - left - right) / (right - left)
    down = (2 * y - top - bottom) / (bottom - top)
    return across**2 + down**2 <= 1


def widened(box: PixelBox, shape: tuple[int, ...], share: float = MARGIN) -> PixelBox:
    """Return a box with a margin of a share of its sides, within a picture of that shape."""
    left, top, right, bottom = box
    across, down = round((right - left) * share), round((bottom - top) * share)
    return (max(left - across, 0), max(top - down, 0),
            min(right + across, shape[1]), min(bottom + down, shape[0]))  # fmt: skip


def _object(picture: np.ndarray, box: PixelBox) -> np.ndarray:
    left, top, right, bottom = widened(box, picture.shape)
    crop = np.ascontiguousarray(picture[top:bottom, left:right])
    scale = min(LONGER_SIDE / max(crop.shape[:2]), 1.0)
    small = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    x, y = round((box[0] - left) * scale), round((box[1] - top) * scale)
    sides = round((box[2] - box[0]) * scale), round((box[3] - box[1]) * scale)
    labels = np.zeros(small.shape[:2], np.uint8)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(SEED)
    bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
    cv2.grabCut(bgr, labels, (x, y, *sides), *models, ITERATIONS, cv2.GC_INIT_WITH_RECT)
    found = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    opened = cv2.morphologyEx(_largest(found).astype(np.uint8), cv2.MORPH_OPEN, kernel)
    filled = ndimage.binary_fill_holes(_largest(opened.astype(bool)))
    size = crop.shape[1], crop.shape[0]
    smooth = cv2.GaussianBlur(np.asarray(filled, np.float32), (0, 0), 1.0)
    mask = np.zeros(picture.shape[:2], bool)
    mask[top:bottom, left:right] = cv2.resize(smooth, size, interpolation=cv2.INTER_CUBIC) > 0.5
    return mask


def _largest(mask: np.ndarray) -> np.ndarray:
    parts, number = ndimage.label(mask)
    if number < 2:
        return mask
    sizes = np.bincount(parts.ravel())[1:]
    return np.isin(parts, 1 + np.flatnonzero(sizes > sizes.max() * 0.25))


def _ink(picture: np.ndarray, box: PixelBox) -> np.ndarray:
    """Return what differs from its surroundings in a box, slightly grown: letters, thin things."""
    left, top, right, bottom = box
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    window = max(min(right - left, bottom - top) // 2, 7) | 1
    near = grey[max(top - window, 0) : bottom + window, max(left - window, 0) : right + window]
    paper = cv2.medianBlur(near, min(window, 255))
    differs = cv2.absdiff(near, paper)
    level, _ = cv2.threshold(differs, 0, 255, cv2.THRESH_OTSU)
    mask = np.zeros(grey.shape, bool)
    y, x = max(top - window, 0), max(left - window, 0)
    mask[y : y + near.shape[0], x : x + near.shape[1]] = differs > max(level * 0.7, 10)
    reach = max(round(min(picture.shape[:2]) / 400), 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 3, 2 * reach + 3))
    mask = cv2.dilate(mask.astype(np.uint8), kernel).astype(bool)
    inside = np.zeros_like(mask)
    inside[top:bottom, left:right] = True
    return mask & inside
