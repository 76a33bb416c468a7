"""Reading the images of a batch, at no more memory than the model takes."""

from __future__ import annotations

import os
import re
from functools import partial

from forgery_lab.errors import DataError
from forgery_lab.evaluation.scoring import Load
from forgery_lab.places import Place
from forgery_lab.scoring.job import Image
from forgery_pyfunc.imaging.guards import read_limits

_NOT_UTF8 = re.compile("[\ud800-\udfff]")
"""Python's stand-ins for bytes of a file's name that are not UTF-8."""


def listing(folder: Place) -> list[Image]:
    """Return name and bytes of every file below the folder, in the order of the names.

    Raises:
        DataError: there is no such folder, no file in it, or a name that is not UTF-8.
    """
    try:
        files = folder.files()
    except DataError as error:
        raise DataError(f"{error}; input must be a folder of images") from error
    if not files:
        raise DataError(f"{folder} holds no file; input must be a folder of images")
    for name, _ in files:
        if _NOT_UTF8.search(name):
            raise DataError(f"{folder}: the name {name!a} is not UTF-8; rename the file")
    return files


def reader(folder: Place, image: Image) -> Load:
    """Return what reads an image, yet of one above the model's limit no more than shows that."""
    name, size = image
    limit = read_limits(os.environ).max_bytes
    return partial((folder / name).read, limit + 1 if size > limit else None)
