"""The answers of the front end about uploaded files: records of the contract with file names."""

from dataclasses import dataclass, field

from pydantic import BaseModel

from forgery_pyfunc.contract import Record


@dataclass(frozen=True, kw_only=True)
class FileRecord(Record):
    """The answer for one uploaded file."""

    filename: str = field(metadata={"description": "as the browser sent it, without any folder"})


class Predictions(BaseModel):
    """One record per image, in order."""

    predictions: list[FileRecord]
