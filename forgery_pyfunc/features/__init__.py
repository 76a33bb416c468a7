"""Features of a decoded image, by family. To add a family: a module, and its line in `FAMILIES`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from forgery_pyfunc.features import copymove, dct, double_jpeg, ela, residual
from forgery_pyfunc.imaging.decoding import DecodedImage

SMALLEST_SIDE = 64


@dataclass(frozen=True)
class Family:
    """Names of the channels, and the function that gives them as float32[h, w, channels].

    A family `on_blocks` has one row and column per 8×8 block and can stand beside others.
    """

    channels: tuple[str, ...]
    extract: Callable[[DecodedImage], np.ndarray]
    on_blocks: bool = True


FAMILIES = {
    "residual": Family(tuple(residual.CHANNELS), residual.extract),
    "copymove": Family(tuple(copymove.CHANNELS), copymove.extract),
    "dct": Family(tuple(dct.CHANNELS), dct.extract),
    "double_jpeg": Family(tuple(double_jpeg.CHANNELS), double_jpeg.extract),
    "ela": Family(tuple(ela.CHANNELS), ela.extract, on_blocks=False),
}


def extract(image: DecodedImage, families: Sequence[str]) -> np.ndarray:
    """float32[h, w, C]: the channels of the families, in their order; finite, mostly within ±8.

    h = H // 8 and w = W // 8 for families on blocks; the remainder at the right and bottom edge is
    left out. "ela" is 128 × 128 and stands alone.

    Raises:
        ValueError: an unknown or repeated family, "ela" beside another, or an image with a side
            below 64.
    """
    _check(families)
    if min(image.height, image.width) < SMALLEST_SIDE:
        raise ValueError(
            f"image: got {image.width} × {image.height}, "
            f"both sides must be at least {SMALLEST_SIDE}"
        )
    return np.concatenate([FAMILIES[name].extract(image) for name in families], axis=2)


def channels(families: Sequence[str]) -> list[str]:
    """Names of the channels that `extract` gives, "family:channel", in order."""
    _check(families)
    return [f"{name}:{channel}" for name in families for channel in FAMILIES[name].channels]


def _check(families: Sequence[str]) -> None:
    for name in families:
        if name not in FAMILIES:
            raise ValueError(f"families: got {name!r}, allowed are {', '.join(FAMILIES)}")
    if not families or len(set(families)) < len(families):
        raise ValueError(f"families: got {list(families)}, allowed is each name once")
    if len(families) > 1 and not all(FAMILIES[name].on_blocks for name in families):
        raise ValueError(f"families: got {list(families)}, 'ela' must stand alone")
