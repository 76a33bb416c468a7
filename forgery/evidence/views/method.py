"""What every evidence view consists of."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from forgery_pyfunc.imaging.decoding import DecodedImage, oriented

ELA_QUALITY = 90
"""Quality of the save behind the error levels, unless another is asked for."""


@dataclass(frozen=True, eq=False)
class Picture:
    """The picture that a view is drawn of, and what the viewer may choose."""

    image: DecodedImage
    ela_quality: int = ELA_QUALITY

    def upright(self, array: np.ndarray) -> np.ndarray:
        """Return an array [H, W, …] the way a viewer shows the picture."""
        return np.ascontiguousarray(oriented(array, self.image.orientation))


@dataclass(frozen=True, eq=False)
class Drawing:
    """One view of one picture: uint8[H, W] or [H, W, 3], and a remark on what it shows."""

    pixels: np.ndarray
    remark: str = ""


@dataclass(frozen=True)
class ViewMethod:
    """How a view is drawn, and how to read it.

    `draw` returns None for a picture that is too small for the method.
    """

    title: str
    explanation: str
    draw: Callable[[Picture], Drawing | None]
