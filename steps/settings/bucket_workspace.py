"""A workspace in a bucket: around a step, a folder of this machine stands for it."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forgery_lab.errors import DataError
from forgery_lab.mirror import Mirror
from forgery_lab.places import S3, Place
from steps.errors import SettingsError
from steps.settings.entities import Paths

logger = logging.getLogger(__name__)

FOLDER_VARIABLE = "WORKSPACE_CACHE"
"""Names the folder in which the folders that stand for workspaces lie."""
DEFAULT_FOLDER = "~/.cache/forgery-detector/workspaces"

READERS = {
    "raw": {"ingest", "preprocess", "evaluate"},
    "features": {"preprocess", "train"},
    "random_split": {"evaluate"},
    "release_work": {"release"},
}
"""The steps for which the large folders are fetched; all others are fetched for every step."""


@contextmanager
def workspace_here(root: str | None, step: str, paths: Paths) -> Iterator[str | None]:
    """Yield the workspace as a path, which of a bucket is that of the folder that stands for it.

    What the step reads is fetched before, and what it wrote is sent after, also where it fails.

    Args:
        root: a path, s3://bucket/prefix, or None where there is none.
        step: to be run.
        paths: of the workspace.

    Raises:
        SettingsError: `root` is no such address.
        DataError: the bucket refuses.
    """
    try:
        place = Place.parse(root) if root else None
    except DataError as error:
        raise SettingsError(f"-P: workspace: {error}") from error
    if place is None or place.path:
        yield root
        return
    folder = Path(os.environ.get(FOLDER_VARIABLE) or DEFAULT_FOLDER).expanduser().absolute()
    mirror = Mirror(place, folder / place.address.removeprefix(S3))
    names = {name: str(path) for name, path in paths}
    mirror.fetch([path for name, path in names.items() if step in READERS.get(name, {step})])
    try:
        yield str(mirror.folder)
    finally:
        logger.debug("sending what changed to %s", place)
        mirror.send(names.values())
