"""The files of one job; every one is written under another name first, so none is seen half done.

| file | holds |
| --- | --- |
| `order.json` | what was asked |
| `0000.picture` | a picture, until it has its record |
| `0000.json` | its record |
| `claim` | locked by the thread that works on the job; there once anybody has begun |
| `finished` | since when all pictures are done |
"""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter

from webui.jobs.job import Order
from webui.records import FileRecord

RECORD = TypeAdapter(FileRecord)


@dataclass(frozen=True)
class JobFiles:
    """The folder of a job; whatever reads or writes raises `FileNotFoundError` once it is gone."""

    folder: Path

    @property
    def claim(self) -> Path:
        """The file that is locked by who works on the job."""
        return self.folder / "claim"

    def order(self) -> Order:
        """Return what was asked."""
        return Order.model_validate_json((self.folder / "order.json").read_bytes())

    def save_order(self, order: Order) -> None:
        """Keep what was asked."""
        _write(self.folder / "order.json", order.model_dump_json().encode())

    def picture(self, number: int) -> bytes:
        """Return a picture that has no record yet."""
        return self._picture(number).read_bytes()

    def save_picture(self, number: int, data: bytes) -> None:
        """Keep a picture until it has its record."""
        _write(self._picture(number), data)

    def has_record(self, number: int) -> bool:
        """Return whether a picture is done."""
        return self._record(number).exists()

    def record(self, number: int) -> FileRecord | None:
        """Return the record of a picture; None where it is not done."""
        try:
            return RECORD.validate_json(self._record(number).read_bytes())
        except FileNotFoundError:
            return None

    def save_record(self, number: int, record: FileRecord) -> None:
        """Keep the record of a picture, and the picture no longer."""
        _write(self._record(number), RECORD.dump_json(record))
        self._picture(number).unlink(missing_ok=True)

    def finished_at(self) -> datetime | None:
        """Return since when all pictures are done; None where some are not."""
        try:
            return datetime.fromisoformat((self.folder / "finished").read_text("ascii"))
        except FileNotFoundError:
            return None

    def finish(self, now: datetime) -> None:
        """Note that all pictures are done."""
        _write(self.folder / "finished", now.isoformat().encode())

    def _picture(self, number: int) -> Path:
        return self.folder / f"{number:04}.picture"

    def _record(self, number: int) -> Path:
        return self.folder / f"{number:04}.json"


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(f".{path.name}")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())  # else a power failure could leave the name without the content
    partial.replace(path)
