"""The answers of the front end about uploaded files: records of the contract with file names."""

from dataclasses import asdict, dataclass, field, replace

from pydantic import BaseModel

from forgery.evidence.facts.content_credentials import CredentialsSummary
from forgery.evidence.facts.finding import Finding
from forgery.evidence.facts.provenance import Provenance
from forgery_pyfunc.contract import Record


@dataclass(frozen=True, kw_only=True)
class FileRecord(Record):
    """The answer for one uploaded file."""

    filename: str = field(metadata={"description": "as the browser sent it, without any folder"})

    content_credentials: CredentialsSummary | None = field(
        default=None, metadata={"description": "C2PA; null where it could not be scored"}
    )
    findings: list[Finding] = field(
        default_factory=list, metadata={"description": "in the metadata, the weightiest first"}
    )


def of_file(filename: str, record: Record) -> FileRecord:
    """Return the record of an uploaded file."""
    return FileRecord(filename=filename, **asdict(record))


def with_origin(record: FileRecord, origin: Provenance) -> FileRecord:
    """Return the record with what the file states about its origin."""
    summary = origin.content_credentials.summary()
    return replace(record, content_credentials=summary, findings=origin.findings)


class Predictions(BaseModel):
    """One record per image, in order."""

    predictions: list[FileRecord]
