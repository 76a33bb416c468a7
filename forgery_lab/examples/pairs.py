"""Pairs to learn from: a photograph and a forgery of it that share all but the forging.

Both sides of a pair have the same crop and scale, the same saves before and after, the same end.
So nothing but the forgery tells them apart, neither headers nor the number of saves (the idea of
protocol C). Beside them stand the photographs as they are shipped, which are authentic.
"""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from forgery_lab.examples.feature_store import Example
from forgery_lab.examples.histories import GRID, History, history_of, read
from forgery_lab.forgeries import forging, retouching
from forgery_lab.forgeries.forging import Mask, Pixels, Save, sized
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.jpeg_encoder import encode
from forgery_pyfunc.imaging.jpeg_header import standard_table

UNTOUCHED = 0.12
"""Share of pairs that nobody saved after the camera or the web did: all is lossless."""
BEFORE, EDITOR, LAST = 0.9, 0.75, 0.9
"""Of the others, how often a JPEG was saved before the forger had it, by him, and in the end."""
NATIVE = 0.4
"""Share of pairs cut out of a large photograph without scaling."""
SMALL_AS_IT_IS, REDUCED = 0.2, (0.5, 0.85)
"""How often a small photograph is left as it is, and by how much it is reduced else: those of the
web were all saved at one quality, and most pairs would tell forgeries by that save alone."""
CRUDE = 0.5
"""Share of forgeries that are pasted with hard edges, as they are."""
EDITED = 0.3
"""How often the whole picture is edited, whether it was forged or not, before the editor's save."""
MOVED = {"stay": 0.5, "shift": 0.15, "reduce": 0.2, "enlarge": 0.15}
"""What happens between the editor's save and the last one, and how often."""
SCALES = {"reduce": (0.6, 0.97), "enlarge": (1.05, 2.0)}
_DONORS = 3
_OWN_TABLES = 0.35
"""How often a JPEG is saved with the tables of one of the cameras instead of libjpeg's."""


@dataclass(frozen=True)
class Plan:
    """How many examples are made of each photograph, and how large they are.

    Attributes:
        seed: of everything drawn.
        sides: longer side of the pictures, in pixels, drawn evenly in logarithm.
        places: pairs per photograph and epoch, by origin.
        draws: variants of each pair; an epoch takes one.
    """

    seed: int = 0
    sides: tuple[int, int] = (256, 1024)
    places: tuple[tuple[str, int], ...] = (("camera", 12), ("web", 1))
    draws: int = 2


@dataclass(frozen=True, eq=False)
class Pairs:
    """A source of examples for the feature store: pairs, and photographs as shipped.

    Attributes:
        photographs: as `photographs.find` gives them.
        plan: of the pairs.
    """

    photographs: pd.DataFrame
    plan: Plan

    def table(self) -> pd.DataFrame:
        """Return a row per example; `split` names the part, `kind` is "pair" or "shipped"."""
        return pd.DataFrame(self._rows)

    def example(self, number: int) -> Example:
        """Return the example of row `number`: encoded image, and mask of a forgery."""
        row = self._rows[number]
        photo = self.photographs.iloc[row["photograph"]]
        if row["kind"] == "shipped":
            return Example(read(Path(photo["path"])))
        geometry, history, lenders, forger = (
            np.random.default_rng([self.plan.seed, *row["drawn_by"], stream]) for stream in range(4)
        )
        life = Life.drawn(self._tables, history)
        picture = prepared(_pixels(photo["path"]), self.plan.sides, geometry)
        picture, mask = saved(picture, life.first), None
        if row["label"]:
            others = self._others(row["photograph"])
            kind = forging.drawn_kind(forger, with_donors=bool(others))
            donors = self._donors(others, lenders) if kind == "splice" else []
            crude = bool(forger.random() < CRUDE)
            made = forging.forge(picture, donors, kind, forger, Save(None), crude)
            picture, mask = made.pixels, made.mask
        if life.edit is not None:
            picture = retouching.edited(picture, life.edit)
        largest = min(max(photo["width"], photo["height"]), self.plan.sides[1])
        return life.ended(saved(picture, life.editor), mask, largest)

    def settings(self) -> dict[str, Any]:
        """Return what identifies photographs and plan, and the code that forges."""
        code = [
            hashlib.sha256(Path(str(module)).read_bytes()).hexdigest()
            for module in (__file__, retouching.__file__, forging.__file__)
        ]
        known = self.photographs[["sha256", "part"]].to_numpy().tolist()
        return {"photographs": known, "plan": asdict(self.plan), "code": code}

    @functools.cached_property
    def _rows(self) -> list[dict[str, Any]]:
        places = dict(self.plan.places)
        rows: list[dict[str, Any]] = []
        for number, photo in enumerate(self.photographs.to_dict("records")):
            common = {
                "photograph": number,
                "group": photo["sha256"],
                "split": f"part {photo['part']}",
                "origin": photo["origin"],
            }
            size = {"width": photo["width"], "height": photo["height"]}
            rows.append({**common, **size, "id": photo["sha256"], "kind": "shipped", "label": 0,
                         "draw": 0, "drawn_by": ()})  # fmt: skip
            scale = min(1.0, self.plan.sides[1] / max(size.values()))
            size = {side: int(np.ceil(length * scale)) for side, length in size.items()}
            rows += [
                {
                    **common,
                    **size,
                    "id": f"{photo['sha256']}.{place}.{label}",
                    "kind": "pair",
                    "label": label,
                    "draw": draw,
                    "drawn_by": (int(photo["sha256"][:12], 16), place, draw),
                }
                for place in range(places[photo["origin"]])
                for draw in range(self.plan.draws)
                for label in (0, 1)
            ]
        return rows

    @functools.cached_property
    def _tables(self) -> tuple[History, ...]:
        """How the camera originals were saved."""
        paths = self.photographs.loc[self.photographs["origin"] == "camera", "path"]
        found = (history_of(read(Path(path))) for path in paths)
        return tuple(history for history in found if history is not None)

    def _others(self, host: int) -> list[str]:
        """Other photographs of the same part, so that what is held out lends nothing."""
        same = self.photographs["part"] == self.photographs["part"].iloc[host]
        same.iloc[host] = False
        return self.photographs.loc[same, "path"].to_list()

    def _donors(self, others: Sequence[str], rng: np.random.Generator) -> list[Pixels]:
        chosen = rng.integers(len(others), size=_DONORS)
        return [prepared(_pixels(others[one]), self.plan.sides, rng) for one in chosen]


@dataclass(frozen=True)
class Life:
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
    def drawn(cls, tables: tuple[History, ...], rng: np.random.Generator) -> Life:
        """A random life."""
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

    def ended(self, picture: Pixels, mask: Mask | None, largest: int) -> Example:
        """The file at the end of this life, its longer side at most `largest`, and the mask."""
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


def prepared(photo: Pixels, sides: tuple[int, int], rng: np.random.Generator) -> Pixels:
    """A picture of the photograph with its longer side at most `sides[1]`: cut out, or reduced.

    What is cut out mostly keeps the JPEG grid of the photograph.
    """
    longest = max(photo.shape[:2])
    if longest <= sides[1] and rng.random() >= SMALL_AS_IT_IS:
        factor = rng.uniform(*REDUCED)
        size = [max(forging.SMALLEST_SIDE, round(side * factor)) for side in photo.shape[1::-1]]
        return np.asarray(Image.fromarray(photo).resize(tuple(size), Image.Resampling.LANCZOS))
    if rng.random() >= NATIVE or longest <= sides[0]:
        return sized(photo, rng, sides)[0]
    target = np.exp(rng.uniform(np.log(sides[0]), np.log(min(sides[1], longest))))
    grid = GRID if rng.random() < 0.75 else 1
    size = [max(forging.SMALLEST_SIDE, int(side * target / longest)) for side in photo.shape[:2]]
    top, left = (
        int(rng.integers(0, max(side - wanted, 0) // grid + 1)) * grid
        for side, wanted in zip(photo.shape[:2], size, strict=True)
    )
    return photo[top : top + size[0], left : left + size[1]]


def saved(picture: Pixels, history: History | None) -> Pixels:
    """The picture after it was saved and opened again."""
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


@functools.lru_cache(maxsize=24)
def _pixels(path: str) -> Pixels:
    return decode(read(Path(path))).pixels
