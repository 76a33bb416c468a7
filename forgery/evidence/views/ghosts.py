"""JPEG ghosts: the distance of each part to a re-save at each of many qualities."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forgery.evidence import pictures
from forgery.evidence.local_means import local_means
from forgery.evidence.views.method import Drawing, Picture, ViewMethod
from forgery_pyfunc.features import SMALLEST_SIDE, blocks
from forgery_pyfunc.imaging.decoding import DecodedImage
from forgery_pyfunc.imaging.jpeg_header import standard_table

QUALITIES = tuple(range(55, 100, 5))


@dataclass(frozen=True, eq=False)
class Ghosts:
    """How far the image is from itself saved at each quality.

    `curve`: float32[Q], root mean square difference in grey levels. `maps`: uint8[Q, H // 8,
    W // 8], 0 where a block is nearest to that quality, 255 where farthest. `minima`: qualities at
    which the curve dips; one below the file's own hints at an earlier save.
    """

    qualities: tuple[int, ...]
    curve: np.ndarray
    maps: np.ndarray
    minima: tuple[int, ...]


def jpeg_ghosts(image: DecodedImage, qualities: Sequence[int] = QUALITIES) -> Ghosts:
    """Return the difference between the luma and its quantisation with the table of each quality.

    The tables are those of the IJG. Equal by Parseval to the difference of the saved pixels but for
    rounding; averaged over 3×3 blocks. Source: Farid, *Exposing digital forgeries from JPEG
    ghosts*, IEEE TIFS 2009.

    Raises:
        ValueError: a quality outside 1 … 100.
    """
    rows, columns = blocks.grid(image.height, image.width)
    errors = np.zeros((len(qualities), rows, columns), np.float32)
    tables = [standard_table(quality).ravel().astype(np.float32) for quality in qualities]
    for down, across in blocks.tiles(rows, columns):
        luma = image.luma[blocks.in_pixels(down), blocks.in_pixels(across)]
        coefficients = blocks.dct(luma.astype(np.float32) - 128)
        for index, table in enumerate(tables):
            error = coefficients - np.rint(coefficients / table) * table
            here = errors[index, down, across]
            here[...] = (error**2).mean(1).reshape(here.shape)
    curve = np.sqrt(errors.mean((1, 2))) if errors.size else np.zeros(len(qualities), np.float32)
    errors = np.stack([local_means(error) for error in errors])
    least, most = errors.min(0), errors.max(0)
    maps = 255 * (errors - least) / np.maximum(most - least, 1e-6)
    minima = tuple(
        qualities[i]
        for i in range(1, len(curve) - 1)
        if curve[i] < 0.95 * min(curve[i - 1], curve[i + 1])
    )
    return Ghosts(tuple(qualities), curve, maps.astype(np.uint8), minima)


def draw(picture: Picture) -> Drawing | None:
    """Return the maps of all qualities on one sheet."""
    if min(picture.image.luma.shape) < SMALLEST_SIDE:
        return None
    ghosts = jpeg_ghosts(picture.image)
    maps = [picture.upright(cells) for cells in ghosts.maps]
    labels = [str(quality) for quality in ghosts.qualities]
    return Drawing(pictures.contact_sheet(maps, labels, blocks.SIZE), _remark(ghosts.minima))


def _remark(minima: Sequence[int]) -> str:
    if not minima:
        return ""
    qualities = " and ".join(filter(None, (", ".join(map(str, minima[:-1])), str(minima[-1]))))
    noun = "quality" if len(minima) == 1 else "qualities"
    return f"The whole image matches a re-save at {noun} {qualities}: a hint of an earlier save."


VIEW = ViewMethod(
    "JPEG ghosts",
    "The difference between the picture and its re-save at each of nine qualities. A part that is "
    "dark at a different quality from the rest was previously saved at that quality.",
    draw,
)
