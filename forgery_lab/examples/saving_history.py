"""Saving histories of pairs: every save, and what happens to the whole picture in between.

Both sides of a pair go through the same history, so that it says nothing about the class. A history
is drawn from a table of lives: which programs a picture goes through before it is forged and after.

What sites and messengers do to pictures (longest side, quality, tables, 4:2:0) was measured by
Moltisanti, Paratore, Battiato, Saravo, *Image Manipulation on Facebook for Forensics Evidence*,
ICIAP 2015, and by Giudice, Paratore, Moltisanti, Battiato, *A Classification Engine for Image
Ballistics of Social Data*, ICIAP 2017. The ranges here are rounded from such measurements; the
shares of lives are our estimate, and no data set chose them.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import numpy as np
from PIL import Image

from forgery_lab.examples.feature_store import Example
from forgery_lab.examples.histories import GRID, History
from forgery_lab.examples.quantisation_tables import drawn_tables
from forgery_lab.forgeries.pictures import SMALLEST_SIDE, Mask, Pixels
from forgery_lab.forgeries.retouching import WholeEdit
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.jpeg_encoder import encode
from forgery_pyfunc.imaging.jpeg_header import estimate_quality, standard_table

EDITED = 0.3
"""How often the whole picture is edited, whether it was forged or not, before the next save."""
FAINTEST = 20
"""How far the qualities after the forging are below that before it, at most: farther down, hardly
a trace of the earlier save is left. Lives that are `hard` are the exception."""
KERNELS: Mapping[Image.Resampling, float] = {
    Image.Resampling.BICUBIC: 0.35,
    Image.Resampling.LANCZOS: 0.3,
    Image.Resampling.BILINEAR: 0.2,
    Image.Resampling.HAMMING: 0.1,
    Image.Resampling.NEAREST: 0.05,
}
"""How pictures are scaled, and how often."""

Tables = Literal["libjpeg", "camera", "software", "first"]

Name = TypeVar("Name")


@dataclass(frozen=True)
class Program:
    """What opens a picture and saves it, as ranges to draw from.

    Attributes:
        qualities: IJG qualities, both included; of tables of another origin, the nearest.
        tables: whose tables, and how often: "first" are those of the picture's first save.
        chroma_reduced: how often libjpeg's tables go with 4:2:0, not 4:4:4.
        lossless: how often nothing is lost.
        scales: factors of both sides, drawn evenly.
        shifted: whether rows and columns are cut off, so that the grid moves.
    """

    qualities: tuple[int, int] = (70, 95)
    tables: Mapping[Tables, float] = field(default_factory=lambda: {"libjpeg": 1.0})
    chroma_reduced: float = 1.0
    lossless: float = 0.0
    scales: tuple[float, float] = (1.0, 1.0)
    shifted: bool = False


@dataclass(frozen=True)
class Life:
    """A chain of programs.

    Attributes:
        share: of all lives of its table.
        before: what the picture goes through before it is forged.
        after: what it goes through then.
        edited: how often the whole picture is edited in between.
        hard: whether the saves after the forging may leave no trace of those before.
    """

    share: float
    before: tuple[Program, ...]
    after: tuple[Program, ...]
    edited: float = EDITED
    hard: bool = False


CAMERA = Program((75, 100), {"camera": 1.0})
FIRST = Program((60, 100), {"libjpeg": 0.5, "camera": 0.25, "software": 0.25}, 0.75)
HIGH = Program((88, 100), {"libjpeg": 0.4, "camera": 0.4, "software": 0.2}, 0.75)
EDITOR = Program((80, 100), {"libjpeg": 0.6, "software": 0.4}, 0.7, lossless=0.25)
EXPORT = Program((80, 100), {"libjpeg": 0.6, "software": 0.4}, 0.7)
PHONE_EDITOR = Program((90, 97), {"first": 0.6, "libjpeg": 0.4}, 0.7)
UPLOAD = Program((70, 95))
CROP = Program((70, 97), {"libjpeg": 0.8, "software": 0.2}, 0.8, shifted=True)
MESSENGER = Program((70, 80), scales=(0.6, 0.95))
WEB_SITE = Program((75, 90), chroma_reduced=0.9, scales=(0.6, 0.97))
ENLARGER = Program((70, 97), {"libjpeg": 0.7, "software": 0.3}, 0.75, scales=(1.05, 3.0))
LOW_UPLOAD = Program((45, 65))
THUMBNAIL = Program((75, 90), scales=(0.4, 0.6))
PNG = Program(lossless=1.0)

LIVES: Mapping[str, Life] = {
    "uploaded": Life(0.34, (FIRST,), (EDITOR, UPLOAD)),
    "edited": Life(0.07, (CAMERA,), (EXPORT,)),
    "sent by messenger": Life(0.05, (CAMERA,), (EDITOR, MESSENGER)),
    "from a messenger": Life(0.05, (CAMERA, MESSENGER), (EXPORT,)),
    "on a web site": Life(0.06, (CAMERA,), (EDITOR, WEB_SITE)),
    "from the web, uploaded": Life(0.06, (CAMERA, WEB_SITE), (EDITOR, UPLOAD)),
    "edited on a phone": Life(0.05, (CAMERA,), (PHONE_EDITOR,)),
    "cropped": Life(0.06, (FIRST,), (EDITOR, CROP)),
    "enlarged": Life(0.04, (FIRST,), (EDITOR, ENLARGER)),
    "scaled before and after": Life(0.03, (FIRST, WEB_SITE), (EDITOR, WEB_SITE)),
    "never a JPEG before": Life(0.02, (), (EDITOR, UPLOAD)),
    "never saved": Life(0.03, (), (PNG,)),
    "PNG of the forger": Life(0.03, (FIRST,), (PNG,)),
    "PNG of a JPEG": Life(0.04, (FIRST,), (EXPORT, PNG)),
    "PNG of an upload": Life(0.02, (FIRST,), (EXPORT, UPLOAD, PNG)),
    "saved far lower": Life(0.03, (HIGH,), (EDITOR, LOW_UPLOAD), hard=True),
    "made small": Life(0.02, (FIRST,), (EDITOR, THUMBNAIL), hard=True),
}
"""Lives of pairs, by name. In "uploaded", as in data sets, all saves share one grid; 12 % end as
PNG, 5 % are hard."""

PHOTOGRAPH = Program((70, 97), {"libjpeg": 0.7, "software": 0.3}, 0.75)
LARGER = Program((70, 97), {"libjpeg": 0.7, "software": 0.3}, 0.75, 0.1, scales=(1.1, 3.0))

EDITED_LIVES: Mapping[str, Life] = {
    "photograph edited": Life(0.45, (), (PHOTOGRAPH,), edited=1.0),
    "photograph edited, uploaded": Life(0.1, (), (EDITOR, UPLOAD), edited=1.0),
    "photograph edited, on a web site": Life(0.05, (), (EDITOR, WEB_SITE), edited=1.0),
    "photograph edited, PNG": Life(0.1, (), (PNG,), edited=1.0),
    "photograph enlarged": Life(0.3, (), (LARGER,), edited=0.1),
}
"""Lives of authentic photographs that somebody edited or enlarged as a whole."""


@dataclass(frozen=True)
class Step:
    """What one program did.

    Attributes:
        shift: rows and columns, 0 … 7, cut off at the top and the left.
        scale: factor of both sides, after that.
        kernel: of scaling.
        save: how it was saved; None: nothing was lost.
    """

    shift: tuple[int, int] = (0, 0)
    scale: float = 1.0
    kernel: Image.Resampling = Image.Resampling.LANCZOS
    save: History | None = None

    def move(self, picture: Pixels, mask: Mask | None, largest: int) -> tuple[Pixels, Mask | None]:
        """Return picture and mask, shifted and scaled; longer side at most `largest` if enlarged.

        What is reduced keeps 64 pixels on each side.
        """
        window = np.s_[self.shift[0] :, self.shift[1] :]
        picture, mask = picture[window], None if mask is None else mask[window]
        scale = min(self.scale, max(1.0, largest / max(picture.shape[:2])))
        scale = max(scale, min(1.0, SMALLEST_SIDE / min(picture.shape[:2])))
        if scale == 1.0:
            return picture, mask
        size = tuple(round(side * scale) for side in picture.shape[1::-1])
        picture = np.asarray(Image.fromarray(picture).resize(size, self.kernel))
        if mask is not None:
            mask = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
        return picture, mask


@dataclass(frozen=True)
class SavingHistory:
    """What both sides of a pair go through.

    Attributes:
        life: its name in the table that it was drawn from.
        before: what happened before the forger had it.
        edit: what is then done to the whole picture, or None.
        after: what happened since.
    """

    life: str
    before: tuple[Step, ...]
    edit: WholeEdit | None
    after: tuple[Step, ...]

    @classmethod
    def drawn(cls, rng: np.random.Generator, lives: Mapping[str, Life] = LIVES) -> SavingHistory:
        """Return a random saving history of one of the lives; the first draw is its name."""
        name = drawn_life(rng, lives)
        life = lives[name]
        steps: list[Step] = []
        for program in life.before:
            steps.append(_drawn_step(program, steps, 0, rng))
        before = tuple(steps)
        least = 0 if life.hard else _lowest_quality(before) - FAINTEST
        edit = WholeEdit.drawn(rng) if rng.random() < life.edited else None
        for program in life.after:
            steps.append(_drawn_step(program, steps, least, rng))
        return cls(name, before, edit, tuple(steps[len(before) :]))

    def start(self, picture: Pixels) -> Pixels:
        """Return the picture as the forger has it."""
        for step in self.before:
            picture = _saved(step.move(picture, None, 0)[0], step.save)
        return picture

    def finish(self, picture: Pixels, mask: Mask | None, largest: int) -> Example:
        """Return the file, its longer side at most `largest`, and the mask moved along."""
        if self.edit is not None:
            picture, mask = self.edit.apply(picture, mask, largest)
        save = None
        for step in self.after:
            picture, mask = step.move(_saved(picture, save), mask, largest)
            save = step.save
        return Example(_file(picture, save), mask)


def drawn_life(rng: np.random.Generator, lives: Mapping[str, Life] = LIVES) -> str:
    """Return the name of a random life, by their shares."""
    return _chosen({name: life.share for name, life in lives.items()}, rng)


def _drawn_step(
    program: Program, earlier: list[Step], least: int, rng: np.random.Generator
) -> Step:
    """Return what a program does to a picture after `earlier`, at quality `least` if it can."""
    rows, columns = rng.integers(0, GRID, 2) if program.shifted else (0, 0)
    scale, kernel = float(rng.uniform(*program.scales)), _chosen(KERNELS, rng)
    if kernel == Image.Resampling.NEAREST and scale < 1:
        kernel = Image.Resampling.BILINEAR  # nobody's program reduces by leaving pixels out
    save = None
    if rng.random() >= program.lossless:
        low, high = program.qualities
        saves = [step.save for step in earlier if step.save is not None]
        save = _drawn_save(program, (min(max(low, least), high), high), saves[:1], rng)
    return Step((int(rows), int(columns)), scale, kernel, save)


def _drawn_save(
    program: Program,
    qualities: tuple[int, int],
    first: list[History],
    rng: np.random.Generator,
) -> History:
    tables = _chosen(program.tables, rng)
    if tables == "first" and first and estimate_quality(first[0].tables[0])[0] >= qualities[0]:
        return first[0]
    if tables == "camera" or tables == "software":
        known = drawn_tables(tables, qualities, rng)
        if known is not None:
            return known
    quality = int(rng.integers(qualities[0], qualities[1] + 1))
    luma, chroma = (tuple(standard_table(quality, c).ravel().tolist()) for c in (False, True))
    return History((luma, chroma), "4:2:0" if rng.random() < program.chroma_reduced else "4:4:4")


def _lowest_quality(steps: tuple[Step, ...]) -> int:
    """Return the lowest quality of saves since the grid last moved; 0 where nothing was lost."""
    qualities: list[int] = []
    for step in steps:
        if step.scale != 1.0 or step.shift != (0, 0):
            qualities = []
        if step.save is not None:
            qualities.append(estimate_quality(step.save.tables[0])[0])
    return min(qualities, default=0)


def _chosen(odds: Mapping[Name, float], rng: np.random.Generator) -> Name:
    """Return one of the keys; their values are how often, and add up to 1."""
    mark = rng.random()
    for name, share in odds.items():
        mark -= share
        if mark < 0:
            return name
    return name


def _saved(picture: Pixels, history: History | None) -> Pixels:
    """Return the picture after it was saved and opened again."""
    return picture if history is None else decode(_file(picture, history)).pixels


def _file(picture: Pixels, history: History | None) -> bytes:
    if history is not None:
        return encode(picture, tables=history.tables, subsampling=history.subsampling)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
