"""Windows of a prediction log: the lines of some days as a table."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow.fs import FileSystem, LocalFileSystem

from forgery_lab.errors import DataError
from forgery_pyfunc.prediction_log.line import FACTS, LOST

_DAY = re.compile(r"date=(\d{4}-\d\d-\d\d)/")


@dataclass(frozen=True)
class Days:
    """Which days of a log are meant, both ends included; None where there is no bound.

    `last` counts from the last day of the log.
    """

    first: date | None = None
    final: date | None = None
    last: int | None = None

    @classmethod
    def parse(cls, text: str) -> Days:
        """Return the days of "2026-11-01:2026-11-30", "2026-11-01:", "7" (the last) or "" (all).

        Raises:
            ValueError: it is none of these.
        """
        if not text:
            return cls()
        if text.isdecimal() and int(text):
            return cls(last=int(text))
        first, colon, final = text.partition(":")
        try:
            ends = [date.fromisoformat(end) if end else None for end in (first, final)]
        except ValueError:
            colon = ""
        if not colon:
            raise ValueError("FROM:TO with days like 2026-11-30, or a number of last days")
        return cls(first=ends[0], final=ends[1])

    def among(self, days: set[date]) -> set[date]:
        """Return those of some days that are meant."""
        first = self.first or date.min
        if self.last and days:
            first = max(days) - timedelta(days=self.last - 1)
        return {day for day in days if first <= day <= (self.final or date.max)}


@dataclass(frozen=True)
class Window:
    """The lines of some days.

    Attributes:
        frame: a row per image, with the columns of a log.
        days: that have lines.
    """

    frame: pd.DataFrame
    days: tuple[date, ...]

    @property
    def lost(self) -> int:
        """How many lines could not be kept."""
        return int(self.frame[LOST].sum())

    @property
    def models(self) -> set[str]:
        """The versions that answered."""
        return set(self.frame["model_version"].dropna())

    def of_models(self, models: set[str]) -> Window:
        """Return the lines of these versions alone."""
        return Window(self.frame[self.frame["model_version"].isin(models)], self.days)


def read(place: str, days: Days) -> Window:
    """Return the lines of some days of a log, in a folder or at `s3://BUCKET/PREFIX`.

    Raises:
        DataError: there is no such log, or it has no lines of these days.
    """
    try:
        files, root = _files(place)
        by_day = {file: day for file in files if (day := _day(file))}
        meant = days.among(set(by_day.values()))
        chosen = [file for file, day in by_day.items() if day in meant]
        if not chosen:
            raise DataError(
                f"{place} has no lines of the days asked for; it has {_extent(by_day.values())}"
            )
        table = _table(chosen, root)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{place} cannot be read as a prediction log: {error}") from error
    if missing := {*FACTS, LOST} - set(table.column_names):
        raise DataError(
            f"{place} is no prediction log: it has no columns {', '.join(sorted(missing))}"
        )
    return Window(table.to_pandas(), tuple(sorted(meant)))


def _files(place: str) -> tuple[list[str], FileSystem]:
    if place.startswith("s3://"):
        root, path = FileSystem.from_uri(place)
    else:
        root, path = LocalFileSystem(), str(Path(place).absolute())
    found = ds.dataset(path, filesystem=root, format="parquet", exclude_invalid_files=False).files
    return found, root


def _day(file: str) -> date | None:
    named = _DAY.search(file)
    return date.fromisoformat(named[1]) if named else None


def _extent(days: Iterable[date]) -> str:
    known = sorted(set(days))
    return (
        f"{known[0]} to {known[-1]}" if known else "no folders date=YYYY-MM-DD with Parquet files"
    )


def _table(files: list[str], root: FileSystem) -> pa.Table:
    """Return the lines of all files; models with other features have other columns."""
    read = ds.dataset(files, filesystem=root, format="parquet")
    schemas = [fragment.physical_schema for fragment in read.get_fragments()]
    return read.replace_schema(pa.unify_schemas(schemas)).to_table()
