"""Pictures that nobody made for this project: in installed packages, and the cases of a report."""

from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from tests.doors.interpreters import ROOT

PACKAGES = ("PIL", "skimage", "imageio", "matplotlib")
CASES = ROOT.parent / "shared" / "cases"


def of_packages() -> list[Path]:
    """Return every file in those packages that is named as a picture, drawings included."""
    Image.init()
    suffixes = {*Image.registered_extensions(), ".svg"}
    folders = [Path(find_spec(package).origin).parent for package in PACKAGES]
    return [
        file
        for folder in folders
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in suffixes and file.is_file()
    ]


def cases() -> list[Path]:
    """Return the small inputs in ../shared/cases; none where that folder is not there."""
    other = {".txt", ".json"}
    return [
        file for file in sorted(CASES.rglob("*")) if file.is_file() and file.suffix not in other
    ]
