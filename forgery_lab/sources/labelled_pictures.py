"""Pictures that are known to be photographs or not, by source: what a classifier learns from."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from forgery_lab.data.folders import images
from forgery_lab.errors import DataError
from forgery_lab.sources import no_photographs
from forgery_lab.sources.photograph_table import NO_PHOTOGRAPHS, sorted_pictures
from forgery_lab.sources.sealed import sealed

PHOTOGRAPH = "photograph"


@dataclass(frozen=True)
class LabelledPicture:
    """A file, and whether it is a photograph.

    Attributes:
        path: of the file.
        source: a repository, or a subject of what was drawn: what is held out as a whole.
        is_photograph: whether a camera made the picture.
        may_teach: whether its terms allow that a detector learns from it.
    """

    path: Path
    source: str
    is_photograph: bool
    may_teach: bool = True


def of_table(folder: Path) -> list[LabelledPicture]:
    """Return the photographs and no photographs of the table of sorted pictures.

    Composites, heavily edited and broken pictures are neither; sealed originals are left out.

    Args:
        folder: where they are laid out in a folder per repository.

    Raises:
        DataError: the folder holds none of them.
    """
    kept_aside = sealed()
    found = [
        LabelledPicture(
            folder / picture.laid_out_as,
            picture.source,
            picture.sorting == PHOTOGRAPH,
            picture.may_teach,
        )
        for picture in sorted_pictures()
        if picture.sorting in (PHOTOGRAPH, *NO_PHOTOGRAPHS)
        and picture.sha256 not in kept_aside
        and (folder / picture.laid_out_as).is_file()
    ]
    return _not_empty(found, folder, "a folder per repository, as docs/data.md says")


def of_drawn(folder: Path) -> list[LabelledPicture]:
    """Return what `no_photographs.draw` drew, each subject a source.

    Raises:
        DataError: the folder holds no such table.
    """
    index = folder / no_photographs.INDEX
    if not index.is_file():
        raise DataError(f"{folder} has no {index.name}; expected: what was drawn, and its table")
    with index.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["sha256"]]
    found = [
        LabelledPicture(folder / row["file"], f"drawn: {row['subject']}", is_photograph=False)
        for row in rows
        if (folder / row["file"]).is_file()
    ]
    return _not_empty(found, folder, "the pictures of its table")


def of_folder(
    folder: Path, source: str, is_photograph: bool, may_teach: bool = True
) -> list[LabelledPicture]:
    """Return all pictures of a folder as one source, sealed originals left out.

    Raises:
        DataError: the folder holds no picture.
    """
    found = [
        LabelledPicture(path, source, is_photograph, may_teach) for path in _not_sealed(folder)
    ]
    return _not_empty(found, folder, "pictures")


def _not_sealed(folder: Path) -> Iterator[Path]:
    kept_aside = sealed()
    for path in images(folder):
        if hashlib.sha256(path.read_bytes()).hexdigest() not in kept_aside:
            yield path


def _not_empty(found: list[LabelledPicture], folder: Path, expected: str) -> list[LabelledPicture]:
    if not found:
        raise DataError(f"{folder} holds no labelled picture; expected: {expected}")
    return found


def at_most(pictures: Sequence[LabelledPicture], most: int) -> list[LabelledPicture]:
    """Return so many pictures of each source and kind, always the same ones, in their order."""
    by_digest = sorted(pictures, key=lambda one: hashlib.sha256(one.path.name.encode()).digest())
    taken: Counter[tuple[str, bool]] = Counter()
    kept = set()
    for picture in by_digest:
        kind = picture.source, picture.is_photograph
        taken[kind] += 1
        if taken[kind] <= most:
            kept.add(picture)
    return [picture for picture in pictures if picture in kept]
