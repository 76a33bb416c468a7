"""Pictures that are no photographs: screenshots, drawings, renderings, charts, documents, slides.

A detector of forged photographs has to decline them, and learns here what they look like. They are
drawn by Chromium from the pages in `pages/` with packages of free licences (`package.json`, exact
versions), and by Matplotlib; the text is that of Python's standard library. Then each is cut,
scanned, scaled and encoded as people share such pictures. The same seed, packages and photographs
give the same pictures on the same machine, unless a page takes longer than a minute; fonts and
browser differ between machines.

Chromium is driven by Playwright, which only development needs. Some pages show photographs, as an
editor or a shop does; which ones, the caller says, so that none of them judges what it taught.
"""

from __future__ import annotations

import csv
import hashlib
import io
import logging
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image

from forgery_lab.errors import DataError
from forgery_lab.progress import Progress
from forgery_lab.sources.no_photographs.browser import Browser, Shot
from forgery_lab.sources.no_photographs.charts import draw_chart
from forgery_lab.sources.no_photographs.sharing import cut, encoded, scanned

logger = logging.getLogger(__name__)

INDEX = "no_photographs.tsv"

_ATTEMPTS = 3

_DESK = ((1280, 720), (1366, 768), (1440, 900), (1600, 900), (1920, 1080), (1024, 768))
_PHONE = ((390, 844), (412, 915), (360, 740))
_SHEET = ((1240, 1754), (1000, 1414), (850, 1100))
_BOARD = ((960, 720), (1280, 720), (1024, 1024), (800, 600), (1600, 1000), (700, 900))


@dataclass(frozen=True)
class Subject:
    """A kind of picture: its page (none: Matplotlib draws it), and how often it is drawn.

    A page that may show a photograph is never cut, or the photograph alone might remain.
    """

    name: str
    sorting: str
    share: int
    sizes: tuple[tuple[int, int], ...]
    shows_photographs: bool = False
    may_be_scanned: bool = False
    may_be_cut: bool = True


SUBJECTS = (
    Subject("dashboard", "screenshot", 55, _DESK),
    Subject("desktop", "screenshot", 40, _DESK, may_be_cut=False),
    Subject("code", "screenshot", 35, _DESK),
    Subject("chat", "screenshot", 40, _PHONE, may_be_cut=False),
    Subject("feed", "screenshot", 35, (*_DESK, *_PHONE), True, may_be_cut=False),
    Subject("viewer", "screenshot", 40, _DESK, True, may_be_cut=False),
    Subject("reference", "screenshot", 10, _DESK),
    Subject("icons", "drawing", 70, _BOARD),
    Subject("rough", "drawing", 35, _BOARD),
    Subject("scene", "drawing", 60, _BOARD),
    Subject("art", "drawing", 40, (*_BOARD, *_DESK)),
    Subject("matplotlib", "chart", 60, _BOARD),
    Subject("chart", "chart", 35, _BOARD),
    Subject("diagram", "chart", 25, _BOARD),
    Subject("map", "chart", 15, _BOARD),
    Subject("paper", "document", 75, _SHEET, may_be_scanned=True),
    Subject("slide", "document", 30, ((1280, 720), (1024, 768), (1600, 900)), may_be_cut=False),
)
"""Shares are of 700."""


@dataclass(frozen=True)
class Drawn:
    """A row of the table: a file, what it shows, how it was shared, and its SHA-256."""

    file: str
    sorting: str
    subject: str
    shared_as: str
    width: int
    height: int
    sha256: str


@dataclass(frozen=True)
class Material:
    """What the pages need: the folder `node_modules`, and photographs that some of them show."""

    packages: Path
    photographs: tuple[Path, ...] = ()


def draw(
    folder: Path,
    count: int,
    material: Material,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Drawn]:
    """Return the pictures that lie in a folder now, whose table is `INDEX`.

    Subjects that show photographs are left out where no photograph is given. What an interrupted
    run of the same arguments drew is kept.

    Args:
        folder: is made where it is missing.
        count: of pictures.
        material: packages and photographs.
        seed: another one gives other pictures.
        progress: is told of each picture.

    Raises:
        DataError: packages or Chromium are missing.
    """
    missing = [name for name in ("echarts", "three") if not (material.packages / name).is_dir()]
    if missing:
        raise DataError(
            f"{material.packages} lacks {', '.join(missing)}; expected: the folder node_modules "
            f"that `npm install` makes of {Path(__file__).with_name('package.json').name}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    kept = _read_index(folder / INDEX)
    rows: list[Drawn] = []
    with (
        Browser(material.packages, material.photographs) as browser,
        (folder / INDEX).open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(field.name for field in fields(Drawn))
        for number, subject in enumerate(_plan(count, seed, bool(material.photographs))):
            row = kept.get(f"{number:04d}_{subject.name}")
            if row is None or not _is_there(folder, row):
                row = _write(folder, number, subject, browser, seed)
            rows.append(row)
            table.writerow(asdict(row).values())
            file.flush()
            if progress:
                progress(number + 1, count)
    return rows


def _read_index(path: Path) -> dict[str, Drawn]:
    """Return the rows of a table, also of a part of one, by the file's name without its ending."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["sha256"]]
    drawn = [
        Drawn(**{**row, "width": int(row["width"]), "height": int(row["height"])})  # type: ignore[arg-type]
        for row in rows
    ]
    return {Path(row.file).stem: row for row in drawn}


def _is_there(folder: Path, row: Drawn) -> bool:
    path = folder / row.file
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == row.sha256


def _plan(count: int, seed: int, with_photographs: bool) -> list[Subject]:
    """Return the subject of each picture, in a mixed order, by their shares."""
    subjects = [s for s in SUBJECTS if with_photographs or not s.shows_photographs]
    shares = np.array([subject.share for subject in subjects], float)
    ends = np.round(np.cumsum(shares) / shares.sum() * count).astype(int)
    numbers = np.repeat(np.arange(len(subjects)), np.diff(ends, prepend=0))
    return [subjects[number] for number in np.random.default_rng(seed).permutation(numbers)]


def _write(folder: Path, number: int, subject: Subject, browser: Browser, seed: int) -> Drawn:
    rng = np.random.default_rng([seed, number])
    size = subject.sizes[rng.integers(len(subject.sizes))]
    picture = (
        draw_chart(rng, size)
        if subject.name == "matplotlib"
        else _shot(subject, size, browser, rng)
    )
    if subject.may_be_scanned and rng.random() < 0.6:
        picture = scanned(picture, rng)
    elif rng.random() < 0.3 and subject.may_be_cut:
        picture = cut(picture, rng)
    data, suffix, shared_as = encoded(picture, rng)
    name = f"{number:04d}_{subject.name}{suffix}"
    (folder / name).write_bytes(data)
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
    digest = hashlib.sha256(data).hexdigest()
    return Drawn(name, subject.sorting, subject.name, shared_as, width, height, digest)


def _shot(subject: Subject, size: tuple[int, int], browser: Browser, rng: Generator) -> Image.Image:
    """Return a page as a picture; a page that fails is drawn again from other seeds."""
    scale = 2.0 if size in _PHONE else float(rng.choice([1, 1, 1, 1.25, 2]))
    for _ in range(_ATTEMPTS - 1):
        try:
            return _read(browser.shoot(Shot(subject.name, size, scale, int(rng.integers(2**31)))))
        except DataError as error:
            logger.warning("drawn again: %s", error)
    return _read(browser.shoot(Shot(subject.name, size, scale, int(rng.integers(2**31)))))


def _read(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")
