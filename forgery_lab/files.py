"""Files and folders that appear whole or not at all."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from forgery_lab.errors import DataError


def write_whole(
    path: Path,
    content: bytes | memoryview | str | Callable[[Path], object],
    alone: bool = False,
) -> None:
    """Write a file beside its place and move it there; what was there before is never altered.

    Several processes, on several machines, may write the same file: the last one's counts.

    Args:
        path: of the file; its folder is made where it is missing.
        content: of the file, or a function that writes it to the path that it is given.
        alone: that no other process writes it, so that what killed ones left of it can go.

    Raises:
        DataError: the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if alone:
        remove_partial(path)
    partial = path.with_name(f".{path.name}.{uuid4().hex}.partial")
    try:
        if callable(content):
            content(partial)
        else:
            partial.write_bytes(content.encode() if isinstance(content, str) else content)
        partial.replace(path)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DataError(f"the disk is full; {path} could not be written") from error
        raise
    finally:
        partial.unlink(missing_ok=True)


def remove_partial(path: Path) -> None:
    """Remove what processes that were killed left of writing a file, or the files of a folder.

    Nobody else may be writing there.
    """
    for folder, pattern in ((path, ".*.partial"), (path.parent, f".{path.name}.*.partial")):
        for partial in folder.glob(pattern):
            if partial.is_file():
                partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder to fill; it becomes `folder` at the end, or vanishes on an error.

    Raises:
        DataError: `folder` exists and is not an empty folder.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise DataError(f"{folder}: exists already and is not an empty folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        partial.chmod(0o755)
        yield partial
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


@contextmanager
def staged(destination: Path) -> Iterator[Path]:
    """Yield an empty folder beside `destination`; it goes, and so does what killed runs left.

    What is made in it takes the place of `destination` by `replace_folder`.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    for leftover in destination.parent.glob(f".{destination.name}.*.partial"):
        if not _is_another_process(leftover.name.split(".")[-2]):
            shutil.rmtree(leftover, ignore_errors=True)
    staging = destination.parent / f".{destination.name}.{os.getpid()}.partial"
    staging.mkdir()
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def replace_folder(folder: Path, new: Path, staging: Path) -> None:
    """Move `new` to `folder`; what was there before goes into `staging`."""
    if folder.exists():
        folder.rename(staging / "replaced")
    new.rename(folder)


def _is_another_process(process: str) -> bool:
    """Return whether another process than this one runs by that number."""
    if process == str(os.getpid()):  # in a container a new process often has an old one's number
        return False
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
