"""Pairs to learn from: a photograph and a forgery of it that share all but the forging.

Both sides of a pair have the same crop and scale, the same saves before and after, the same end.
So nothing but the forgery tells them apart, neither headers nor the number of saves (the idea of
protocol C). Beside them stand photographs as they are shipped, and edited or enlarged as a whole:
both are authentic.
"""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from forgery_lab import forgeries
from forgery_lab.examples import quantisation_tables, saving_history
from forgery_lab.examples.feature_store import Example, code_digests
from forgery_lab.examples.histories import GRID, read
from forgery_lab.examples.saving_history import EDITED_LIVES, SavingHistory, drawn_life
from forgery_lab.forgeries.forging import drawn_kind, forge
from forgery_lab.forgeries.pictures import SMALLEST_SIDE, Pixels, Save, sized
from forgery_pyfunc.imaging.decoding import decode

NATIVE = 0.4
"""Share of pairs cut out of a large photograph without scaling."""
SMALL_AS_IT_IS, REDUCED = 0.2, (0.5, 0.85)
"""How often a small photograph is left as it is, and by how much it is reduced else: those of the
web were all saved at one quality, and most pairs would tell forgeries by that save alone."""
CRUDE = 0.5
"""Share of forgeries that are pasted with hard edges, as they are."""
SIDES = (256, 1024)
"""Range of the longer side of the pictures, in pixels."""
PLACES = (("camera", 18), ("clothes", 1), ("food", 1), ("web", 4))
"""Pairs per photograph and epoch: the few camera originals, with all of their traces, give about
two fifths; of the two large sources each photograph is taken once, of the small ones, whose
pictures differ most, four times."""
USUAL_SIDE = 0.65
"""Of the largest longer side; what pictures of this size take on disk is a little more than what
all of them take on average."""
_DONORS = 3
EDITED = "edited"
"""Kind of the photographs that are edited or enlarged as a whole, which are authentic."""
_HISTORY = 1
"""Number of the random stream that draws the saving history, by its life first."""
_EDITED = 1_000_000
"""In place of the number of a pair, where a photograph is edited as a whole."""


@dataclass(frozen=True)
class Plan:
    """How many examples are made of each photograph, and how large they are.

    Attributes:
        seed: of everything drawn.
        draws: variants of each pair; an epoch takes one.
        sides: longer side of the pictures, in pixels, drawn evenly in logarithm.
        places: pairs per photograph and epoch: of "camera" originals, of each source of the web
            that is named, and of all others of the "web".
    """

    seed: int
    draws: int
    sides: tuple[int, int] = SIDES
    places: tuple[tuple[str, int], ...] = PLACES

    def places_of(self, origin: str, source: str) -> int:
        """Return the pairs per epoch of a photograph of this origin and source."""
        places = dict(self.places)
        return places["camera"] if origin == "camera" else places.get(source, places["web"])


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
        """Return a row per example.

        `width` and `height` are what is usual, before anything is drawn. `split` names the part,
        `kind` is "pair", "shipped" or "edited", `life` names what all files of a draw go through.
        """
        return pd.DataFrame(self._rows)

    def example(self, number: int) -> Example:
        """Return the example of row `number`: encoded image, and mask of a forgery."""
        row = self._rows[number]
        photo = self.photographs.iloc[row["photograph"]]
        if row["kind"] == "shipped":
            return Example(read(Path(photo["path"])))
        geometry, history, lenders, forger = (
            self._rng(row["drawn_by"], stream) for stream in range(4)
        )
        if row["kind"] == EDITED:
            return self._edited(_pixels(photo["path"]), geometry, history)
        saving = SavingHistory.drawn(history)
        picture = saving.start(prepared(_pixels(photo["path"]), self.plan.sides, geometry))
        mask = None
        if row["label"]:
            others = self._others(row["photograph"])
            kind = drawn_kind(forger, with_donors=bool(others))
            donors = self._donors(others, lenders) if kind == "splice" else []
            crude = bool(forger.random() < CRUDE)
            forgery = forge(picture, donors, kind, forger, Save(None), crude)
            picture, mask = forgery.pixels, forgery.mask
        largest = min(max(photo["width"], photo["height"]), self.plan.sides[1])
        return saving.finish(picture, mask, largest)

    def settings(self) -> dict[str, Any]:
        """Return what identifies photographs and plan, and the code that forges."""
        columns = ["sha256", "part", "origin", "source"]
        photographs = self.photographs[columns].to_numpy().tolist()
        modules = (forgeries, saving_history, quantisation_tables, sys.modules[__name__])
        return {
            "photographs": photographs,
            "plan": asdict(self.plan),
            "code": code_digests(modules),
            "tables": hashlib.sha256(read(quantisation_tables.TABLE)).hexdigest(),
        }

    @functools.cached_property
    def _rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for number, photo in enumerate(self.photographs.to_dict("records")):
            common = {
                "photograph": number,
                "group": photo["sha256"],
                "split": f"part {photo['part']}",
                "origin": photo["origin"],
                "source": photo["source"],
            }
            size = {"width": photo["width"], "height": photo["height"]}
            rows.append({**common, **size, "id": photo["sha256"], "kind": "shipped", "label": 0,
                         "draw": 0, "drawn_by": (), "life": "shipped"})  # fmt: skip
            rows += self._edited_rows(common, size)
            scale = USUAL_SIDE * min(1.0, self.plan.sides[1] / max(size.values()))
            size = {side: int(np.ceil(length * scale)) for side, length in size.items()}
            rows += [
                {
                    **common,
                    **size,
                    "id": f"{photo['sha256']}.{place}.{label}",
                    "kind": "pair",
                    "label": label,
                    "draw": draw,
                    "drawn_by": drawn_by,
                    "life": life,
                }
                for place in range(self.plan.places_of(photo["origin"], photo["source"]))
                for draw in range(self.plan.draws)
                for drawn_by in [(int(photo["sha256"][:12], 16), place, draw)]
                for life in [drawn_life(self._rng(drawn_by, _HISTORY))]
                for label in (0, 1)
            ]
        return rows

    def _edited_rows(
        self, common: dict[str, Any], size: dict[str, int]
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows of a photograph that is edited or enlarged as a whole, one per draw."""
        scale = USUAL_SIDE * self.plan.sides[1] / max(size.values())
        size = {side: int(np.ceil(length * scale)) for side, length in size.items()}
        name = f"{common['group']}.{EDITED}"
        for draw in range(self.plan.draws):
            drawn_by = (int(common["group"][:12], 16), _EDITED, draw)
            life = drawn_life(self._rng(drawn_by, _HISTORY), EDITED_LIVES)
            yield {**common, **size, "id": name, "kind": EDITED, "label": 0, "draw": draw,
                   "drawn_by": drawn_by, "life": life}  # fmt: skip

    def _edited(
        self, photo: Pixels, geometry: np.random.Generator, history: np.random.Generator
    ) -> Example:
        """Return the photograph edited or enlarged; half the time from its own pixels."""
        saving = SavingHistory.drawn(history, EDITED_LIVES)
        low, largest = self.plan.sides
        high = max(low, int(largest / saving.after[0].scale))
        if max(photo.shape[:2]) > high or geometry.random() < 0.5:
            photo = prepared(photo, (low, high), geometry)
        return saving.finish(photo, None, largest)

    def _rng(self, drawn_by: tuple[int, ...], stream: int) -> np.random.Generator:
        return np.random.default_rng([self.plan.seed, *drawn_by, stream])

    def _others(self, host: int) -> list[str]:
        """Return other photographs of the same part, so that what is held out lends nothing."""
        same = self.photographs["part"] == self.photographs["part"].iloc[host]
        same.iloc[host] = False
        return self.photographs.loc[same, "path"].to_list()

    def _donors(self, others: Sequence[str], rng: np.random.Generator) -> list[Pixels]:
        chosen = rng.integers(len(others), size=_DONORS)
        return [prepared(_pixels(others[number]), self.plan.sides, rng) for number in chosen]


def prepared(photo: Pixels, sides: tuple[int, int], rng: np.random.Generator) -> Pixels:
    """Return a picture of the photograph, cut out or reduced; longer side at most `sides[1]`.

    What is cut out mostly keeps the JPEG grid of the photograph.
    """
    longest = max(photo.shape[:2])
    if longest <= sides[1] and rng.random() >= SMALL_AS_IT_IS:
        factor = rng.uniform(*REDUCED)
        size = [max(SMALLEST_SIDE, round(side * factor)) for side in photo.shape[1::-1]]
        return np.asarray(Image.fromarray(photo).resize(tuple(size), Image.Resampling.LANCZOS))
    if rng.random() >= NATIVE or longest <= sides[0]:
        return sized(photo, rng, sides)[0]
    target = np.exp(rng.uniform(np.log(sides[0]), np.log(min(sides[1], longest))))
    grid = GRID if rng.random() < 0.75 else 1
    size = [max(SMALLEST_SIDE, int(side * target / longest)) for side in photo.shape[:2]]
    top, left = (
        int(rng.integers(0, max(side - wanted, 0) // grid + 1)) * grid
        for side, wanted in zip(photo.shape[:2], size, strict=True)
    )
    return photo[top : top + size[0], left : left + size[1]]


@functools.lru_cache(maxsize=24)
def _pixels(path: str) -> Pixels:
    return decode(read(Path(path))).pixels
