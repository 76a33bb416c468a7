"""Folders of images that nobody has ingested: two classes to audit, or photographs to judge."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pandas as pd

from forgery_lab.data import casia, manifest
from forgery_lab.data.inspection import SUFFIXES, Refusal, inspect_image
from forgery_lab.data.splits.graph import components
from forgery_lab.errors import DataError
from forgery_lab.processes import in_parallel
from forgery_lab.progress import Progress
from forgery_pyfunc.imaging.guards import Limits

_FORGED_NAMES = re.compile(r"tp|tamper|forg|fake|splic|copy|manip|edit|spoof|positive|^1$", re.I)
_MASK_NAMES = re.compile(r"ground|mask|^gt$|_gt$", re.I)
_LEAST_FOR_PROCESSES = 64
_CHUNK = 16


def two_classes(folder: Path) -> tuple[dict[str, list[Path]], str]:
    """Return the image files of each of two classes, and the name of the one taken as forged.

    The classes are Au/ and Tp/ (also one level deeper), or else the two subfolders that hold
    images; folders of masks do not count. Which is forged is told by its name, or is the second
    in alphabetical order.

    Raises:
        DataError: there are not exactly two such folders.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder")
    try:
        layout = casia.find_layout(folder)
    except DataError:
        pass
    else:
        classes = {path.name: images(path) for path in (layout.authentic, layout.tampered)}
        return classes, layout.tampered.name
    inside = sorted(p for p in folder.iterdir() if p.is_dir() and not _MASK_NAMES.search(p.name))
    classes = {path.name: files for path in inside if (files := images(path))}
    if len(classes) != 2:
        names = ", ".join(classes) or "none"
        raise DataError(
            f"{folder} must have two subfolders with images, one for each class; found: {names}"
        )
    named = [name for name in classes if _FORGED_NAMES.search(name)]
    return classes, named[0] if len(named) == 1 else sorted(classes)[1]


def elsewhere(
    folder: Path, workers: int = 2, progress: Progress | None = None
) -> tuple[pd.DataFrame, list[dict[str, str]]]:
    """Return a manifest of a folder for protocol E, and what was left out.

    Two classes where their folders' names say so (Au/ and Tp/, or one that is named like
    forgeries); otherwise every image is a photograph taken as authentic.

    Raises:
        DataError: there is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder")
    labelled = [(path, 0) for path in images(folder)]
    try:
        classes, forged = two_classes(folder)
    except DataError:
        pass  # one class: photographs
    else:
        if _FORGED_NAMES.search(forged):
            labelled = [(path, int(name == forged)) for name in classes for path in classes[name]]
    if not labelled:
        raise DataError(f"{folder} contains no image")
    files, labels = zip(*labelled, strict=True)
    return describe(files, labels, folder, workers, progress)


def images(folder: Path) -> list[Path]:
    """Return the files below `folder` whose extension is that of an image, sorted."""
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() in SUFFIXES
    )


def describe(
    files: Sequence[Path],
    labels: Sequence[int],
    root: Path,
    workers: int = 2,
    progress: Progress | None = None,
) -> tuple[pd.DataFrame, list[dict[str, str]]]:
    """Return a manifest of image files and what was left out, as {file, code, reason}.

    Source ids and categories come from CASIA's names, where files have them.

    Raises:
        DataError: no file can be read.
    """
    facts = _inspect(files, workers, progress)
    rows, refused = [], []
    for path, label, fact in zip(files, labels, facts, strict=True):
        name = path.relative_to(root).as_posix()
        if isinstance(fact, Refusal):
            refused.append({"file": name, **asdict(fact)})
            continue
        name_parts = casia.parse(path.name)
        if name_parts is not None and name_parts.label != label:
            name_parts = None
        values = {key: value for key, value in asdict(fact).items() if key != "frames"}
        rows.append(
            {
                **values,
                "path": name,
                "label": label,
                "kind": _kind(label, name_parts),
                "category": name_parts.category if name_parts else "",
                "source_ids": list(name_parts.source_ids) if name_parts else [],
                "group": "?",
                "mask_path": None,
            }
        )
    if not rows:
        raise DataError(f"{root} contains no readable image")
    frame = manifest.build(rows)
    return frame.assign(group=components(frame)), refused


def _kind(label: int, parsed: casia.CasiaName | None) -> str:
    if parsed is not None:
        return parsed.kind
    return "unknown" if label else "authentic"


def _inspect(files: Sequence[Path], workers: int, progress: Progress | None) -> list:
    look = partial(inspect_image, limits=Limits())
    return list(in_parallel(look, files, workers, _CHUNK, _LEAST_FOR_PROCESSES, progress))
