"""Which files a scan is about: those that are named, and the pictures in the folders named.

A file in a folder is known by its first bytes, not by its name.
"""

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from forgery_pyfunc.contract import CodedMessage
from forgery_pyfunc.imaging.decoding import FORMATS
from forgery_pyfunc.imaging.sniffing import refusal, sniff

START = 1024
"""Bytes of a file that tell its kind."""

SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".webp"),
        *(".heic", ".heif", ".avif", ".gif", ".jp2", ".jxl"),
    }
)
"""Names that promise a picture: where the bytes are none, or empty, somebody should know."""

_SPECIAL = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@dataclass(frozen=True)
class FoundFile:
    """A file to score, or one that a folder holds and that cannot be read."""

    path: Path
    problem: CodedMessage | None = None


@dataclass
class Search:
    """The files of a scan, in a stable order, and how many others its folders hold.

    Attributes:
        avoided: folders that are not searched, such as that of the results.
        left_out: files in folders that are no pictures, so far.
    """

    avoided: Iterable[Path] = ()
    left_out: int = 0
    _met: set[tuple[int, int]] = field(default_factory=set)

    def find(self, paths: Iterable[Path]) -> Iterator[FoundFile]:
        """Yield the files named, whatever they are, and what the folders named hold.

        Links to folders are followed, each folder once.
        """
        for path in paths:
            if is_folder(path):
                self._met = {identity for one in self.avoided if (identity := _identity(one))}
                yield from self._folder(path)
            else:
                yield FoundFile(path)

    def _folder(self, top: Path) -> Iterator[FoundFile]:
        waiting = [top]
        while waiting:
            path = waiting.pop()
            try:
                status = path.stat()
                if stat.S_ISDIR(status.st_mode):
                    if (status.st_dev, status.st_ino) not in self._met:
                        self._met.add((status.st_dev, status.st_ino))
                        waiting += sorted(path.iterdir(), reverse=True)
                elif problem := _special(status.st_mode):
                    yield FoundFile(path, problem)
                elif _is_listed(path):
                    yield FoundFile(path)
                else:
                    self.left_out += 1
            except OSError as error:
                yield FoundFile(path, unreadable(error))


def is_folder(path: Path) -> bool:
    """Return whether a path, which may be one that no system takes, is that of a folder."""
    try:
        return path.is_dir()
    except OSError:
        return False


def unreadable(error: OSError) -> CodedMessage:
    """Return why a file or folder cannot be read."""
    return CodedMessage("unreadable", error.strerror or str(error))


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _special(mode: int) -> CodedMessage | None:
    """Return why what is no regular file is not read: it might never end, or not even begin."""
    if stat.S_ISREG(mode):
        return None
    kind = next((name for is_kind, name in _SPECIAL if is_kind(mode)), "something special")
    return CodedMessage("unreadable", f"It is {kind}, not a file.")


def _is_listed(path: Path) -> bool:
    """Return whether a file in a folder is a picture, or looks as if it should be one.

    Hidden files are, only where their bytes show a picture: systems leave many there.
    """
    with path.open("rb") as file:
        start = file.read(START)
    kind = sniff(start)
    if refusal(kind).code == "unsupported_format" or kind in FORMATS:
        return True
    return not path.name.startswith(".") and (not start or path.suffix.lower() in SUFFIXES)
