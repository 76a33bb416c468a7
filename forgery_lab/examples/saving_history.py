"""Saving histories of pairs: every save, and what happens to the whole picture in between.

Both sides of a pair go through the same history, so that it says nothing about the class.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from forgery_lab.examples.feature_store import Example
from forgery_lab.examples.histories import GRID, History
from forgery_lab.forgeries.pictures import Mask, Pixels
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.jpeg_encoder import encode
from forgery_pyfunc.imaging.jpeg_header import standard_table

UNTOUCHED = 0.12
"""Share of pairs that nobody saved after the camera or the web did: all is lossless."""
BEFORE, EDITOR, LAST = 0.9, 0.75, 0.9
"""Of the others, how often a JPEG was saved before the forger had it, by him, and in the end."""
EDITED = 0.3
"""How often the whole picture is edited, whether it was forged or not, before the editor's save."""
MOVED = {"stay": 0.5, "shift": 0.15, "reduce": 0.2, "enlarge": 0.15}
"""What happens between the editor's save and the last one, and how often."""
SCALES = {"reduce": (0.6, 0.97), "enlarge": (1.05, 2.0)}
_OWN_TABLES = 0.35
"""How often a JPEG is saved with the tables of one of the cameras instead of libjpeg's."""


@dataclass(frozen=True)
class SavingHistory:
    """What both sides of a pair go through; no history means that nothing is lost.

    Attributes:
        first: how the picture was saved before the forger had it.
        edit: seed of what is done to the whole picture, or None.
        editor: how the forger, or whoever else had it, saved it.
        moved: "stay", "shift", "reduce" or "enlarge", after that.
        shift: rows and columns, 0 … 7, cut off where the picture is shifted.
        scale: factor of both sides where it is reduced or enlarged.
        last: how the file is saved.
    """

    first: History | None
    edit: int | None
    editor: History | None
    moved: str
    shift: tuple[int, int]
    scale: float
    last: History | None

    @classmethod
    def drawn(cls, tables: tuple[History, ...], rng: np.random.Generator) -> SavingHistory:
        """Return a random saving history; camera originals lend it their `tables`."""
        if rng.random() < UNTOUCHED:
            return cls(None, None, None, "stay", (0, 0), 1.0, None)
        first, editor, last = (
            _drawn_history(tables, qualities, rng) if rng.random() < share else None
            for share, qualities in ((BEFORE, (60, 98)), (EDITOR, (65, 98)), (LAST, (60, 97)))
        )
        moved = str(rng.choice(list(MOVED), p=list(MOVED.values())))
        rows, columns = rng.integers(0, GRID, 2)
        scale = float(rng.uniform(*SCALES[moved])) if moved in SCALES else 1.0
        edit = int(rng.integers(2**32)) if rng.random() < EDITED else None
        return cls(first, edit, editor, moved, (int(rows), int(columns)), scale, last)

    def finish(self, picture: Pixels, mask: Mask | None, largest: int) -> Example:
        """Return the file, its longer side at most `largest`, and the mask moved along."""
        if self.moved == "shift":
            window = np.s_[self.shift[0] :, self.shift[1] :]
            picture, mask = picture[window], None if mask is None else mask[window]
        elif self.scale != 1.0:
            scale = min(self.scale, max(1.0, largest / max(picture.shape[:2])))
            size = tuple(max(64, round(side * scale)) for side in picture.shape[1::-1])
            picture = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))
            if mask is not None:
                mask = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
        return Example(_file(picture, self.last), mask)


def saved(picture: Pixels, history: History | None) -> Pixels:
    """Return the picture after it was saved and opened again."""
    return picture if history is None else decode(_file(picture, history)).pixels


def _file(picture: Pixels, history: History | None) -> bytes:
    if history is not None:
        return encode(picture, tables=history.tables, subsampling=history.subsampling)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _drawn_history(
    tables: tuple[History, ...], qualities: tuple[int, int], rng: np.random.Generator
) -> History:
    if tables and rng.random() < _OWN_TABLES:
        return tables[int(rng.integers(len(tables)))]
    quality = int(rng.integers(qualities[0], qualities[1] + 1))
    luma, chroma = (tuple(standard_table(quality, c).ravel().tolist()) for c in (False, True))
    return History((luma, chroma), "4:2:0" if rng.random() < 0.75 else "4:4:4")
