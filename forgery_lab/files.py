"""Files that appear whole or not at all."""

import errno
from pathlib import Path

from forgery_lab.errors import DataError


def write_whole(path: Path, content: bytes | memoryview | str) -> None:
    """Write a file beside its place and move it there; what was there before is never altered.

    Raises:
        DataError: the disk is full.
    """
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DataError(f"the disk is full; {path} could not be written") from error
        raise
    finally:
        partial.unlink(missing_ok=True)
