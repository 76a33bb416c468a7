"""The answers of the front end about uploaded files: records of the contract with file names."""

from dataclasses import asdict, dataclass, field

from pydantic import BaseModel

from forgery_pyfunc.contract import Record


@dataclass(frozen=True, kw_only=True)
class FileRecord(Record):
    """The answer for one uploaded file."""

    filename: str = field(metadata={"description": "as the browser sent it, without any folder"})


def of_file(filename: str, record: Record) -> FileRecord:
    """Return the record of an uploaded file."""
    return FileRecord(filename=filename, **asdict(record))


class Predictions(BaseModel):
    """One record per image, in order."""

    predictions: list[FileRecord]
