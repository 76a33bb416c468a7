"""Files scored one by one, by whoever answers: this process, a process of its own or a server."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from forgery.evidence.facts.provenance import Provenance, read_provenance
from forgery.evidence.verdict import remark
from forgery.finding import FoundFile, unreadable
from forgery.threads import in_order
from forgery_pyfunc.contract import CodedMessage, Record
from forgery_pyfunc.errors import ForgeryError
from forgery_pyfunc.imaging.decoding import check
from forgery_pyfunc.imaging.guards import Limits

ANY_SIZE = Limits(max_bytes=2**30, max_pixels=10**9)
"""More than any scorer reads: which sizes it takes is for the scorer to say."""


class Scorer(Protocol):
    """Whoever answers for encoded images; asked from several threads at once."""

    def score(
        self,
        images: Sequence[bytes],
        threshold: float | None = None,
        heatmap: bool = False,
        *,
        explain: bool = False,
    ) -> list[Record]:
        """Return one record per image, in order; raise `ForgeryError` where none is given."""

    def check(self) -> None:
        """Raise `ForgeryError` where no answer can be had at all."""


@dataclass(frozen=True)
class ScannedFile:
    """One file and its answer."""

    path: Path
    record: Record
    origin: Provenance | None = None
    """What the file states about its origin, None where it was not scored."""

    @property
    def remark(self) -> str:
        """What is to be said beside the verdict."""
        said = [remark(self.record)]
        if self.origin:
            credentials = self.origin.content_credentials
            said += [credentials.explanation] if credentials.state != "absent" else []
            said += [finding.text for finding in self.origin.findings if finding.is_about_ai]
        return "; ".join(text.rstrip(".") for text in said if text)

    @property
    def name(self) -> str:
        """The path as text; bytes that are not UTF-8 become replacement characters."""
        return str(self.path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def scan(
    scorer: Scorer,
    files: Iterable[FoundFile],
    threshold: float | None = None,
    heatmap: bool = False,
    jobs: int = 1,
    explain: bool = False,
) -> Iterator[ScannedFile]:
    """Yield every file with its record, in order; one without an answer has a record with an error.

    Args:
        scorer: a `forgery.client.Client`, `forgery.scoring.LocalScorer` or
            `forgery.model_process.ModelScorer`.
        files: the pictures.
        threshold: a probability in [0, 1] that replaces the calibrated grey band.
        heatmap: whether to draw the map of where.
        jobs: files that are scored at the same time.
        explain: whether to tell why.

    Raises:
        ForgeryError: there is no server from the start.
    """
    answered = threading.Event()

    def answer(found: FoundFile) -> ScannedFile:
        if found.problem:
            return ScannedFile(found.path, Record(error=str(found.problem)))
        try:
            data = read(found.path)
            record = scorer.score([data], threshold, heatmap, explain=explain)[0]
            answered.set()
            if not record.error:
                return ScannedFile(found.path, record, _provenance(data, record))
        except OSError as error:
            record = Record(error=str(unreadable(error)))
        except ForgeryError as error:
            if error.code == "scoring_server_absent" and not answered.is_set():
                scorer.check()  # raises, unless a server only broke off this upload
            record = Record(error=str(CodedMessage.of(error)))
        return ScannedFile(found.path, record)

    return in_order(answer, files, jobs)


def _provenance(data: bytes, record: Record) -> Provenance:
    """Return what a scored file states about its origin."""
    return read_provenance(data, Limits(len(data), (record.width or 1) * (record.height or 1)))


def read(path: Path) -> bytes:
    """Return the bytes of a file; no scorer is handed what is not an image.

    Raises:
        ImageError: it is no image that is read.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(ANY_SIZE.max_bytes + 1)
    check(data, ANY_SIZE)
    return data
