"""The photographs that the release detector learns from: camera originals, and pictures of phones.

Both sources may be used for any purpose. Camera originals lie in `photos/`, photographs saved once
for the web in `photos_web/`; where they are not at hand they are fetched at a fixed commit, and
the SHA-256 of each is compared with what the shipped detector noted of its training.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL.ExifTags import Base

from forgery_lab.data.folders import images
from forgery_lab.data.inspection import perceptual_hash
from forgery_lab.errors import DataError
from forgery_lab.progress import Progress
from forgery_lab.sources.archives import ArchiveLimits, unpack
from forgery_lab.sources.downloads import download, http_remote
from forgery_lab.sources.photograph_table import Repository
from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.decoding import decode, read_metadata

logger = logging.getLogger(__name__)

PARTS = 3
"""Into so many parts makes and photographs are split; one part judges what the others taught."""


@dataclass(frozen=True)
class PhotoSource:
    """A public repository of photographs at one commit, and the folder they go to."""

    folder: str
    repository: str
    commit: str
    terms: str
    authors: str = "not stated"
    licence_url: str = ""

    @property
    def page(self) -> str:
        """Where GitHub shows the commit."""
        return f"https://github.com/{self.repository}/tree/{self.commit}"

    @property
    def url(self) -> str:
        """Where GitHub gives the archive of the commit."""
        return Repository(self.repository, self.commit).url


CAMERAS = PhotoSource(
    "photos",
    "drewnoakes/metadata-extractor-images",
    "d63b8770911b233569fde2811d076f08f1681e1d",
    "free to use for any purpose",
    "contributors to Drew Noakes' metadata-extractor",
)
WEB = PhotoSource(
    "photos_web",
    "alexeygrigorev/clothing-dataset-small",
    "36364be1969242c019705255cd87aed00c73a939",
    "CC0 1.0",
    "Alexey Grigorev, with Tagias.com, Patricia Goldberg, Chandana Priya and other contributors",
    "https://creativecommons.org/publicdomain/zero/1.0/",
)
SOURCES = (CAMERAS, WEB)


@dataclass(frozen=True)
class PhotoFolder:
    """A folder of photographs of one origin: "camera" originals, or saved for the "web"."""

    path: Path
    origin: str


def find(folder: Path, parts: int = PARTS) -> pd.DataFrame:
    """Return a row per photograph in `photos/` and `photos_web/` of a folder.

    Columns: those of `photographs_of`, and `part`, 0 … parts - 1: all photographs of a make are in
    one, those from the web by their SHA-256.

    Raises:
        DataError: there is no such folder, or no photograph of one of the two kinds.
    """
    folders = (
        PhotoFolder(folder / CAMERAS.folder, "camera"),
        PhotoFolder(folder / WEB.folder, "web"),
    )
    return _with_parts(photographs_of(folders), parts)


def photographs_of(
    folders: Sequence[PhotoFolder], most: int | None = None, without: Collection[str] = ()
) -> pd.DataFrame:
    """Return a row per photograph, in the order of origin and SHA-256.

    Columns: `path`, `sha256`, `phash`, `origin`, `source` (name of the folder), `make`, `width` and
    `height`.

    Args:
        folders: where they lie.
        most: files of one folder that are read, those with the lowest SHA-256; by default all.
        without: SHA-256 of files that are left out.

    Raises:
        DataError: a folder holds no photograph.
    """
    rows = []
    for folder in folders:
        digests = {path: _digest(path) for path in images(folder.path)}
        files = [
            path
            for path in sorted(digests, key=digests.__getitem__)
            if digests[path] not in without
        ]
        found = [row for path in files[:most] if (row := _row(path, folder.origin))]
        if not found:
            raise DataError(
                f"{folder.path} contains no photograph; expected: {CAMERAS.folder}/ "
                f"with camera originals and {WEB.folder}/ with photographs from the web"
            )
        rows += [{**row, "source": folder.path.name} for row in found]
    frame = pd.DataFrame(rows).drop_duplicates("sha256").sort_values(["origin", "sha256"])
    return frame.reset_index(drop=True)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _row(path: Path, origin: str) -> dict[str, object] | None:
    data = path.read_bytes()
    try:
        image = decode(data)
    except ImageError as error:
        logger.warning("left out: %s: %s", path.name, error)
        return None
    make = read_metadata(data).exif.get(Base.Make, "") if origin == "camera" else ""
    return {
        "path": str(path),
        "sha256": hashlib.sha256(data).hexdigest(),
        "phash": perceptual_hash(image),
        "origin": origin,
        "make": str(make).strip("\x00 ").split(" ")[0].lower() or path.stem.split("_")[0].lower(),
        "width": image.width,
        "height": image.height,
    }


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


def fetch(folder: Path, wanted: Collection[str], progress: Progress | None = None) -> Path:
    """Return `folder`, which now holds the photographs with the wanted SHA-256 in two subfolders.

    Where one of them is missing or has changed, both subfolders are made anew.

    Raises:
        DataError: a source cannot be reached, or lacks a photograph that is wanted.
    """
    held = [path for source in SOURCES for path in images(folder / source.folder)]
    if set(wanted) <= {hashlib.sha256(path.read_bytes()).hexdigest() for path in held}:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    limits = ArchiveLimits(max_bytes=4 * 2**30)
    kept: set[str] = set()
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetching-") as scratch:
        for source in SOURCES:
            archive = download(
                http_remote(source.url), folder / ".downloads", limits.max_bytes, progress
            )
            unpacked = Path(scratch) / "unpacked" / source.folder
            unpack(archive, unpacked, limits, source.url)
            kept |= _keep(unpacked, Path(scratch) / source.folder, wanted)
        missing = set(wanted) - kept
        if missing:
            raise DataError(
                f"{len(missing)} of {len(set(wanted))} photographs are not in "
                f"{' and '.join(source.url for source in SOURCES)}, such as the one with SHA-256 "
                f"{min(missing)}"
            )
        for source in SOURCES:
            shutil.rmtree(folder / source.folder, ignore_errors=True)
            (Path(scratch) / source.folder).rename(folder / source.folder)
    shutil.rmtree(folder / ".downloads", ignore_errors=True)
    return folder


def _keep(unpacked: Path, target: Path, wanted: Collection[str]) -> set[str]:
    """Move the wanted images of an unpacked archive into one folder; return their SHA-256."""
    target.mkdir()
    kept = set()
    for path in images(unpacked):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest in wanted and digest not in kept:
            path.rename(target / f"{digest[:16]}_{path.name}")
            kept.add(digest)
    return kept
