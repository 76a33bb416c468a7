"""The photographs that the release detector learns from: camera originals, and those of the web.

They lie in one folder: in `photos/` (camera originals) and `photos_web/` (saved for the web), in a
folder per repository of the sorted table, or anywhere in it where a table of terms says on which
terms. Where none are at hand they are fetched at fixed commits, and their SHA-256 is compared.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from PIL.ExifTags import Base

from forgery_lab.data.folders import images
from forgery_lab.data.inspection import perceptual_hash
from forgery_lab.errors import DataError
from forgery_lab.processes import in_parallel
from forgery_lab.progress import Progress
from forgery_lab.sources.downloads import download, http_remote
from forgery_lab.sources.makes import make_of
from forgery_lab.sources.photograph_table import (
    NAME,
    REPOSITORIES,
    SortedPicture,
    known_pictures,
    read_own_table,
)
from forgery_lab.sources.sealed import sealed, sealed_makes
from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.decoding import decode, read_metadata
from forgery_pyfunc.imaging.guards import NO_LIMITS

logger = logging.getLogger(__name__)

PARTS = 3
"""Into so many parts makes and photographs are split; one part judges what the others taught."""
MOST = 700
"""Photographs of one web source that teach; else clothes would be most of all."""
CAMERAS, WEB = "photos", "photos_web"
"""Folders of camera originals, and of photographs from the web, whatever their terms."""
_SAME_SOURCE = {"clothes_small": "clothes"}
"""The smaller set of clothes is what the larger one is, for plans and thresholds."""
_LARGEST_FILE = 256 * 2**20
_CHUNK, _FEWEST_FOR_PROCESSES = 16, 64


@dataclass(frozen=True)
class PhotoFolder:
    """A folder of photographs of one origin: "camera" originals, or saved for the "web"."""

    path: Path
    origin: str


@dataclass(frozen=True)
class Photograph:
    """A photograph that was not opened yet, and what is known of it.

    Attributes:
        path: of the file.
        sha256: that the file must have.
        origin: "camera" or "web".
        source: name of the collection.
        make: of the camera, as `makes.make_of` writes it; empty where it is not stated.
        group: near-duplicates have the same one; empty where there is none.
        terms: key of `photograph_table.TERMS`; empty where they are not known.
        author: who is to be named; may be empty.
        repository: key of `photograph_table.REPOSITORIES`; empty for one's own.
        title: path of the file where it comes from.
    """

    path: Path
    sha256: str
    origin: str
    source: str
    make: str = ""
    group: str = ""
    terms: str = ""
    author: str = ""
    repository: str = ""
    title: str = ""

    @classmethod
    def of_table(cls, picture: SortedPicture, path: Path, repository: str = "") -> Photograph:
        """Return what a table says of a picture that lies at `path`."""
        return cls(
            path=path,
            sha256=picture.sha256,
            origin="camera" if picture.origin == "camera" else "web",
            source=_SAME_SOURCE.get(picture.source, picture.source),
            make=make_of(picture.make),
            group=f"{picture.source} {picture.group}" if picture.group else "",
            terms=picture.terms,
            author=picture.author,
            repository=repository,
            title=picture.path,
        )

    @classmethod
    def of_file(cls, path: Path, origin: str, source: str) -> Photograph:
        """Return what a file says of itself."""
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        return cls(path, digest, origin, source, _stated_make(data), title=path.name)


def find(folder: Path, most: int = MOST, parts: int = PARTS) -> pd.DataFrame:
    """Return a row per photograph of a folder that may teach, in the order of origin and SHA-256.

    Columns: `path`, `sha256`, `phash`, `origin`, `source`, `make`, `group`, `terms`, `author`,
    `repository`, `title` (see `Photograph`), `width`, `height`, and `part`, 0 … parts - 1: all
    camera originals of a make are in one, those from the web by their SHA-256. Sealed originals and
    makes are left out; of near-duplicates there is one.

    Args:
        folder: with `photos/`, `photos_web/`, folders of the table's repositories, or a table.
        most: photographs of one web source, those with the lowest SHA-256.
        parts: number of parts.

    Raises:
        DataError: there is no photograph of one of the two origins, a file has no terms or has
            changed, or the folder's table is not as it must be.
    """
    chosen = choose([*_known_in(folder), *_own_in(folder)], most)
    opened = in_parallel(_opened, chosen, chunk=_CHUNK, fewest=_FEWEST_FOR_PROCESSES)
    rows = [row for row in opened if row]
    for origin in ("camera", "web"):
        if not any(row["origin"] == origin for row in rows):
            raise DataError(
                f"{folder} contains no photograph of origin {origin} that may teach; expected: "
                f"{CAMERAS}/ with camera originals and {WEB}/ with photographs from the web, "
                f"folders of the repositories of forgery_lab/sources/{NAME}, or photographs with a "
                f"table of their terms, {NAME}"
            )
    frame = pd.DataFrame(rows).drop_duplicates("phash").reset_index(drop=True)
    return _with_parts(frame, parts)


def _known_in(folder: Path) -> Iterator[Photograph]:
    """Yield the photographs of the repositories, laid out in a folder for each."""
    for picture in known_pictures().values():
        path = folder / picture.laid_out_as
        if _teaches(picture) and path.is_file():
            yield Photograph.of_table(picture, path, picture.source)


def _own_in(folder: Path) -> Iterator[Photograph]:
    """Yield what lies in `photos/` and `photos_web/`, and what the folder's own table names."""
    table = read_own_table(folder) if (folder / NAME).is_file() else ()
    named = {folder / picture.path: picture for picture in table}
    for path, picture in named.items():
        if picture.sorting == "photograph":
            yield _with_own_terms(picture, path)
    for origin, name in (("camera", CAMERAS), ("web", WEB)):
        for path in images(folder / name):
            if path in named:
                continue
            photograph = Photograph.of_file(path, origin, name)
            known = known_pictures().get(photograph.sha256)
            if known is not None and _teaches(known):
                yield Photograph.of_table(known, path, known.source)
            elif known is None and not table:
                yield photograph
    if table:
        _check_terms(folder, named)


def _with_own_terms(picture: SortedPicture, path: Path) -> Photograph:
    stated = Photograph.of_table(picture, path)
    file = Photograph.of_file(path, stated.origin, stated.source)
    if picture.sha256 not in ("", file.sha256):
        raise _changed(path, file.sha256, picture.sha256)
    return replace(stated, sha256=file.sha256, make=stated.make or file.make)


def _check_terms(folder: Path, named: Collection[Path]) -> None:
    """Raise `DataError` where a picture has no terms, neither here nor in this project's tables."""
    laid_out = {folder / picture.laid_out_as for picture in known_pictures().values()}
    for path in images(folder):
        if path in named or path in laid_out:
            continue
        if hashlib.sha256(path.read_bytes()).hexdigest() not in known_pictures():
            raise DataError(
                f"{path.relative_to(folder)} has no terms: {folder / NAME} has no row of it"
            )


def _teaches(picture: SortedPicture) -> bool:
    return picture.sorting == "photograph" and picture.may_teach


def choose(photographs: Iterable[Photograph], most: int = MOST) -> list[Photograph]:
    """Return the photographs that teach: no sealed ones, none twice, not too many of one source.

    Args:
        photographs: whose terms allow it.
        most: of one web source, those with the lowest SHA-256.
    """
    chosen: list[Photograph] = []
    seen: set[str] = set()
    of_source: Counter[str] = Counter()
    for one in sorted(photographs, key=lambda one: (one.origin, one.sha256)):
        identities = {one.sha256, *([one.group] if one.group else [])}
        if one.sha256 in sealed() or one.make in sealed_makes() or identities & seen:
            continue
        seen |= identities
        if one.origin == "web":
            if of_source[one.source] == most:
                continue
            of_source[one.source] += 1
        chosen.append(one)
    return chosen


def photographs_of(
    folders: Sequence[PhotoFolder], most: int | None = None, without: Collection[str] = ()
) -> pd.DataFrame:
    """Return a row per photograph of folders, whatever their terms, in order of origin and SHA-256.

    Columns: those of `find` without `part`; `source` is the name of the folder.

    Args:
        folders: where they lie.
        most: files of one folder that are read, those with the lowest SHA-256; by default all.
        without: SHA-256 of files that are left out.

    Raises:
        DataError: a folder holds no photograph.
    """
    rows = []
    for folder in folders:
        files = [
            Photograph.of_file(path, folder.origin, folder.path.name)
            for path in images(folder.path)
        ]
        files = sorted(
            (one for one in files if one.sha256 not in without), key=lambda one: one.sha256
        )
        found = [row for one in files[:most] if (row := _opened(one))]
        if not found:
            raise DataError(f"{folder.path} contains no photograph")
        rows += found
    frame = pd.DataFrame(rows).drop_duplicates("sha256").sort_values(["origin", "sha256"])
    return frame.reset_index(drop=True)


def _opened(photograph: Photograph) -> dict[str, object] | None:
    """Return the row of a photograph; None where it cannot be read.

    Raises:
        DataError: the file has changed.
    """
    path = photograph.path
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != photograph.sha256:
        raise _changed(path, digest, photograph.sha256)
    try:
        image = decode(data)
    except ImageError as error:
        logger.warning("left out: %s: %s", path.name, error)
        return None
    unnamed = path.stem.split("_")[0].lower() if photograph.origin == "camera" else ""
    return {
        "path": str(path),
        "sha256": digest,
        "phash": perceptual_hash(image),
        "origin": photograph.origin,
        "source": photograph.source,
        "make": photograph.make or unnamed,
        "group": photograph.group,
        "terms": photograph.terms,
        "author": photograph.author,
        "repository": photograph.repository,
        "title": photograph.title,
        "width": image.width,
        "height": image.height,
    }


def _changed(path: Path, digest: str, expected: str) -> DataError:
    return DataError(f"{path} has the SHA-256 {digest}; its table says {expected}")


def _stated_make(data: bytes) -> str:
    try:
        return make_of(str(read_metadata(data, NO_LIMITS).exif.get(Base.Make, "")))
    except ImageError:
        return ""  # `_opened` tells what is wrong with the file


def _with_parts(frame: pd.DataFrame, parts: int) -> pd.DataFrame:
    """Give the makes to the parts, the largest first, each to the part that has least."""
    counts = frame[frame["origin"] == "camera"]["make"].value_counts(sort=False)
    held, part_of = [0] * parts, {}
    for make, count in sorted(counts.items(), key=lambda item: (-item[1], str(item[0]))):
        part_of[make] = held.index(min(held))
        held[part_of[make]] += count
    by_digest = frame["sha256"].str[:8].map(lambda digits: int(digits, 16) % parts)
    return frame.assign(
        part=frame["make"].map(part_of).where(frame["origin"] == "camera", by_digest).astype(int)
    )


def fetch(folder: Path, most: int = MOST, progress: Progress | None = None) -> Path:
    """Return `folder`, which now holds the photographs that `find` chooses of the repositories.

    What is there already is not fetched again, so a stopped fetch goes on.

    Args:
        folder: to lay them out in, a folder per repository.
        most: as in `find`.
        progress: called with the files that are there and their number.

    Raises:
        DataError: a file cannot be reached, or is not the one that was sorted.
    """
    every = [
        Photograph.of_table(picture, folder / picture.laid_out_as, picture.source)
        for picture in known_pictures().values()
        if _teaches(picture)
    ]
    wanted = choose(every, most)
    for number, photograph in enumerate(wanted):
        if not _is_whole(photograph):
            _fetch_one(photograph, folder / ".downloads")
        if progress:
            progress(number + 1, len(wanted))
    shutil.rmtree(folder / ".downloads", ignore_errors=True)
    return folder


def _is_whole(photograph: Photograph) -> bool:
    path = photograph.path
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == photograph.sha256


def _fetch_one(photograph: Photograph, scratch: Path) -> None:
    url = REPOSITORIES[photograph.repository].url(photograph.title)
    part = download(http_remote(url), scratch, _LARGEST_FILE)
    digest = hashlib.sha256(part.read_bytes()).hexdigest()
    if digest != photograph.sha256:
        part.unlink()
        raise DataError(f"{url} has the SHA-256 {digest}; expected: {photograph.sha256}")
    photograph.path.parent.mkdir(parents=True, exist_ok=True)
    part.replace(photograph.path)
