"""Whose photographs a detector learnt from: author, source, terms and title of each."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd
from PIL.ExifTags import Base

from forgery_lab.sources import photographs
from forgery_lab.sources.photographs import PhotoSource
from forgery_pyfunc.imaging.decoding import read_metadata

HEAD = """# Photographs that this detector learnt from

`python -m steps release` writes this list. Forgeries for the training were made of these
photographs; none of the photographs is part of this package. Every one is listed with its SHA-256,
its title (the name of its file) and what the file itself says of its author.
"""


def render(found: pd.DataFrame, known: Collection[str]) -> str:
    """Return the list as Markdown, a section per source.

    Args:
        found: photographs, as `photographs.find` gives them.
        known: SHA-256 of those of the public sources, whose terms are known.
    """
    of_folder = {source.folder: source for source in photographs.SOURCES}
    is_known = found["sha256"].isin(set(known))
    parts = [HEAD]
    for folder, some in found[is_known].groupby("source"):
        parts.append(_section(of_folder[str(folder)], some))
    if not is_known.all():
        parts.append(
            "## Other photographs\n\nTheir terms are not known to this project; ask whoever "
            f"trained the detector.\n\n{_table(found[~is_known])}"
        )
    return "\n".join(parts)


def _section(source: PhotoSource, some: pd.DataFrame) -> str:
    return (
        f"## {source.repository}\n\n"
        f"- Source: <{source.page}>\n"
        f"- Authors: {source.authors}\n"
        f"- Terms: {source.terms}{f' (<{source.licence_url}>)' if source.licence_url else ''}\n"
        f"- Photographs: {len(some)}\n\n"
        f"{_table(some)}"
    )


def _table(some: pd.DataFrame) -> str:
    rows = sorted(
        (_title(Path(row["path"])), row) for row in some[["path", "sha256"]].to_dict("records")
    )
    lines = [
        f"| {title} | {_stated_author(Path(row['path']))} | {row['sha256']} |"
        for title, row in rows
    ]
    return "\n".join(
        [
            "| title | author or rights, as the file states | SHA-256 |",
            "| --- | --- | --- |",
            *lines,
            "",
        ]
    )


def _title(path: Path) -> str:
    """Return the name of a file, without the digits that a fetched one begins with."""
    return _cell(re.sub(r"^[0-9a-f]{16}_", "", path.stem))


def _stated_author(path: Path) -> str:
    exif = read_metadata(path.read_bytes()).exif
    stated = (str(exif.get(tag, "")).strip("\0 ") for tag in (Base.Artist, Base.Copyright))
    return _cell("; ".join(text for text in stated if text)) or "–"


def _cell(text: str) -> str:
    return "".join(c for c in text if c.isprintable()).replace("|", "/").strip()
