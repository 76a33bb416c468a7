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
picture is a near-duplicate of one of the 1,053 of `first_photographs.tsv`, which the first shipped
detectors learnt from: 53 camera originals, and 1,000 of clothes.

Terms: those that the file itself, its article or its folder states count before those of the
repository. Where somebody other than the publisher took the picture and no licence is stated, they
are `terms unclear`.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from urllib.parse import quote

from forgery_lab.errors import DataError

NAME = "photographs.tsv"
TABLE = Path(__file__).with_name(NAME)
FIRST_TABLE = Path(__file__).with_name("first_photographs.tsv")
RAW_FILES = "https://raw.githubusercontent.com"
"""Where GitHub gives a single file of a commit."""

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
    """A public repository on GitHub, at the commit whose files were sorted.

    Attributes:
        name: OWNER/NAME.
        commit: its 40 digits.
        authors: of those of its pictures that name nobody.
    """

    name: str
    commit: str
    authors: str = "not stated"

    @property
    def page(self) -> str:
        """Where GitHub shows the commit."""
        return f"https://github.com/{self.name}/tree/{self.commit}"

    def url(self, path: str) -> str:
        """Return where GitHub gives a file of the commit."""
        return f"{RAW_FILES}/{self.name}/{self.commit}/{quote(path)}"


_CLOTHES = (
    "Alexey Grigorev, with Tagias.com, Patricia Goldberg, Chandana Priya and other contributors"
)

REPOSITORIES: Mapping[str, Repository] = MappingProxyType(
    {
        "boofcv": Repository(
            "lessthanoptimal/BoofCV-Data", "cc6d8adf795be2e0c6cc12b42b9ed0c92cab0fcf"
        ),
        "budgie": Repository(
            "BuddiesOfBudgie/budgie-backgrounds", "82067426f1dde366e9c9038fdbe457c2527525dd"
        ),
        "cameras": Repository(
            "drewnoakes/metadata-extractor-images",
            "4beba640487802442bc9931fb01274e908102d3a",
            "contributors to Drew Noakes' metadata-extractor",
        ),
        "clothes": Repository(
            "alexeygrigorev/clothing-dataset", "7ed86a9cc56763b6acb35e41cb35184e43a5d218", _CLOTHES
        ),
        "clothes_small": Repository(
            "alexeygrigorev/clothing-dataset-small",
            "11961516512414bf9f6c150a832cfd21b54a6b54",
            _CLOTHES,
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
"""What each of the table's terms asks for."""

MAY_TEACH = ("free", "attribution", "share-alike")
"""The kinds of terms that allow a detector to learn from a picture."""

_CREATIVE_COMMONS = "https://creativecommons.org"
LICENCE_PAGES: Mapping[str, str] = MappingProxyType(
    {
        "CC0 1.0": f"{_CREATIVE_COMMONS}/publicdomain/zero/1.0/",
        "CC BY 2.0": f"{_CREATIVE_COMMONS}/licenses/by/2.0/",
        "CC BY 3.0 BR": f"{_CREATIVE_COMMONS}/licenses/by/3.0/br/",
        "CC BY 4.0": f"{_CREATIVE_COMMONS}/licenses/by/4.0/",
        "CC BY-SA 2.0": f"{_CREATIVE_COMMONS}/licenses/by-sa/2.0/",
        "CC BY-SA 3.0": f"{_CREATIVE_COMMONS}/licenses/by-sa/3.0/",
        "CC BY-SA 4.0": f"{_CREATIVE_COMMONS}/licenses/by-sa/4.0/",
        "GPL 2.0": "https://www.gnu.org/licenses/old-licenses/gpl-2.0.html",
        "LGPL 3.0": "https://www.gnu.org/licenses/lgpl-3.0.html",
        "MIT": "https://opensource.org/license/mit",
        "Pexels licence": "https://www.pexels.com/license/",
    }
)
"""The text of those terms that may teach and have one."""


@dataclass(frozen=True)
class SortedPicture:
    """A row of a table.

    Attributes:
        source: key of `REPOSITORIES`; any word in a table of one's own.
        path: of the file in that repository, or in the folder of one's own table.
        sha1: the first 8 digits of the file's SHA-1; `laid_out_as` needs no more.
        sha256: of the file.
        sorting: one of `SORTINGS`.
        group: pictures with the same one are near-duplicates; empty where there is none.
        origin: one of `ORIGINS`.
        make: of the camera by EXIF, as `makes.make_of` writes it; empty where EXIF names none.
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
        return TERMS[self.terms] in MAY_TEACH


@functools.cache
def sorted_pictures() -> tuple[SortedPicture, ...]:
    """Return the pictures sorted by eye, ordered by source and path; the file is read once.

    Raises:
        DataError: a row lacks a field, or has a value that is not allowed.
    """
    return read_table(TABLE)


@functools.cache
def known_pictures() -> Mapping[str, SortedPicture]:
    """Return all pictures whose terms this project knows, by SHA-256: sorted and first ones."""
    every = (*read_table(FIRST_TABLE), *sorted_pictures())
    return MappingProxyType({picture.sha256: picture for picture in every})


def read_table(path: Path) -> tuple[SortedPicture, ...]:
    """Return the rows of a table of this project.

    Raises:
        DataError: a row lacks a field, or has a value that is not allowed.
    """
    return tuple(
        _checked(picture, where, {"source": REPOSITORIES}) for picture, where in _rows(path)
    )


def read_own_table(folder: Path) -> tuple[SortedPicture, ...]:
    """Return the rows of the table of terms in a folder of one's own photographs.

    Its columns are those of this project's table; `source` is any word, `sha1` and `sha256` may be
    empty, and paths are relative to the folder.

    Raises:
        DataError: a row lacks a field, has a value or terms that are not allowed, or names no file.
    """
    return tuple(_own(folder, picture, where) for picture, where in _rows(folder / NAME))


def _own(folder: Path, picture: SortedPicture, where: str) -> SortedPicture:
    _checked(picture, where, {})
    if not picture.source:
        raise DataError(f"{where}: source is empty; expected: a word that names the collection")
    if not (folder / picture.path).is_file():
        raise DataError(f"{where}: {folder} has no file {picture.path}")
    if picture.sorting == "photograph" and not picture.may_teach:
        allowed = ", ".join(terms for terms, asks in TERMS.items() if asks in MAY_TEACH)
        raise DataError(
            f"{where}: the terms of {picture.path}, {picture.terms}, do not allow a detector to "
            f"learn from it; allowed: {allowed}"
        )
    if TERMS[picture.terms] in ("attribution", "share-alike") and not picture.author:
        raise DataError(f"{where}: {picture.terms} asks for an author, and {picture.path} has none")
    return picture


def _rows(path: Path) -> Iterator[tuple[SortedPicture, str]]:
    """Yield every row, and where it stands."""
    names = [field.name for field in fields(SortedPicture)]
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        header = next(rows, [])
        if header != names:
            unknown = (
                f" (unknown: {', '.join(others)})" if (others := set(header) - {*names}) else ""
            )
            raise DataError(f"{path.name} has columns {header}{unknown}; expected: {names}")
        for row in rows:
            where = f"{path.name}, line {rows.line_num}"
            if len(row) != len(names):
                raise DataError(f"{where}: {len(row)} fields; expected: {len(names)}")
            yield SortedPicture(*row), where


def _checked(
    picture: SortedPicture, where: str, further: Mapping[str, Collection[str]]
) -> SortedPicture:
    fixed = {"sorting": SORTINGS, "origin": ORIGINS, "terms": TERMS}
    for name, allowed in (*further.items(), *fixed.items()):
        value = getattr(picture, name)
        if value not in allowed:
            raise DataError(f"{where}: {name} is {value!r}; allowed: {', '.join(allowed)}")
    return picture
