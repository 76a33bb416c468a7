"""Evidence that a person can look at beside a verdict: noise, JPEG ghosts, the block grid.

All functions take an image as it is stored, so that its JPEG grid is intact; `oriented` of
`decoding` turns their maps the way a viewer shows the picture.
"""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter
from PIL.JpegImagePlugin import JpegImageFile

from forgery_pyfunc.jpeg import encode

NOISE_GAIN = 12
GHOST_QUALITIES = tuple(range(40, 100, 5))
GHOST_CELL = 16
GRID_CELL = 32
_GHOST_DEPTH = 0.02
_STRONGEST_EDGE = 16
"""Grey levels: second differences above this are edges of the scene, not of blocks."""


def noise_residual(luma: np.ndarray) -> np.ndarray:
    """uint8[H, W]: what a 3×3 median takes away from the luma, times 12, around mid-grey 128.

    A pasted part often has a grain of its own: stronger, weaker, or none at all.

    Args:
        luma: uint8[H, W].
    """
    smooth = np.asarray(Image.fromarray(luma).filter(ImageFilter.MedianFilter(3)))
    residual = luma.astype(np.int16) - smooth
    return np.clip(128 + NOISE_GAIN * residual, 0, 255).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Ghosts:
    """JPEG ghosts of an image.

    Attributes:
        qualities: the qualities tried, ascending.
        errors: float64[n], mean squared difference of the luma to its save at each quality.
        best: uint8[h, w], per cell of 16×16 pixels the quality at which it changes least,
            relative to the image as a whole.
        deviation: uint8[h, w], 0 … 255, how much a cell departs from the rest of the image at the
            quality where the departure is largest.
    """

    qualities: tuple[int, ...]
    errors: np.ndarray
    best: np.ndarray
    deviation: np.ndarray

    def earlier_quality(self, last_quality: int = 100) -> int | None:
        """The quality of the clearest earlier save, None when no trace of one shows.

        An image changes less at the quality of an earlier save than at both neighbours. The last
        save leaves such a dip too, and so do the finer qualities that divide its tables: only
        qualities well below `last_quality` count.
        """
        logs = np.log(self.errors + 0.05)
        depths = np.minimum(logs[:-2], logs[2:]) - logs[1:-1]
        depths[np.asarray(self.qualities[1:-1]) > last_quality - 8] = 0
        clearest = int(depths.argmax())
        return self.qualities[clearest + 1] if depths[clearest] > _GHOST_DEPTH else None


def jpeg_ghosts(luma: np.ndarray, qualities: tuple[int, ...] = GHOST_QUALITIES) -> Ghosts:
    """The difference of an image to its own saves at many qualities, overall and per cell.

    Args:
        luma: uint8[H, W] of at least 16×16 pixels.
        qualities: at least three, ascending.

    Raises:
        ValueError: the image is smaller than a cell, or there are fewer than three qualities.

    Source: H. Farid, *Exposing Digital Forgeries from JPEG Ghosts*, IEEE TIFS 4(1), 2009.
    """
    if min(luma.shape) < GHOST_CELL or len(qualities) < 3:
        raise ValueError(
            f"luma, qualities: got {list(luma.shape)} and {len(qualities)}; needed are at least "
            f"{GHOST_CELL}×{GHOST_CELL} pixels and 3 qualities"
        )
    maps = np.stack([_cell_errors(luma, quality) for quality in qualities])
    # Rank-like normalisation: each cell against its own worst, then against the image's median.
    relative = np.log(maps + 0.5)
    relative -= relative.mean(axis=0)
    departure = relative - np.median(relative, axis=(1, 2), keepdims=True)
    strongest = np.abs(np.minimum(departure, 0)).max(axis=0)
    return Ghosts(
        qualities=qualities,
        errors=maps.mean(axis=(1, 2)),
        best=np.asarray(qualities, np.uint8)[departure.argmin(axis=0)],
        deviation=np.clip(strongest * 170, 0, 255).astype(np.uint8),
    )


def _cell_errors(luma: np.ndarray, quality: int) -> np.ndarray:
    """float32[h, w]: mean squared difference to one save, per cell."""
    saved = np.asarray(JpegImageFile(io.BytesIO(encode(luma, quality))))
    return _cell_means(np.square(luma.astype(np.float32) - saved), GHOST_CELL)


def _cell_means(values: np.ndarray, cell: int) -> np.ndarray:
    """float32[H // cell, W // cell]: means of square cells; what is left over is dropped."""
    h, w = values.shape[0] // cell, values.shape[1] // cell
    return values[: h * cell, : w * cell].reshape(h, cell, w, cell).mean(axis=(1, 3))


@dataclass(frozen=True, eq=False)
class BlockGrid:
    """Where the 8×8 grid of JPEG blocks lies.

    Attributes:
        offset: (x, y), 0 … 7, of the grid of the image as a whole; (0, 0) is that of its last save.
        strength: how much block edges stand out over other places, 0 for no visible grid.
        displaced: uint8[h, w], 0 … 255, per cell of 32×32 pixels how clearly a grid shows that
            lies elsewhere than that of the image.
    """

    offset: tuple[int, int]
    strength: float
    displaced: np.ndarray


def block_grid(luma: np.ndarray) -> BlockGrid:
    """The place of the JPEG grid in the image, and the cells where another one shows.

    Args:
        luma: uint8[H, W] of at least 32×32 pixels.

    Raises:
        ValueError: the image is smaller than a cell.

    Source: Li, Yuan, Yu, *Passive detection of doctored JPEG image via block artifact grid
    extraction*, Signal Processing 89(9), 2009.
    """
    if min(luma.shape) < GRID_CELL:
        raise ValueError(
            f"luma: got {list(luma.shape)}; needed are at least {GRID_CELL}×{GRID_CELL} pixels"
        )
    columns = _grid_profiles(luma)
    rows = _grid_profiles(luma.T).transpose(1, 0, 2)
    x, x_strength = _peak(columns.mean(axis=(0, 1)))
    y, y_strength = _peak(rows.mean(axis=(0, 1)))
    displaced = np.maximum(_elsewhere(columns, x), _elsewhere(rows, y))
    return BlockGrid(
        offset=(x, y),
        strength=(x_strength + y_strength) / 2,
        displaced=np.clip(displaced * 255, 0, 255).astype(np.uint8),
    )


def _grid_profiles(luma: np.ndarray) -> np.ndarray:
    """float32[h, w, 8]: per cell the mean step between columns, by the step's place modulo 8."""
    grey = luma.astype(np.int16)
    steps = np.zeros(luma.shape, np.float32)
    # A block edge is a step that its neighbours do not share.
    middle = np.abs(grey[:, 2:-1] - grey[:, 1:-2])
    around = np.abs(grey[:, 1:-2] - grey[:, :-3]) + np.abs(grey[:, 3:] - grey[:, 2:-1])
    steps[:, 2:-1] = np.clip(middle - around / 2, 0, _STRONGEST_EDGE)
    h, w = luma.shape[0] // GRID_CELL, luma.shape[1] // GRID_CELL
    cells = steps[: h * GRID_CELL, : w * GRID_CELL].reshape(h, GRID_CELL, w, GRID_CELL // 8, 8)
    return cells.mean(axis=(1, 3))


def _peak(profile: np.ndarray) -> tuple[int, float]:
    """The place of the highest of eight values, and by how much it exceeds their median."""
    place = int(profile.argmax())
    return place, float(profile[place] / (np.median(profile) + 0.05) - 1)


def _elsewhere(profiles: np.ndarray, place: int) -> np.ndarray:
    """float32[h, w]: how clearly another place than `place` is highest, 0 where it is not."""
    others = np.delete(profiles, place, axis=2).max(axis=2)
    floor = np.median(profiles, axis=2)
    return np.clip((others - profiles[..., place]) / (floor + 0.3) / 4, 0, 1)
