"""The frozen test set: images that judge every release, and that no model may learn from.

It is a folder with `images/` (a CASIA-style data set) and `manifest.parquet`, named by the digest
of its manifest. What touches it is told by SHA-256, by perceptual hash and by the ids of sources.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from forgery_lab.data import ingestion, manifest
from forgery_lab.data.ingestion import Issue
from forgery_lab.data.near_duplicates import looks_like
from forgery_lab.errors import DataError
from forgery_lab.files import replace_folder, staged
from forgery_lab.progress import Progress
from forgery_lab.sources.source import Source, fetch

IMAGES, MANIFEST = "images", "manifest.parquet"

REASONS = {
    "frozen_image": "The same bytes are in the frozen test set.",
    "frozen_look_alike": "An image of the frozen test set looks the same.",
    "frozen_source": "It shares a source photograph with the frozen test set.",
}
"""Codes of the issues of images that touch the frozen test set; the first that fits is given."""


@dataclass(frozen=True)
class FrozenSet:
    """Manifest rows, the folder that their paths are relative to, and the manifest's digest."""

    frame: pd.DataFrame
    root: Path
    digest: str


def ensure(
    folder: Path, source: Source, digest: str, progress: Progress | None = None
) -> FrozenSet:
    """Return the frozen set in `folder`, fetched from its source unless it is there already.

    Args:
        folder: where it is kept.
        source: of its images.
        digest: expected of the set's manifest.
        progress: called with the files done and their number.

    Raises:
        DataError: the source could not be fetched, overlaps with the folder, or its manifest has
            another digest; what was there before is as it was.
    """
    found = _kept(folder, digest)
    if found:
        return found
    _refuse_overlap(source, folder)
    with staged(folder) as staging:
        new = staging / "new"
        root = fetch(source, new / IMAGES, progress=progress)
        frame, _ = ingestion.ingest(root, progress=progress)
        if manifest.digest(frame) != digest:
            raise DataError(
                f"the frozen test set {source.public_name} has the digest "
                f"{manifest.digest(frame)}, and {digest or 'none'} was expected; if it is meant "
                f"to judge from now on, set frozen_digest: {manifest.digest(frame)} in params.yaml"
            )
        manifest.write(frame, new / MANIFEST)
        replace_folder(folder, new, staging)
    return FrozenSet(frame, folder / IMAGES, digest)


def _kept(folder: Path, digest: str) -> FrozenSet | None:
    """Return the set that is in the folder, None where it is another one, or its images changed."""
    try:
        frame = manifest.read(folder / MANIFEST)
        whole = manifest.digest(frame) == digest and all(
            hashlib.sha256((folder / IMAGES / path).read_bytes()).hexdigest() == sha256
            for path, sha256 in zip(frame["path"], frame["sha256"], strict=True)
        )
    except (DataError, OSError):
        return None
    return FrozenSet(frame, folder / IMAGES, digest) if whole else None


def _refuse_overlap(source: Source, folder: Path) -> None:
    """Raise where replacing the folder would take the source with it, or a part of it."""
    if source.kind != "path":
        return
    kept, place = folder.resolve(), Path(source.place).resolve()
    if place.exists() and (kept.is_relative_to(place) or place.is_relative_to(kept)):
        raise DataError(
            f"the frozen test set {source.public_name} and the folder in which it is kept, "
            f"{folder}, overlap; keep your photographs elsewhere, and name that place as frozen in "
            "params.yaml"
        )


def touching(rows: pd.DataFrame, frozen: pd.DataFrame) -> pd.Series:
    """Return why each row touches the frozen set: a code of `REASONS`, or "" where it does not.

    An image that looks like a frozen one brings the names of its own sources into play: whatever
    else was made of them touches the frozen set too.

    Args:
        rows: `sha256`, `source_ids` and, where it is known, `phash`: a manifest, or the training
            manifest of a model.
        frozen: manifest of the frozen set.
    """
    same = rows["sha256"].isin(set(frozen["sha256"])).to_numpy()
    alike = looks_like(rows, frozen)
    touched = rows.loc[same | alike, "source_ids"]
    names = {name for ids in (*frozen["source_ids"], *touched) for name in ids}
    shares = np.array([bool(names & set(ids)) for ids in rows["source_ids"]], bool)
    codes = np.select([same, alike, shares], [*REASONS], default="")
    return pd.Series(codes, index=rows.index, dtype=object)


def issues(rows: pd.DataFrame, frozen: pd.DataFrame) -> list[Issue]:
    """Return an issue for each manifest row that touches the frozen set."""
    codes = touching(rows, frozen)
    return [
        Issue(path, code, REASONS[code])
        for path, code in zip(rows["path"], codes, strict=True)
        if code
    ]
