"""How much a forgery stands out at a glance, so that the least salient of several can be kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

_VIEW = 384
"""Longest side, in pixels, at which a glance sees the picture."""
_REACH = 3.0
"""Standard deviation, in pixels of that view, of what is compared on both sides of the outline."""
_LEAST_CHANGE = 12.0
"""Levels by which a forgery changes a picture on average, at least, to be worth making."""


def salience(host: NDArray[np.uint8], forged: NDArray[np.uint8], mask: NDArray[np.bool_]) -> float:
    """Return how far colour and fine detail jump at the outline, in levels; more for a large part.

    A picture that hardly changed counts as salient, too: it is no forgery to learn from.

    Args:
        host: uint8[H, W, 3], the picture before.
        forged: uint8[H, W, 3], and after.
        mask: bool[H, W], where it was forged.
    """
    before, after = _seen(host), _seen(forged)
    inside = np.asarray(Image.fromarray(mask).convert("L").resize(after.shape[1::-1])) > 127
    if not inside.any() or inside.all():
        return float("inf")
    seam = ndimage.binary_dilation(inside) & ~ndimage.binary_erosion(inside, border_value=1)
    colour = _jump(after, inside)[seam].mean()
    smooth = ndimage.gaussian_filter(after, (1.5, 1.5, 0))
    detail = _jump(np.abs(after - smooth), inside)[seam].mean()
    change = np.abs(after - before)[inside].mean()
    jump = colour + 3.0 * detail + 2.0 * max(0.0, _LEAST_CHANGE - change)
    return float(jump * (1.0 + 3.0 * inside.mean()))


def _seen(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the picture at the size of a glance, float32[h, w, 3]."""
    image = Image.fromarray(picture)
    image.thumbnail((_VIEW, _VIEW), Image.Resampling.BOX)
    return np.asarray(image, np.float32)


def _jump(values: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Difference, float32[h, w], of the means of the near pixels inside and outside."""
    sides = []
    for side in (inside, ~inside):
        weight = ndimage.gaussian_filter(side.astype(np.float32), _REACH)
        total = ndimage.gaussian_filter(values * side[..., None], (_REACH, _REACH, 0))
        sides.append(total / np.maximum(weight, 1e-3)[..., None])
    return np.abs(sides[0] - sides[1]).mean(axis=2)
