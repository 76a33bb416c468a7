"""Features of a decoded image, by family. To add one: a module with a `FAMILY`, and it here."""

from collections.abc import Sequence

import numpy as np

from forgery_pyfunc.features import copymove, dct, double_jpeg, ela, residual
from forgery_pyfunc.features.one_thread import ONE_THREAD
from forgery_pyfunc.imaging.decoding import DecodedImage

SMALLEST_SIDE = 64
"""Pixels on a side that an image needs for its features to mean anything."""


FAMILIES = {
    family.name: family
    for family in (residual.FAMILY, copymove.FAMILY, dct.FAMILY, double_jpeg.FAMILY, ela.FAMILY)
}


def extract(image: DecodedImage, families: Sequence[str]) -> np.ndarray:
    """Return float32[h, w, C], the families' channels in their order; finite, mostly within ±8.

    h = H // 8 and w = W // 8 for families on blocks; the remainder at the right and bottom edge is
    left out. A family of a fixed size, "ela", stands alone. The number of cores changes nothing.

    Raises:
        ValueError: an unknown or repeated family, one of a fixed size beside another, or an image
            with a side below `SMALLEST_SIDE`.
    """
    _check(families)
    if min(image.height, image.width) < SMALLEST_SIDE:
        raise ValueError(
            f"image: got {image.width} × {image.height}, "
            f"both sides must be at least {SMALLEST_SIDE}"
        )
    with ONE_THREAD:
        return np.concatenate([FAMILIES[name].extract(image) for name in families], axis=2)


def channels(families: Sequence[str]) -> list[str]:
    """Return the names of the channels that `extract` gives, "family:channel", in order."""
    _check(families)
    return [f"{name}:{channel}" for name in families for channel in FAMILIES[name].channels]


def _check(families: Sequence[str]) -> None:
    for name in families:
        if name not in FAMILIES:
            raise ValueError(f"families: got {name!r}, allowed: {', '.join(FAMILIES)}")
    if not families or len(set(families)) < len(families):
        raise ValueError(f"families: got {list(families)}, each name may appear only once")
    alone = [name for name in families if not FAMILIES[name].on_blocks]
    if alone and len(families) > 1:
        raise ValueError(f"families: got {list(families)}, {alone[0]!r} must be the only one")
