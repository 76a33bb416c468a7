"""What a family of features is."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from forgery_pyfunc.imaging.decoding import DecodedImage

MirrorRule = Callable[[str, int], tuple[str, int]]
"""From the name of a channel and an axis (0 upside down, 1 left to right) to the channel of the
image before it was mirrored that takes this one's place, and the sign it gets: 1 or -1."""


@dataclass(frozen=True)
class Family:
    """A family of features, all that there is to know about it in one place.

    Attributes:
        name: as settings and detectors say it.
        channels: their names, in order.
        extract: gives them as float32[h, w, channels].
        paper: the source of the method.
        mirror: how the channels change when the image is mirrored, beside the map itself being
            mirrored; None where no rule is defined, so that training cannot mirror.
        side: rows and columns of the map, whatever the image; None for a map with one row and
            column per 8×8 block.
    """

    name: str
    channels: tuple[str, ...]
    extract: Callable[[DecodedImage], np.ndarray]
    paper: str
    mirror: MirrorRule | None
    side: int | None = None

    @property
    def on_blocks(self) -> bool:
        """Whether the map has a row and column per 8×8 block, and so can stand beside others."""
        return self.side is None


def unchanged(channel: str, axis: int) -> tuple[str, int]:
    """Return the channel itself: a mirror rule of features that no direction matters to."""
    return channel, 1
