"""What the panel shows a detector: CASIA's development half, pairs, and authentic photographs.

CASIA's groups of source photographs are halved by the digest of their names. Development looks at
one half as often as it likes; the other is for reporting, once per release.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from forgery_lab.data import ingestion
from forgery_lab.data.folders import images
from forgery_lab.evaluation import conditions
from forgery_lab.evaluation.eligibility import host
from forgery_lab.evaluation.figures import TEXTURE
from forgery_lab.evaluation.trials import load_masks, matched_trials
from forgery_lab.examples.feature_store import Example
from forgery_lab.examples.histories import HistoryMatcher
from forgery_lab.examples.pairs import SIDES, Pairs, Plan
from forgery_lab.forgeries import retouching
from forgery_lab.forgeries.pictures import sized
from forgery_lab.progress import Progress
from forgery_lab.sources.photographs import PhotoFolder, photographs_of
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.jpeg_encoder import encode

SEED = 0x9A7E1
"""Of everything drawn; not that of a training."""
HALVES = ("development", "reporting")
PAIRS = {"camera": 4, "web": 1}
"""Pairs per held-out photograph, by origin."""
MOST_OF_A_SOURCE = 150
"""Photographs of one source: more would take longer and say little."""
MOST_EDITED = 100
ENLARGED = 2.0


@dataclass(frozen=True)
class Picture:
    """A picture of the panel; picklable, made when its turn comes.

    Attributes:
        group: of pictures that are summed up together, such as "pairs" or "C".
        name: tells the pictures of a group apart.
        source: the photograph, which the bootstrap draws.
        label: 1 where it is forged.
        kind: "splice", "copy-move" or empty.
        texture: whether CASIA calls its scene a texture.
        make: returns the encoded image, and its mask where it is known.
    """

    group: str
    name: str
    source: str
    label: int
    make: Callable[[], Example]
    kind: str = ""
    texture: bool = False


def half(rows: pd.DataFrame, wanted: str) -> pd.DataFrame:
    """Return the rows of one of `HALVES`: whole groups of source photographs."""
    odd = [hashlib.sha256(str(group).encode()).digest()[0] % 2 == 1 for group in rows["group"]]
    return rows[np.array(odd, bool) == (wanted == "reporting")]


def of_casia(data: Path, wanted: str, progress: Progress | None = None) -> list[Picture]:
    """Return one half of a CASIA-style folder: matched, rescaled and shifted, one draw each."""
    every, _ = ingestion.ingest(data, progress=progress)
    matcher = HistoryMatcher.fit(every, data, SEED)
    rows = half(every, wanted)
    masks = load_masks(rows, data)
    facts = rows.assign(host=host(rows)).set_index("sha256")
    found = []
    for condition in (conditions.C, conditions.C_SCALE, conditions.C_SHIFT):
        for trial in matched_trials(rows, data, matcher, 1, condition):
            row, mask = facts.loc[trial.sha256], masks.get(trial.sha256)
            moved = None if mask is None else trial.rendition.moved(mask)
            found.append(
                Picture(
                    condition.label,
                    trial.sha256,
                    str(row["host"]),
                    int(row["label"]),
                    partial(_rendered, trial.rendition, moved),
                    "" if row["label"] == 0 else str(row["kind"]),
                    row["category"] == TEXTURE,
                )
            )
    return found


def _rendered(rendition: Callable[[], bytes], mask: np.ndarray | None) -> Example:
    return Example(rendition(), mask)


def of_photographs(folders: Sequence[PhotoFolder], seen: Collection[str]) -> list[Picture]:
    """Return generated pairs of photographs, and the photographs as people keep and edit them.

    Args:
        folders: each is a source of its own.
        seen: SHA-256 of the photographs that a judged network learnt from: they are left out.
    """
    rows = photographs_of(folders, MOST_OF_A_SOURCE, without=seen)
    return [*_pairs(rows), *_authentic(rows)]


def _pairs(rows: pd.DataFrame) -> list[Picture]:
    pairs = Pairs(rows.assign(part=0), Plan(SEED, draws=1, places=tuple(PAIRS.items())))
    table = pairs.table()
    return [
        Picture("pairs", row["id"], row["group"], row["label"], partial(pairs.example, number))
        for number, row in enumerate(table.to_dict("records"))
        if row["kind"] == "pair"
    ]


def _authentic(rows: pd.DataFrame) -> list[Picture]:
    """Return every photograph as it is, and an even choice of them as PNG, edited and enlarged."""
    shipped = [
        Picture(f"authentic: {row['source']}", row["sha256"], row["sha256"], 0,
                partial(_file, row["path"]))
        for row in rows.to_dict("records")
    ]  # fmt: skip
    chosen = spread(rows, MOST_EDITED)
    handled = [
        Picture(f"authentic, {name}", row["sha256"], row["sha256"], 0,
                partial(_handled, row["path"], name))
        for name in HANDLINGS
        for row in chosen.to_dict("records")
    ]  # fmt: skip
    return shipped + handled


def spread(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return at most so many rows, of each source in turn."""
    turn = rows.sort_values("sha256").groupby("source").cumcount()
    return rows.assign(turn=turn).sort_values(["turn", "sha256"]).head(most).drop(columns="turn")


def of_folder(group: str, folder: Path) -> list[Picture]:
    """Return the pictures of a folder that are to be called anything but forged."""
    return [
        Picture(group, path.name, path.name, 0, partial(_file, str(path)))
        for path in images(folder)
    ]


def _file(path: str) -> Example:
    return Example(Path(path).read_bytes())


def _handled(path: str, name: str) -> Example:
    data = Path(path).read_bytes()
    rng = np.random.default_rng([SEED, int(hashlib.sha256(data).hexdigest()[:8], 16)])
    picture = sized(decode(data).pixels, rng, SIDES)[0]
    return Example(HANDLINGS[name](picture, rng))


def _as_png(picture: np.ndarray, rng: np.random.Generator) -> bytes:
    """Return what an editor that opens a JPEG and exports a PNG writes."""
    saved = decode(encode(picture, quality=int(rng.integers(75, 96)))).pixels
    buffer = io.BytesIO()
    Image.fromarray(saved).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _enlarged(picture: np.ndarray, rng: np.random.Generator) -> bytes:
    height, width = picture.shape[:2]
    scale = min(ENLARGED, SIDES[1] * ENLARGED / max(height, width))
    size = round(width * scale), round(height * scale)
    larger = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)
    return encode(np.asarray(larger), quality=int(rng.integers(75, 96)))


def _edited(picture: np.ndarray, rng: np.random.Generator, edit: str | None = None) -> bytes:
    if edit is None:
        picture = retouching.edited(picture, int(rng.integers(2**32)))
    else:
        picture = retouching.EDITS[edit](picture, rng)
    return encode(picture, quality=int(rng.integers(75, 96)))


HANDLINGS: Mapping[str, Callable[[np.ndarray, np.random.Generator], bytes]] = {
    "as PNG": _as_png,
    "edited": _edited,
    "vignetted": partial(_edited, edit="vignetted"),
    "enlarged": _enlarged,
}
"""What people do to a whole photograph."""


def kept(pictures: Iterable[Picture], share: float) -> list[Picture]:
    """Return about that share of the pictures, by the digest of their sources: for a quick look."""
    return [
        picture
        for picture in pictures
        if hashlib.sha256(picture.source.encode()).digest()[1] < share * 256
    ]
