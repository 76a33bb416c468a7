"""Quantisation tables of cameras and programs, other than libjpeg's: facts, no pictures.

`quantisation_tables.tsv` lists them once per subsampling: which kind of origin, how many different
files, the quality whose libjpeg table is nearest, who saved so, and the two tables, row by row.
They were read from the headers of JPEG files of the 1,053 photographs of `sources.photographs` and
of all commits named in `sources.photograph_table.REPOSITORIES`. Left out are libjpeg's own tables,
files of sealed makes (`sources.sealed`), and what `jpeg_encoder` cannot write.

A table is a camera's where EXIF names a make and no editor saved the file since; all others are of
software: editors that EXIF or the file's markers name (Photoshop's qualities among them), or sites.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from forgery_lab.errors import DataError
from forgery_lab.examples.histories import History

TABLE = Path(__file__).with_name("quantisation_tables.tsv")

Origin = Literal["camera", "software"]
ORIGINS: tuple[Origin, ...] = get_args(Origin)
COLUMNS = ("origin", "files", "quality", "subsampling", "saved_by", "luma", "chroma")


@dataclass(frozen=True)
class KnownTables:
    """A row of the table.

    Attributes:
        origin: "camera" or "software".
        files: how many different files had these tables.
        quality: IJG quality whose luma table is nearest.
        saved_by: models or programs, at most four of them; empty where no file says.
        history: tables and subsampling.
    """

    origin: Origin
    files: int
    quality: int
    saved_by: str
    history: History


@functools.cache
def known_tables() -> tuple[KnownTables, ...]:
    """Return the rows of the table; the file is read once.

    Raises:
        DataError: a row is not as it should be.
    """
    return read_table(TABLE)


def read_table(path: Path) -> tuple[KnownTables, ...]:
    """Return the rows of such a table.

    Raises:
        DataError: a column, an origin or one of 64 values is missing or not allowed.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise DataError(f"{path.name} has columns {rows.fieldnames}; expected: {COLUMNS}")
        return tuple(_known(row, f"{path.name}, line {rows.line_num}") for row in rows)


def drawn_tables(
    origin: Origin, qualities: tuple[int, int], rng: np.random.Generator
) -> History | None:
    """Return tables of that origin near these qualities, by the square root of their files.

    None where there are none.
    """
    rows, quality, weight = _pool(origin)
    weight = np.where((quality >= qualities[0]) & (quality <= qualities[1]), weight, 0).cumsum()
    if weight[-1] == 0:
        return None
    return rows[int(np.searchsorted(weight, rng.random() * weight[-1], side="right"))].history


@functools.cache
def _pool(origin: Origin) -> tuple[tuple[KnownTables, ...], np.ndarray, np.ndarray]:
    rows = tuple(row for row in known_tables() if row.origin == origin)
    return rows, np.array([row.quality for row in rows]), np.sqrt([row.files for row in rows])


def _known(row: dict[str, str], where: str) -> KnownTables:
    tables = []
    for name in ("luma", "chroma"):
        values = tuple(int(value) for value in row[name].split())
        if len(values) != 64 or not all(1 <= value <= 255 for value in values):
            raise DataError(f"{where}: {name} is {row[name]!r}; allowed: 64 values from 1 to 255")
        tables.append(values)
    origin = row["origin"]
    if origin not in ORIGINS:
        raise DataError(f"{where}: origin is {origin!r}; allowed: {', '.join(ORIGINS)}")
    return KnownTables(
        origin,
        int(row["files"]),
        int(row["quality"]),
        row["saved_by"],
        History(tuple(tables), row["subsampling"]),
    )
