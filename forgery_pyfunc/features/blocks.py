"""Arithmetic on 8×8 blocks that the feature families share: layout, DCT, sums, tiles."""

from collections.abc import Iterator

import numpy as np

SIZE = 8
"""Pixels on a side of a JPEG block, and so of a cell of features and heat map."""

# Block rows and columns of a tile: small enough for the cache, even so that 4:2:0 chroma fits.
TILE_ROWS = 16
TILE_COLUMNS = 128


def dct_matrix(size: int) -> np.ndarray:
    """Return float64[size, size], the orthonormal DCT-II; row k holds frequency k."""
    frequency, place = np.mgrid[:size, :size]
    matrix = np.cos(np.pi * frequency * (2 * place + 1) / (2 * size)) * np.sqrt(2 / size)
    matrix[0] = np.sqrt(1 / size)
    return matrix


# A block, row by row, times this is its two-dimensional DCT, row by row.
_BLOCK_DCT = np.kron(dct_matrix(SIZE), dct_matrix(SIZE)).T.astype(np.float32)
_ONES = np.ones((SIZE, 1), np.float32)


def grid(height: int, width: int) -> tuple[int, int]:
    """Return the number of whole blocks down and across an image, counted from its origin."""
    return height // SIZE, width // SIZE


def tiles(rows: int, columns: int) -> Iterator[tuple[slice, slice]]:
    """Yield slices of block rows and columns that cover a map of `rows` × `columns` blocks."""
    for top in range(0, rows, TILE_ROWS):
        for left in range(0, columns, TILE_COLUMNS):
            yield (
                slice(top, min(top + TILE_ROWS, rows)),
                slice(left, min(left + TILE_COLUMNS, columns)),
            )


def in_pixels(blocks: slice, before: int = 0, after: int = 0) -> slice:
    """Return the pixels of a slice of blocks, `before` and `after` more on its sides."""
    return slice(SIZE * blocks.start - before, SIZE * blocks.stop + after)


def dct(plane: np.ndarray) -> np.ndarray:
    """Return float32[h * w, 64], orthonormal DCT of the blocks of a plane [8h, 8w], row by row."""
    rows, columns = grid(*plane.shape)
    blocks = np.empty((rows, columns, SIZE, SIZE), np.float32)
    blocks[...] = plane.reshape(rows, SIZE, columns, SIZE).transpose(0, 2, 1, 3)
    return blocks.reshape(-1, SIZE * SIZE) @ _BLOCK_DCT


def row_sums(plane: np.ndarray) -> np.ndarray:
    """Return float32[8h, w], sums of the eight pixels of each row of each block of [8h, 8w]."""
    rows, columns = plane.shape
    return (plane.reshape(-1, SIZE) @ _ONES).reshape(rows, columns // SIZE)


def column_sums(plane: np.ndarray) -> np.ndarray:
    """Return float32[h, 8w], sums of the eight pixels of each column of each block of [8h, 8w]."""
    rows, columns = plane.shape
    return plane.reshape(rows // SIZE, SIZE, columns).sum(1)


def means(plane: np.ndarray) -> np.ndarray:
    """Return float32[h, w], the mean of each block of a plane [8h, 8w]."""
    return row_sums(column_sums(plane)) / (SIZE * SIZE)


def maxima(plane: np.ndarray) -> np.ndarray:
    """Return float32[h, w], the maximum of each block of a plane [8h, 8w]."""
    rows, columns = grid(*plane.shape)
    return plane.reshape(rows, SIZE, columns * SIZE).max(1).reshape(rows, columns, SIZE).max(2)
