"""A job: the images of a folder in shards, and the table's parts that are done.

A job's folder, local or in a bucket, has the listing, which the job is bound to, and one part of
the table for every shard that was scored. A part appears whole or not at all under a name that
follows from its shard. So whoever scores a shard, and how often, every image has one row; and a
job that was stopped lacks parts, which is all that the next start has to know.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from forgery_lab.errors import DataError
from forgery_lab.evaluation.scoring import batches
from forgery_lab.places import Place
from forgery_lab.scoring.table import table

FEWEST_OF_A_SHARD, MOST_OF_A_SHARD, BYTES_OF_A_SHARD = 8, 256, 2**30
"""Images, and bytes; what was scored of a shard that is interrupted is scored again."""
SHARDS = 64
"""Of a job that is not so large, so that many cores have something to do."""
SHARDS_OF_A_PAGE = 100
"""Shards whose part of the listing is one file."""

DESCRIPTION, LISTING, SUCCESS = "_job.json", "_listing", "_SUCCESS"
"""Readers of Parquet folders pass over names that begin with "_"."""

Image = tuple[str, int]
"""Name of a file, relative to the input, and its bytes."""


@dataclass(frozen=True)
class Terms:
    """What decides the rows of a job.

    Attributes:
        input: address of the folder of images.
        model: digest of the model's files; see `digest`.
        threshold: replaces the model's grey band.
    """

    input: str
    model: str
    threshold: float | None


@dataclass(frozen=True)
class Job:
    """A job in its folder, with the numbers of its images and shards, and a word of its own."""

    folder: Place
    images: int
    shards: int
    token: str

    @classmethod
    def begin(cls, folder: Place, terms: Terms, listing: Sequence[Image]) -> Job:
        """Write the listing into a folder that has none, and return the job."""
        most = min(max(len(listing) // SHARDS, FEWEST_OF_A_SHARD), MOST_OF_A_SHARD)
        shards = list(batches([size for _, size in listing], most, BYTES_OF_A_SHARD))
        job = cls(folder, len(listing), len(shards), uuid4().hex)
        for first in range(0, len(shards), SHARDS_OF_A_PAGE):
            job._page(first).write(_page(listing, shards[first : first + SHARDS_OF_A_PAGE]))
        # Last, since this file says that the listing is whole.
        numbers = {"images": job.images, "shards": job.shards, "token": job.token}
        said = {"format": 1, **asdict(terms), **numbers}
        (folder / DESCRIPTION).write(json.dumps(said, indent=2).encode())
        return job

    @classmethod
    def find(cls, folder: Place, terms: Terms) -> Job | None:
        """Return the job that was begun in a folder, or None where there is nothing.

        Raises:
            DataError: the folder holds something else, a job that is complete, or one whose input,
                model or threshold was another.
        """
        if not folder.exists():
            return None
        if not (folder / DESCRIPTION).exists():
            if not _may_begin(folder):
                raise DataError(f"{folder} exists already; name an output that does not exist")
            folder.remove()
            return None
        if (folder / SUCCESS).exists():
            raise DataError(f"{folder} exists already and is complete; name another output")
        said = json.loads((folder / DESCRIPTION).read())
        others = [key for key, value in asdict(terms).items() if said.get(key) != value]
        if others:
            values = " and ".join(f"{key} {said.get(key)!r}" for key in others)
            raise DataError(
                f"{folder} was begun with {values}; start it with the same, name another output, "
                "or remove it"
            )
        return cls(folder, said["images"], said["shards"], said["token"])

    def is_seen(self) -> bool:
        """Return whether this machine sees the job's folder, and not another one of its name."""
        try:
            said = json.loads((self.folder / DESCRIPTION).read())
        except OSError:
            return False
        return bool(said["token"] == self.token)

    def listed(self, shard: int) -> list[Image]:
        """Return the images of a shard."""
        page = _read_page(self._page(shard), self.token).read_row_group(shard % SHARDS_OF_A_PAGE)
        return list(zip(page["path"].to_pylist(), page["bytes"].to_pylist(), strict=True))

    def left(self) -> list[int]:
        """Return the shards that have no part yet, in order."""
        names = {name for name, _ in self.folder.files()}
        return [shard for shard in range(self.shards) if _part(shard) not in names]

    def write(self, shard: int, names: Sequence[str], records: Sequence[Mapping[str, Any]]) -> None:
        """Write the part of a shard."""
        (self.folder / _part(shard)).write(_parquet(table(names, records)))

    def parts(self) -> Iterator[pa.Table]:
        """Yield the parts in the order of the listing, each compared with it.

        Raises:
            DataError: a part is missing, or has other images than the listing.
        """
        for shard in range(self.shards):
            try:
                part = pq.read_table(io.BytesIO((self.folder / _part(shard)).read()))
            except FileNotFoundError as error:
                raise DataError(f"{self.folder} lacks {_part(shard)}; start it again") from error
            if part["path"].to_pylist() != [name for name, _ in self.listed(shard)]:
                raise DataError(
                    f"{self.folder / _part(shard)} has other images than the listing; remove it "
                    "and start again"
                )
            yield part

    def finish(self) -> Counter[str]:
        """Mark the job as complete; return how many images have which verdict, or an error.

        Raises:
            DataError: not every image of the listing has exactly one row.
        """
        verdicts: Counter[str] = Counter()
        for part in self.parts():
            verdicts.update(verdicts_of(part))
        if self.folder.path:  # of processes that were killed while they wrote
            for partial in self.folder.path.glob(".*.partial"):
                partial.unlink(missing_ok=True)
        (self.folder / SUCCESS).write(b"")
        return verdicts

    def discard(self) -> None:
        """Remove the job; `find` finds one whose removal is stopped, or begins anew."""
        names = [name for name, _ in self.folder.files()]
        listing = [name for name in names if name.startswith(f"{LISTING}/")]
        self.folder.remove_files([name for name in names if name not in (DESCRIPTION, *listing)])
        self.folder.remove_files([DESCRIPTION])
        self.folder.remove()

    def _page(self, shard: int) -> Place:
        return self.folder / LISTING / f"{shard // SHARDS_OF_A_PAGE:06d}.parquet"


def _may_begin(folder: Place) -> bool:
    """Return whether it is an empty folder, or one in which a job was stopped as it began."""
    if folder.path and not folder.path.is_dir():
        return False
    names = [name for name, _ in folder.files()]
    beginnings = (f"{LISTING}/", f".{DESCRIPTION}.")  # the second is of a file half-written
    is_listing = all(name.startswith(beginnings) for name in names)
    return is_listing and (bool(names) or folder.path is not None)


def digest(model: Path) -> str:
    """Return the SHA-256 of a model's files and their names."""
    total = hashlib.sha256()
    for path in sorted(model.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            with path.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
            total.update(f"{path.relative_to(model).as_posix()}\0{content}\n".encode())
    return total.hexdigest()


def verdicts_of(part: pa.Table) -> Counter[str]:
    """Return how many rows have which verdict; those without have an error."""
    return Counter(verdict or "error" for verdict in part["verdict"].to_pylist())


def _part(shard: int) -> str:
    return f"part-{shard:07d}.parquet"


def _parquet(content: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(content, buffer)
    return buffer.getvalue()


def _page(listing: Sequence[Image], shards: Sequence[range]) -> bytes:
    """Return the listing of some shards as a Parquet file with a row group for each."""
    schema = pa.schema([("path", pa.string()), ("bytes", pa.int64())])
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, schema) as writer:
        for shard in shards:
            names, sizes = zip(*(listing[position] for position in shard), strict=True)
            writer.write_table(pa.table([names, sizes], schema=schema))
    return buffer.getvalue()


@lru_cache(maxsize=2)
def _read_page(page: Place, token: str) -> pq.ParquetFile:
    """Return a page of the listing of the job with this token."""
    return pq.ParquetFile(io.BytesIO(page.read()))
