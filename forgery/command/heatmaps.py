"""The heat maps of a scan as files: a PNG per picture, in folders as the pictures'."""

import base64
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from forgery.command.exits import Failure
from forgery.finding import FoundFile, is_folder
from forgery.scanning import ScannedFile


class HeatmapFolder:
    """A folder that mirrors what the pictures' paths do not share, so that no two maps collide."""

    def __init__(self, folder: Path, named: Sequence[Path]) -> None:
        """Take the folder, and what the user named.

        Raises:
            Failure: it is one of the folders of pictures.
        """
        if is_folder(folder):
            for path in named:
                if is_folder(path) and path.samefile(folder):
                    raise Failure(f"--heatmaps: {folder} holds the pictures; give another folder.")
        self.folder = folder
        tops = [path if is_folder(path) else path.parent for path in named]
        self.top = os.path.commonpath([os.path.abspath(path) for path in tops])  # noqa: PTH100

    def make(self, files: Iterable[FoundFile]) -> None:
        """Make the folder, for the maps of these files.

        Raises:
            Failure: a map would overwrite a picture, or the folder cannot be made.
        """
        pictures = {os.path.abspath(file.path) for file in files}  # noqa: PTH100
        for picture in pictures:
            target = os.path.abspath(self.place(Path(picture)))  # noqa: PTH100
            if target in pictures:
                raise Failure(f"The heat map of {picture} would overwrite the picture {target}.")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Failure(f"--heatmaps: {self.folder}: {error.strerror}") from error

    def place(self, picture: Path) -> Path:
        """Return where the map of a picture goes: its path below the common folder, and `.png`."""
        return self.folder / f"{os.path.relpath(picture, self.top)}.png"

    def write(self, file: ScannedFile) -> None:
        """Write the map of a file that has one.

        Raises:
            OSError: it cannot be written.
        """
        if file.record.heatmap:
            path = self.place(file.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(base64.b64decode(file.record.heatmap))
