"""Block grid: where the edges of 8×8 JPEG blocks lie, and where they lie otherwise."""

from dataclasses import dataclass

import numpy as np

from forgery.evidence import pictures
from forgery.evidence.local_means import local_means
from forgery.evidence.views.method import Drawing, Picture, ViewMethod
from forgery_pyfunc.features import SMALLEST_SIDE, blocks, residual
from forgery_pyfunc.imaging.decoding import DecodedImage

_STANDS_OUT = 0.1


@dataclass(frozen=True, eq=False)
class BlockGrid:
    """Where the edges of JPEG blocks lie.

    `rows` and `columns`: float32[8], log strength of a step at each offset from the image's origin.
    `offset`: rows and columns by which the grid is displaced, None when no grid is visible. `map`:
    uint8[H // 8, W // 8], bright where the surroundings show another grid than the whole.
    """

    rows: np.ndarray
    columns: np.ndarray
    offset: tuple[int, int] | None
    map: np.ndarray
    explanation: str


def block_grid(image: DecodedImage) -> BlockGrid:
    """Return where the 8×8 grid of a JPEG save is visible, by the steps at each of eight offsets.

    Source: Li, Yuan & Yu, *Passive detection of doctored JPEG image via block artifact grid
    extraction*, Signal Processing 2009; the steps are those of the feature family "residual".
    """
    rows, columns = blocks.grid(image.height, image.width)
    if min(image.height, image.width) < SMALLEST_SIDE:
        nothing = np.zeros(8, np.float32)
        empty = np.zeros((rows, columns), np.uint8)
        return BlockGrid(nothing, nothing, None, empty, "The image is too small to tell.")
    of_columns, of_rows = residual.grid_steps(image.luma)
    row_strength, column_strength = of_rows.mean((0, 1)), of_columns.mean((0, 1))
    if not (_stands_out(row_strength) and _stands_out(column_strength)):
        empty = np.zeros((rows, columns), np.uint8)
        explanation = "No grid of JPEG blocks is visible in the image as a whole."
        return BlockGrid(row_strength, column_strength, None, empty, explanation)
    offset = int(row_strength.argmax()), int(column_strength.argmax())
    other = np.zeros((rows, columns), np.float32)
    for local, place in ((of_rows, offset[0]), (of_columns, offset[1])):
        smooth = np.stack([local_means(local[..., k], 3) for k in range(8)], 2)
        other += np.delete(smooth, place, 2).max(2) - smooth[..., place]
    bright = np.clip(128 * other, 0, 255).astype(np.uint8)
    return BlockGrid(row_strength, column_strength, offset, bright, _explanation(offset))


def draw(picture: Picture) -> Drawing | None:
    """Return the map of another grid than the whole image's."""
    if min(picture.image.luma.shape) < SMALLEST_SIDE:
        return None
    grid = block_grid(picture.image)
    return Drawing(pictures.enlarged(picture.upright(grid.map), blocks.SIZE), grid.explanation)


def _explanation(offset: tuple[int, int]) -> str:
    if offset == (0, 0):
        return (
            "The grid of JPEG blocks starts at the image's corner, as after a plain save; bright "
            "parts show a different grid."
        )
    return (
        f"The grid of JPEG blocks is displaced by {offset[0]} rows and {offset[1]} columns: "
        "the image was cropped or moved after a JPEG save."
    )


def _stands_out(strength: np.ndarray) -> bool:
    """Return whether the strongest offset leads all but its neighbours, which a grid lifts too."""
    turned = np.roll(strength, -int(strength.argmax()))
    return bool(turned[0] - turned[2:7].max() > _STANDS_OUT and turned[0] > turned[[1, 7]].max())


VIEW = ViewMethod(
    "Block grid",
    "Bright where the 8×8 grid of JPEG blocks seems out of line with the rest: such a "
    "part may have been moved there.",
    draw,
)
