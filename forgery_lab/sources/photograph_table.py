"""What eleven public repositories hold: `photographs.tsv`, one row per picture.

Each picture was looked at on contact sheets, those of the photography site `pixls` twice, and
sorted into one of `SORTINGS`. No picture is part of this repository: the table says where each one
is, by whom, and on which terms.

How borders were drawn: one picture as a camera, a phone or an editor gives it is a photograph, also
at night, as a panorama, tone-mapped, in black and white, with a small watermark or a hairline
frame. A retouched portrait, one colour among greys, a stylised or morphed face is
`forged-or-heavy`. Two pictures in one, a broad frame, a drawn overlay or a caption make a
`composite`. Paintings and renderings are a `drawing`; a colour target that fills the picture, a
plot or a diagram is a `chart`; a page or a slide is a `document`.

Near-duplicates: pictures of one source whose perceptual hashes differ in at most 8 of 64 bits, and
what the eye sees to be one scene (crops, bursts, edits of one file, sizes of one wallpaper). Hashes
of clothes on a plain ground do not tell garments apart, so clothes are grouped by eye only. No
picture is a near-duplicate of one of the 1,053 photographs of `photographs.SOURCES`.

Terms: those that the file itself, its article or its folder states count before those of the
repository. Where somebody other than the publisher took the picture and no licence is stated, they
are `terms unclear`.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from forgery_lab.errors import DataError

TABLE = Path(__file__).with_name("photographs.tsv")

SORTINGS = (
    "photograph",
    "composite",
    "forged-or-heavy",
    "screenshot",
    "drawing",
    "chart",
    "document",
    "broken-or-other",
)
"""What a picture can be."""

NO_PHOTOGRAPHS = ("screenshot", "drawing", "chart", "document")
"""The sortings that a detector of forged photographs should decline to judge."""

ORIGINS = ("camera", "web", "lossless")
"""A camera original as far as EXIF and size tell; saved again at least once; never saved as JPEG
since it was scaled."""


@dataclass(frozen=True)
class Repository:
    """A public repository on GitHub, at the commit whose files were sorted."""

    name: str
    commit: str

    @property
    def url(self) -> str:
        """Where GitHub gives the archive of the commit."""
        return f"https://github.com/{self.name}/archive/{self.commit}.zip"


REPOSITORIES: Mapping[str, Repository] = MappingProxyType(
    {
        "boofcv": Repository(
            "lessthanoptimal/BoofCV-Data", "cc6d8adf795be2e0c6cc12b42b9ed0c92cab0fcf"
        ),
        "budgie": Repository(
            "BuddiesOfBudgie/budgie-backgrounds", "82067426f1dde366e9c9038fdbe457c2527525dd"
        ),
        "cameras": Repository(
            "drewnoakes/metadata-extractor-images", "4beba640487802442bc9931fb01274e908102d3a"
        ),
        "clothes": Repository(
            "alexeygrigorev/clothing-dataset", "7ed86a9cc56763b6acb35e41cb35184e43a5d218"
        ),
        "food": Repository("feedmejefferson/images", "cedc596c3c67957da9fee70d96e3c004b71e8240"),
        "gallery": Repository(
            "bep/gallerydeluxe_starter", "1674c368ddfd41eea63a18e914e15ebe35be79bc"
        ),
        "gb82": Repository(
            "gianni-rosato/gb82-image-set", "502f9f94cb73d1ad5c89ce06fe6b100d0a27df8f"
        ),
        "kde": Repository(
            "KDE/plasma-workspace-wallpapers", "1b705475cc181da87ad1af0266cc7ebda3d8e9d5"
        ),
        "mate": Repository(
            "mate-desktop/mate-backgrounds", "d68c2d62a521d38a1ac8ffa2a096d85241bfb64a"
        ),
        "offices": Repository(
            "getcroissant/coworking-stock-photos", "e221b2ff5da07c657bfb3d56b7d207ec165a4084"
        ),
        "pixls": Repository("pixlsus/website", "3694c2e610b44487be39ec9e32ee0a736d8e04c3"),
    }
)
"""By the short name that the table's column `source` uses."""

_FREE = ("CC0 1.0", "public domain", "free to use for any purpose", "MIT", "Pexels licence")
_ATTRIBUTION = ("CC BY 2.0", "CC BY 3.0 BR", "CC BY 4.0")
_SHARE_ALIKE = ("CC BY-SA 2.0", "CC BY-SA 3.0", "CC BY-SA 4.0", "GPL 2.0", "LGPL 3.0")
_RESTRICTED = (
    "CC BY-NC 2.0",
    "CC BY-NC 4.0",
    "CC BY-NC-SA 2.0",
    "CC BY-NC-SA 3.0",
    "CC BY-NC-SA 4.0",
    "CC BY-ND 2.0",
    "non-commercial",
    "all rights reserved",
)
_UNCLEAR = ("terms unclear",)

TERMS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(_FREE, "free"),
        **dict.fromkeys(_ATTRIBUTION, "attribution"),
        **dict.fromkeys(_SHARE_ALIKE, "share-alike"),
        **dict.fromkeys(_RESTRICTED, "restricted"),
        **dict.fromkeys(_UNCLEAR, "unclear"),
    }
)
"""What each of the table's terms asks for. Only the first three kinds may teach a detector."""


@dataclass(frozen=True)
class SortedPicture:
    """A row of the table.

    Attributes:
        source: key of `REPOSITORIES`.
        path: of the file in that repository.
        sha1: the first 8 digits of the file's SHA-1; `laid_out_as` needs no more.
        sha256: of the file.
        sorting: one of `SORTINGS`.
        group: pictures with the same one are near-duplicates; empty where there is none.
        origin: one of `ORIGINS`.
        make: of the camera by EXIF: its first word in small letters, one for all names of a maker
            (eastman is kodak); empty where EXIF names none.
        terms: key of `TERMS`.
        author: who is to be named; empty where the repository does not say.
    """

    source: str
    path: str
    sha1: str
    sha256: str
    sorting: str
    group: str
    origin: str
    make: str
    terms: str
    author: str

    @property
    def laid_out_as(self) -> str:
        """Path of the file where the pictures are laid out in a folder per repository."""
        folder = REPOSITORIES[self.source].name.replace("/", "+")
        return f"{folder}/{self.sha1}_{PurePosixPath(self.path).name}"

    @property
    def may_teach(self) -> bool:
        """Whether the terms allow that a detector learns from the picture."""
        return TERMS[self.terms] in ("free", "attribution", "share-alike")


@functools.cache
def sorted_pictures() -> tuple[SortedPicture, ...]:
    """Return the rows of the table, ordered by source and path; the file is read once.

    Raises:
        DataError: a row lacks a field, or has a value that is not allowed.
    """
    return read_table(TABLE)


def read_table(path: Path) -> tuple[SortedPicture, ...]:
    """Return the rows of such a table.

    Raises:
        DataError: a row lacks a field, or has a value that is not allowed.
    """
    names = [field.name for field in fields(SortedPicture)]
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        header = next(rows, [])
        if header != names:
            raise DataError(f"{path.name} has columns {header}; expected: {names}")
        return tuple(_picture(row, f"{path.name}, line {rows.line_num}") for row in rows)


def _picture(row: list[str], where: str) -> SortedPicture:
    expected = len(fields(SortedPicture))
    if len(row) != expected:
        raise DataError(f"{where}: {len(row)} fields; expected: {expected}")
    picture = SortedPicture(*row)
    for name, allowed in (
        ("source", REPOSITORIES),
        ("sorting", SORTINGS),
        ("origin", ORIGINS),
        ("terms", TERMS),
    ):
        value = getattr(picture, name)
        if value not in allowed:
            raise DataError(f"{where}: {name} is {value!r}; allowed: {', '.join(allowed)}")
    return picture
