"""A job's parts as one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from forgery_lab.files import remove_partial
from forgery_lab.places import Place
from forgery_lab.scoring.job import Job, verdicts_of
from forgery_lab.scoring.table import SCHEMA


def _write_parquet(parts: Iterable[pa.Table], path: Path) -> None:
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for part in parts:
            writer.write_table(part)


def _write_csv(parts: Iterable[pa.Table], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        for number, part in enumerate(parts):
            part.to_pandas().to_csv(stream, index=False, header=number == 0)


WRITERS: dict[str, Callable[[Iterable[pa.Table], Path], None]] = {
    ".parquet": _write_parquet,
    ".csv": _write_csv,
}
"""What writes a table, by the extension of its file."""


def write_table(job: Job, output: Place) -> Counter[str]:
    """Write all parts as Parquet or CSV, whole or not at all, and remove the job.

    Return how many images have which verdict, or an error.

    Raises:
        DataError: not every image of the listing has exactly one row; or the disk is full.
    """
    verdicts: Counter[str] = Counter()

    def counted() -> Iterable[pa.Table]:
        for part in job.parts():
            verdicts.update(verdicts_of(part))
            yield part

    if output.path:
        remove_partial(output.path)
    output.write(lambda path: WRITERS[output.suffix](counted(), path))
    job.discard()
    return verdicts
