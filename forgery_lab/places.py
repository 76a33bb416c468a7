"""Files and folders by one kind of address: a path, or s3://bucket/key.

Credentials, region and server of a bucket come from the environment alone, as AWS names them
(`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL` …), from AWS's own files, or from the machine's role.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from forgery_lab.errors import DataError
from forgery_lab.files import write_whole

S3 = "s3://"
_SECONDS_TO_CONNECT, _SECONDS_TO_READ, _ATTEMPTS = 10, 60, 4


@dataclass(frozen=True)
class Place:
    """A file or folder; `address` is an absolute path or s3://bucket/key, without a last slash."""

    address: str

    @classmethod
    def parse(cls, text: str) -> Place:
        """Return the place that a setting names.

        Raises:
            DataError: it is neither a path nor s3://bucket/key, or holds a password.
        """
        if not re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text):
            return cls(str(Path(text).absolute()))
        bucket, _, key = text.removeprefix(S3).partition("/")
        if not text.startswith(S3) or not re.fullmatch(r"[a-z0-9][a-z0-9.-]+", bucket):
            shown = re.sub(r"//[^/]*@", "//…@", text)
            raise DataError(f"got {shown!r}; allowed: a path, or s3://bucket/key")
        return cls(f"{S3}{bucket}/{key}".rstrip("/"))

    def __str__(self) -> str:
        return self.address

    def __truediv__(self, name: str) -> Place:
        """Return the place of this name in the folder."""
        return Place(f"{self.address}/{name}")

    def beside(self, name: str) -> Place:
        """Return the place of another name in the same folder."""
        return Place(f"{self.address.rpartition('/')[0]}/{name}")

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.address.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The extension with its dot, "" where there is none."""
        return Path(self.name).suffix

    @property
    def path(self) -> Path | None:
        """The path of a place on this machine, None in a bucket."""
        return None if self.address.startswith(S3) else Path(self.address)

    def exists(self) -> bool:
        """Return whether there is a file or folder; raise `DataError` where it cannot be told."""
        if self.path:
            return self.path.exists()
        with _told(self):
            return bool(_bucket().exists(self.address))

    def files(self) -> list[tuple[str, int]]:
        """Return name and bytes of every file below the folder, in the order of the names.

        Names are relative to it and have "/" between their parts; links to folders are not
        followed. A folder that does not exist has none in a bucket.

        Raises:
            DataError: there is no such folder, or it may not be read.
        """
        if self.path:
            return sorted(_local_files(self.path))
        return sorted((name, int(facts["size"])) for name, facts in self._objects())

    def versions(self) -> dict[str, str]:
        """Return for every file below the folder, by its name, what changes with its content.

        Raises:
            DataError: as `files`.
        """
        if self.path:
            return {name: _local_version(self.path / name) for name, _ in self.files()}
        return {name: str(facts["ETag"]) for name, facts in self._objects()}

    def fetch(self, names: Sequence[str], folder: Path) -> None:
        """Copy files of the folder to the same names in a folder of this machine.

        Raises:
            DataError: one of them cannot be read, or leads out of the folder, as objects may be
                named; or the disk is full.
        """
        if not names:
            return
        for name in names:
            if ".." in name.split("/"):
                raise DataError(f"{self / name}: the name leads out of the folder")
        system = _bucket() if self.path is None else _local()
        copies = [folder / name for name in names]
        for parent in {copy.parent for copy in copies}:
            parent.mkdir(parents=True, exist_ok=True)
        with _told(self):
            system.get([(self / name).address for name in names], [str(copy) for copy in copies])

    def read(self, at_most: int | None = None) -> bytes:
        """Return the content of a file, or its first `at_most` bytes if it has more.

        Raises:
            OSError: there is no such file, or it may not be read.
            DataError: the server failed.
        """
        if self.path:
            with self.path.open("rb") as stream:
                return stream.read(-1 if at_most is None else at_most)
        part = {} if at_most is None else {"start": 0, "end": at_most}
        with _told(self, file=True):
            return bytes(_bucket().cat_file(self.address, **part))

    def copy(self, file: Path) -> None:
        """Write what a file of this machine holds; errors as those of `write`."""
        if self.path:
            write_whole(self.path, partial(shutil.copyfile, file))
            return
        with _told(self):
            _bucket().put_file(str(file), self.address)

    def write(self, content: bytes | Callable[[Path], object]) -> None:
        """Write a file, whole or not at all; folders above it are made where they are missing.

        Args:
            content: of the file, or a function that writes it to the path that it is given.

        Raises:
            DataError: the disk is full, or the bucket does not take it.
        """
        if self.path:
            write_whole(self.path, content)
            return
        with tempfile.TemporaryDirectory() as folder, _told(self):
            if callable(content):
                file = Path(folder) / self.name
                content(file)
                self.copy(file)
            else:
                _bucket().pipe_file(self.address, content)

    def remove(self) -> None:
        """Remove a file or a folder with all in it; nothing happens where there is none."""
        system = _bucket() if self.path is None else _local()
        with _told(self):
            if system.exists(self.address):
                system.rm(self.address, recursive=True)

    def remove_files(self, names: Sequence[str]) -> None:
        """Remove files of the folder."""
        if not names:
            return
        system = _bucket() if self.path is None else _local()
        with _told(self):
            system.rm([(self / name).address for name in names])

    def _objects(self) -> Iterator[tuple[str, dict[str, Any]]]:
        with _told(self):
            found = _bucket().find(f"{self.address}/", detail=True)
        root = f"{self.address.removeprefix(S3)}/"
        for key, facts in found.items():
            name = key.removeprefix(root)
            if name and not name.endswith("/"):  # some tools mark folders by empty objects
                yield name, facts


def _local_files(folder: Path) -> Iterator[tuple[str, int]]:
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder")

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: {error.strerror}") from error

    for parent, _, names in os.walk(folder, onerror=refuse):
        for name in names:
            path = Path(parent, name)
            if path.is_file():
                yield path.relative_to(folder).as_posix(), path.stat().st_size


def _local_version(file: Path) -> str:
    status = file.stat()
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"


@cache
def _local() -> Any:
    import fsspec

    return fsspec.filesystem("file")


@cache
def _bucket() -> Any:
    """Return the file system of buckets, the same for all threads of a process."""
    from s3fs import S3FileSystem

    return S3FileSystem(
        use_listings_cache=False,
        skip_instance_cache=True,
        config_kwargs={
            "connect_timeout": _SECONDS_TO_CONNECT,
            "read_timeout": _SECONDS_TO_READ,
            "retries": {"max_attempts": _ATTEMPTS, "mode": "standard"},
        },
    )


@contextmanager
def _told(place: Place, file: bool = False) -> Iterator[None]:
    """Turn what s3fs and botocore raise into a sentence with the address.

    Args:
        place: which address.
        file: that a missing or closed file stays an `OSError`, as a local one is.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (OSError, BotoCoreError, ClientError) as error:
        if file and isinstance(error, FileNotFoundError | PermissionError):
            raise
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise DataError(f"{place}: {reason}") from error
