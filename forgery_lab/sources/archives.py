"""Unpacking archives that cannot leave their folder and cannot grow without end."""

import errno
import lzma
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from forgery_lab.errors import DataError
from forgery_lab.progress import Progress
from forgery_pyfunc.imaging.sniffing import sniff

_CHUNK = 2**20
_RATIO_FROM = 100 * 2**20
_DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError,
    ValueError, struct.error,  # of names and numbers that both modules believe
)  # fmt: skip
_OF_THE_MACHINE = {
    errno.EACCES, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOENT, errno.ENOSPC,
    errno.EPERM, errno.EROFS,
}  # fmt: skip
"""Of an `OSError` while unpacking; others come of names and places that the archive states."""


@dataclass(frozen=True)
class ArchiveLimits:
    """How large the content of an archive may be.

    `max_ratio`, unpacked by packed size, counts from 100 MB on. CASIA 2.0 has 18,000 files with its
    masks and 2.6 GB.
    """

    max_files: int = 200_000
    max_bytes: int = 50 * 2**30
    max_ratio: float = 200.0


class Budget:
    """What may still be written of one source."""

    def __init__(self, limits: ArchiveLimits, name: str, packed: int | None = None) -> None:
        self.name = name
        self.files = 0
        self.bytes = 0
        self.max_files = limits.max_files
        self.max_bytes = float(limits.max_bytes)
        if packed is not None:
            self.max_bytes = min(self.max_bytes, max(limits.max_ratio * packed, _RATIO_FROM))

    def write(self, chunks: Iterable[bytes], target: Path) -> None:
        """Write one file; raises DataError as soon as a limit is passed."""
        self.files += 1
        if self.files > self.max_files:
            raise DataError(f"{self.name}: it holds more than {self.max_files:,} files, the limit.")
        with target.open("wb") as stream:
            for chunk in chunks:
                self.bytes += len(chunk)
                if self.bytes > self.max_bytes:
                    raise DataError(
                        f"{self.name}: unpacked it exceeds {self.max_bytes:,.0f} bytes, the limit "
                        "for an archive of its size."
                    )
                stream.write(chunk)


def unpack(
    archive: Path, folder: Path, limits: ArchiveLimits, name: str, progress: Progress | None = None
) -> None:
    """Unpack a zip or tar archive (plain, gzip, bzip2 or xz) into `folder`, which it makes.

    Only plain files and folders are unpacked; sizes are counted while writing, not believed.

    Raises:
        DataError: `archive`, called `name`, is no archive, is damaged or encrypted, has an entry
            outside of its folder, a link or a device, or exceeds a limit.
    """
    budget = Budget(limits, name, archive.stat().st_size)
    folder.mkdir(parents=True)
    try:
        for entry, stream in _entries(archive, name):
            target = inner_path(folder, entry, name)
            if stream is None:
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with stream:
                budget.write(iter(partial(stream.read, _CHUNK), b""), target)
            if progress:
                progress(budget.files, 0)
    except NotImplementedError as error:
        raise DataError(f"{name}: the archive uses an unknown compression ({error}).") from error
    except (OSError, *_DAMAGED) as error:
        if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
            raise
        raise DataError(f"{name}: the archive is damaged or cut off ({error}).") from error


def inner_path(folder: Path, entry: str, name: str) -> Path:
    """Return where `entry` of the source `name` belongs in `folder`; DataError if outside."""
    pure = PurePosixPath(entry.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or re.match("[A-Za-z]:", entry) or "\0" in entry:
        raise DataError(
            f"{name}: the entry {entry!r} lies outside of the folder it is unpacked into."
        )
    return folder / pure


def _entries(archive: Path, name: str) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Yield the path of each entry with its content, None for a folder."""
    if zipfile.is_zipfile(archive):
        return _zip_entries(archive, name)
    if tarfile.is_tarfile(archive):
        return _tar_entries(archive, name)
    with archive.open("rb") as stream:
        kind = sniff(stream.read(1024))
    seems = f" (it looks like {kind})" if kind else ""
    raise DataError(f"{name}: this is neither a zip nor a tar archive{seems}.")


def _zip_entries(archive: Path, name: str) -> Iterator[tuple[str, IO[bytes] | None]]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            if not info.filename:
                raise zipfile.BadZipFile("an entry has no name")
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _not_plain(name, info.filename)
            if info.flag_bits & 1:
                raise DataError(f"{name}: the archive is encrypted; unpack it by hand first.")
            yield info.filename, None if info.is_dir() else opened.open(info)


def _tar_entries(archive: Path, name: str) -> Iterator[tuple[str, IO[bytes] | None]]:
    with tarfile.open(archive) as opened:
        for member in opened:
            if not member.isreg() and not member.isdir():
                raise _not_plain(name, member.name)
            yield member.name, opened.extractfile(member)


def _not_plain(name: str, entry: str) -> DataError:
    return DataError(
        f"{name}: the entry {entry!r} is a link or a device; only files and folders are unpacked."
    )
