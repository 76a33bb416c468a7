"""Files and folders scored one by one, by whoever answers: this process or a server."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from forgery_pyfunc.contract import CodedMessage, Record
from forgery_pyfunc.errors import ForgeryError
from forgery_pyfunc.imaging.decoding import check
from forgery_pyfunc.imaging.guards import Limits

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".webp"})
"""What a folder is searched for; files that are named themselves are always read."""

ANY_SIZE = Limits(max_bytes=2**30, max_pixels=10**9)
"""More than any scorer reads: which sizes it takes is for the scorer to say."""


class Scorer(Protocol):
    """Whoever answers for encoded images."""

    def score(self, images: Sequence[bytes], threshold: float | None = None) -> list[Record]:
        """Return one record per image, in order; raise `ForgeryError` where none is given."""

    def check(self) -> None:
        """Raise `ForgeryError` where no answer can be had at all."""


@dataclass(frozen=True)
class ScannedFile:
    """One file and its answer."""

    path: Path
    record: Record

    @property
    def name(self) -> str:
        """The path as text; bytes that are not UTF-8 become replacement characters."""
        return str(self.path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def find_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files named, and the pictures in the folders named, in a stable order."""
    for path in paths:
        if path.is_dir():
            pictures = (file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
            yield from sorted(picture for picture in pictures if not picture.is_dir())
        else:
            yield path


def scan(
    scorer: Scorer, files: Iterable[Path], threshold: float | None = None
) -> Iterator[ScannedFile]:
    """Yield every file with its record; a file without an answer gets a record with an error.

    Args:
        scorer: a `forgery.client.Client` or a `forgery.scoring.LocalScorer`.
        files: the pictures.
        threshold: a probability in [0, 1] that replaces the calibrated grey band.

    Raises:
        ForgeryError: there is no server from the start.
    """
    answered = False
    for path in files:
        try:
            with path.open("rb") as file:
                data = file.read(ANY_SIZE.max_bytes + 1)
            check(data, ANY_SIZE)  # no server is sent what is not an image
            record = scorer.score([data], threshold)[0]
            answered = True
        except OSError as error:
            record = Record(error=str(CodedMessage("unreadable", error.strerror or str(error))))
        except ForgeryError as error:
            if error.code == "scoring_server_absent" and not answered:
                scorer.check()  # raises, unless a server only broke off this upload
            record = Record(error=str(CodedMessage.of(error)))
        yield ScannedFile(path, record)
