"""Whose photographs a detector learnt from: author, source, terms and title of each."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from PIL.ExifTags import Base

from forgery_lab.sources.photograph_table import LICENCE_PAGES, REPOSITORIES
from forgery_pyfunc.imaging.decoding import read_metadata
from forgery_pyfunc.imaging.guards import NO_LIMITS

HEAD = """# Photographs that this detector learnt from

`python -m steps release` writes this list. Forgeries for the training were made of these
photographs; none of the photographs is part of this package. Every one is listed with its SHA-256,
its title (the path of its file), its terms, and its author: whom its source names, or else what the
file itself says.
"""


def render(found: pd.DataFrame) -> str:
    """Return the list as Markdown, a section per repository, and one for each source of one's own.

    Args:
        found: photographs, as `photographs.find` gives them.
    """
    parts = [HEAD]
    known = found[found["terms"] != ""]
    for (key, source), some in known.groupby(["repository", "source"]):
        parts.append(_section(str(key), str(source), some))
    unknown = found[found["terms"] == ""]
    if len(unknown):
        parts.append(
            "## Other photographs\n\nTheir terms are not known to this project; ask whoever "
            f"trained the detector.\n\n{_table(unknown)}"
        )
    return "\n".join(parts)


def _section(key: str, source: str, some: pd.DataFrame) -> str:
    repository = REPOSITORIES.get(key)
    lines = [f"## {repository.name if repository else source}", ""]
    if repository:
        lines += [f"- Source: <{repository.page}>", f"- Authors: {repository.authors}"]
    terms = ", ".join(_terms(str(one)) for one in sorted(some["terms"].unique()))
    lines += [f"- Terms: {terms}", f"- Photographs: {len(some)}", "", _table(some)]
    return "\n".join(lines)


def _terms(name: str) -> str:
    page = LICENCE_PAGES.get(name)
    return f"{name} (<{page}>)" if page else name


def _table(some: pd.DataFrame) -> str:
    lines = [
        f"| {_cell(row['title'])} | {_cell(row['author']) or _stated_author(Path(row['path']))} "
        f"| {row['terms'] or '–'} | {row['sha256']} |"
        for row in some.sort_values(["title", "sha256"]).to_dict("records")
    ]
    return "\n".join(
        ["| title | author or rights | terms | SHA-256 |", "| --- | --- | --- | --- |", *lines, ""]
    )


def _stated_author(path: Path) -> str:
    exif = read_metadata(path.read_bytes(), NO_LIMITS).exif
    stated = (str(exif.get(tag, "")).strip("\0 ") for tag in (Base.Artist, Base.Copyright))
    return _cell("; ".join(text for text in stated if text)) or "–"


def _cell(text: str) -> str:
    return "".join(c for c in text if c.isprintable()).replace("|", "/").strip()
