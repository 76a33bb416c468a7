"""Folders for what people send: for the eyes of this service's user only."""

import os
import stat
from pathlib import Path

from forgery_pyfunc.errors import ForgeryError


class FolderError(ForgeryError):
    """A folder that a setting names cannot be used."""

    code = "bad_setting"


def open_private_folder(folder: Path, variable: str) -> None:
    """Create a folder, for its owner's eyes only, where there is none.

    Args:
        folder: to create; in the folder for temporary files, somebody else may have been first.
        variable: the setting that names it, for the error.

    Raises:
        FolderError: it cannot be created, or belongs to somebody else.
    """
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise FolderError(f"{variable}: {folder} must be a folder of this user's own")
        folder.chmod(0o700)
    except OSError as error:
        raise FolderError(f"{variable}: {folder} cannot be used: {error.strerror}") from error
