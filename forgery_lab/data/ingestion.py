"""From a folder of images to a manifest, with every fault of the data counted and named."""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd

from forgery_lab.data import casia, manifest
from forgery_lab.data.inspection import (
    SUFFIXES,
    ImageFacts,
    Inspection,
    Refusal,
    inspect,
    inspect_image,
    inspect_mask,
)
from forgery_lab.data.splits.graph import components
from forgery_lab.errors import DataError
from forgery_lab.processes import Spread, in_parallel
from forgery_lab.progress import Progress
from forgery_pyfunc.imaging.guards import Limits

FORMAT_OF_SUFFIX = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe"), "JPEG"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    ".png": "PNG",
    ".bmp": "BMP",
    ".webp": "WEBP",
    **dict.fromkeys((".heic", ".heif"), "HEIC"),
    ".avif": "AVIF",
}

LEFT_OUT = (
    "broken_image",
    "contradictory_label",
    "duplicate",
    "empty_image",
    "foreign_file",
    "frozen_image",
    "frozen_look_alike",
    "frozen_source",
    "not_an_image",
    "too_large",
    "too_many_pixels",
    "too_small",
    "unreadable",
    "unsupported_format",
    "wrong_folder",
)
"""Codes of issues whose file has no row in the manifest; with any other it has one."""

REVIEWS = "reviews.jsonl"
OUR_RECORDS = ("records.jsonl", REVIEWS)
"""What this project itself writes beside the folders: how each forgery of the demo was made, and
who reviewed each picture of feedback, and when."""

USUAL_PIXELS = 16_000_000
"""Larger images are read one by one at the end, so that memory stays below 1 GB."""

MOST_WORKERS = 4

_FEW = 64
_FILES_PER_TASK = 16
_DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "F")

Counts = dict[str, int]
"""Number of rows or issues by name."""


@dataclass(frozen=True, order=True)
class Issue:
    """One fault of one file; `file` is relative to the data root."""

    file: str
    code: str
    reason: str


@dataclass(frozen=True)
class Groups:
    """How many groups of images share sources, and how many images the largest holds."""

    number: int
    largest: int


@dataclass(frozen=True)
class IngestSummary:
    """The figures of a manifest and its issues.

    Attributes:
        digest: of the manifest.
        images, authentic, forged, masks, bytes: of the rows.
        kinds, categories, formats, modes, sizes: number of rows by each, the commonest first; of
            the sizes the 20 commonest.
        sources: number of different ones.
        groups: of images that share sources.
        counts: number of issues by code, the commonest first.
        issues: in order of their files.
    """

    digest: str
    images: int
    authentic: int
    forged: int
    masks: int
    bytes: int
    kinds: Counts
    categories: Counts
    formats: Counts
    modes: Counts
    sizes: Counts
    sources: int
    groups: Groups
    counts: Counts
    issues: tuple[Issue, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as plain values, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Files:
    """Paths relative to the data root, with '/', in order."""

    authentic: list[str]
    tampered: list[str]
    masks: list[str]
    issues: list[Issue]

    @cached_property
    def tampered_set(self) -> frozenset[str]:
        """The tampered ones, for quick questions."""
        return frozenset(self.tampered)


def ingest(
    data_root: Path | str,
    *,
    limits: Limits | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    touching: Callable[[pd.DataFrame], Iterable[Issue]] | None = None,
    spread: Spread | None = None,
) -> tuple[pd.DataFrame, IngestSummary]:
    """Return the manifest of a CASIA-style data set and its summary.

    A file with an issue whose code is in `LEFT_OUT` has no row. The same files give the same
    manifest and summary.

    Args:
        data_root: a folder with Au/, Tp/ and, optionally, Groundtruth/, also one level deeper.
        limits: of a file's bytes and pixels.
        workers: processes; by default one per core, at most 4. Each holds one image at a time.
        progress: called with the files read and their number.
        touching: called with the manifest; returns issues of images that no model may learn from,
            which are left out.
        spread: looks at the files, in the place of processes here.

    Raises:
        DataError: there is no data set here, or one of its classes has no image that can be used.
    """
    root = Path(data_root)
    layout = casia.find_layout(root)
    files = _list_files(root, layout)
    _require_listed(layout, files)
    spread = spread or partial(in_parallel, workers=workers or _cores())
    facts = _inspect(root.absolute(), files, limits or Limits(), spread, progress)

    mask_of = casia.match_masks(files.tampered, files.masks)
    issues = [*files.issues, *_masks_without_image(files.masks, mask_of)]
    if not files.masks:
        reason = "No forged image has a mask: training learns from the labels alone."
        issues.append(Issue("Groundtruth", "no_masks", reason))
    rows: list[dict[str, Any]] = []
    for path in [*files.authentic, *files.tampered]:
        label = int(path in files.tampered_set)
        row, row_issues = _row(path, label, facts[path], mask_of.get(path), facts)
        issues += [issue for issue in row_issues if files.masks or issue.code != "mask_missing"]
        rows += [row] if row else []
    rows, duplicates = _without_duplicates(rows)
    issues = sorted([*issues, *duplicates])
    _require_both_classes(layout, rows, issues)

    reviews = _reviews(root)
    frame = manifest.build(
        [{**row, "group": "?", **reviews.get(row["sha256"], {})} for row in rows]
    )
    frame["group"] = components(frame)
    if touching:
        withheld = list(touching(frame))
        issues = sorted([*issues, *withheld])
        frame = frame[~frame["path"].isin({issue.file for issue in withheld})]
        left = [{"label": label} for label in frame["label"]]
        _require_both_classes(layout, left, issues)
    return manifest.validate(frame), summarise(frame, issues)


def _reviews(root: Path) -> dict[str, dict[str, str]]:
    """Return who reviewed a picture, and when, by its SHA-256; empty where nobody had to."""
    if not (root / REVIEWS).is_file():
        return {}
    found = map(json.loads, (root / REVIEWS).read_text("utf-8").splitlines())
    return {review.pop("sha256"): review for review in found}


def summarise(frame: pd.DataFrame, issues: Collection[Issue]) -> IngestSummary:
    """Return the figures of a manifest and its issues."""
    forged = frame[frame["label"] == 1]
    sizes = frame["width"].astype(str) + "×" + frame["height"].astype(str)
    groups = frame["group"].value_counts()
    return IngestSummary(
        digest=manifest.digest(frame),
        images=len(frame),
        authentic=len(frame) - len(forged),
        forged=len(forged),
        masks=int(frame["mask_path"].notna().sum()),
        bytes=int(frame["bytes"].sum()),
        kinds=_counted(frame["kind"]),
        categories=_counted(frame["category"]),
        formats=_counted(frame["format"]),
        modes=_counted(frame["mode"]),
        sizes=_counted(sizes, most=20),
        sources=len({name for ids in frame["source_ids"] for name in ids}),
        groups=Groups(number=len(groups), largest=int(groups.iloc[0])),
        counts=_counted(issue.code for issue in issues),
        issues=tuple(sorted(issues)),
    )


def _counted(values: Iterable[str], most: int | None = None) -> Counts:
    pairs = sorted(Counter(values).items(), key=lambda pair: (-pair[1], pair[0]))
    return {str(value): int(count) for value, count in pairs[:most]}


# --- listing


def _list_files(root: Path, layout: casia.Layout) -> _Files:
    issues: list[Issue] = []
    parts = [layout.authentic, layout.tampered] + ([layout.masks] if layout.masks else [])
    authentic, tampered, *masks = [_pictures_in(root, part, issues) for part in parts]
    for path in sorted(layout.root.iterdir()):
        if path not in parts and path.name not in OUR_RECORDS:
            file = path.relative_to(root).as_posix()
            issues.append(Issue(file, "foreign_file", "It is not part of a CASIA-style data set."))
    return _Files(authentic, tampered, masks[0] if masks else [], issues)


def _pictures_in(root: Path, folder: Path, issues: list[Issue]) -> list[str]:
    pictures = []
    for path in sorted(folder.rglob("*")):
        file = path.relative_to(root).as_posix()
        if path.is_dir() and not path.is_symlink():
            continue
        if path.is_file() and path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            pictures.append(file)
        else:
            issues.append(Issue(file, "foreign_file", f"It is not one of {', '.join(SUFFIXES)}."))
    return pictures


def _require_listed(layout: casia.Layout, files: _Files) -> None:
    for folder, images in ((layout.authentic, files.authentic), (layout.tampered, files.tampered)):
        if not images:
            raise DataError(
                f"{folder}: there is no image in this folder; both classes are needed; "
                f"{casia.EXPECTED}, with files ending in {', '.join(SUFFIXES)}."
            )


def _require_both_classes(
    layout: casia.Layout, rows: list[dict[str, Any]], issues: list[Issue]
) -> None:
    for label, folder in ((0, layout.authentic), (1, layout.tampered)):
        if not any(row["label"] == label for row in rows):
            faults = [issue for issue in issues if f"{folder.name}/" in issue.file]
            example = (
                f" (such as {faults[0].file}: {faults[0].reason.rstrip('.')})" if faults else ""
            )
            raise DataError(
                f"{folder}: no image in this folder can be used{example}; both classes are needed."
            )


# --- reading


def _cores() -> int:
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return min(cores, MOST_WORKERS)


def _inspect(
    root: Path, files: _Files, limits: Limits, spread: Spread, progress: Progress | None
) -> dict[str, Any]:
    """Return the facts of every image and mask by its path."""
    images = [*files.authentic, *files.tampered]
    tasks: list[Inspection] = [(inspect_image, root / path) for path in images]
    tasks += [(inspect_mask, root / path) for path in files.masks]
    usual = replace(limits, max_pixels=min(limits.max_pixels, USUAL_PIXELS))
    look = partial(inspect, usual)
    results = spread(look, tasks, chunk=_FILES_PER_TASK, fewest=_FEW, progress=progress)
    facts: dict[str, Any] = dict(zip([*images, *files.masks], results, strict=True))
    for (path, result), task in zip(facts.items(), tasks, strict=True):
        if isinstance(result, Refusal) and result.code.endswith("too_many_pixels"):
            facts[path] = inspect(limits, task)
    return facts


# --- judging


def _row(
    path: str, label: int, fact: Any, mask: str | None, facts: dict[str, Any]
) -> tuple[dict[str, Any] | None, list[Issue]]:
    """Return the row of an image without its group, or None, and its issues."""
    if isinstance(fact, Refusal):
        return None, [Issue(path, fact.code, fact.reason)]
    name = casia.parse(path)
    if name is not None and name.label != label:
        says = ["authentic", "forged"][name.label]
        return None, [Issue(path, "wrong_folder", f"According to its name, the image is {says}.")]
    name = casia.correct(name, casia.parse(mask) if mask else None)
    issues = [Issue(path, code, reason) for code, reason in _oddities(path, fact, name)]
    mask, fault = _usable_mask(path, fact, mask, facts) if label else (None, None)
    issues += [fault] if fault else []
    values = asdict(fact)
    values.pop("frames")
    row = {
        "path": path,
        "label": label,
        "kind": name.kind if name else ["authentic", "unknown"][label],
        "category": name.category if name else "",
        "source_ids": list(name.source_ids) if name else [],
        "mask_path": mask,
        **values,
    }
    return row, issues


def _oddities(
    path: str, fact: ImageFacts, name: casia.CasiaName | None
) -> Iterator[tuple[str, str]]:
    """Yield code and reason of what is odd about an image that is used all the same."""
    if name is None:
        yield (
            "misnamed",
            "The name does not follow CASIA's scheme, so kind and sources are unknown.",
        )
    elif name.corrections:
        yield "name_corrected", f"{'; '.join(name.corrections)}."
    suffix = Path(path).suffix.lower()
    if FORMAT_OF_SUFFIX[suffix] != fact.format:
        yield "wrong_extension", f"The file name ends in {suffix}, but the format is {fact.format}."
    if fact.mode == "CMYK":
        yield "cmyk", "The image is CMYK; it is read as RGB."
    if fact.mode in _DEEP_MODES:
        yield "sixteen_bit", f"The image has more than 8 bits ({fact.mode}); it is read with 8."
    if fact.frames > 1:
        yield "animated", f"The file has {fact.frames} frames; the first is read."


def _usable_mask(
    path: str, fact: ImageFacts, mask: str | None, facts: dict[str, Any]
) -> tuple[str | None, Issue | None]:
    """Return the path of the mask if it can be used, and what is wrong with it."""
    if mask is None:
        return None, Issue(path, "mask_missing", "This forged image has no mask.")
    shape = facts[mask]
    if isinstance(shape, Refusal):
        return None, Issue(mask, shape.code, shape.reason)
    sizes = f"The mask is {shape.width} × {shape.height}, its image {fact.width} × {fact.height}"
    if (shape.width, shape.height) == (fact.height, fact.width) != (fact.width, fact.height):
        return None, Issue(mask, "mask_rotated", f"{sizes}: not used.")
    if (shape.width, shape.height) != (fact.width, fact.height):
        return None, Issue(mask, "mask_wrong_size", f"{sizes}: not used.")
    if shape.forged_share in (0, 1):
        colour = "white" if shape.forged_share else "black"
        return None, Issue(mask, "mask_blank", f"The mask is {colour} everywhere and is not used.")
    if shape.grey_share > 0:
        grey = round(shape.grey_share * shape.width * shape.height)
        reason = f"{grey} pixels of the mask are neither black nor white: cut at half."
        return mask, Issue(mask, "mask_not_binary", reason)
    return mask, None


def _masks_without_image(masks: list[str], mask_of: dict[str, str]) -> Iterator[Issue]:
    for mask in sorted(set(masks) - set(mask_of.values())):
        yield Issue(mask, "mask_without_image", "This mask belongs to no forged image.")


def _without_duplicates(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Issue]]:
    """Return one row for each content, and an issue for every row left out.

    The row that stays takes over the sources of the others, so that their groups stay together.
    Where the same bytes are called authentic and forged, no row stays.
    """
    by_content = defaultdict(list)
    for row in rows:
        by_content[row["sha256"]].append(row)
    kept, issues = [], []
    for first, *others in by_content.values():
        if any(row["label"] != first["label"] for row in others):
            same = [first, *others]
            for row in same:
                other = next(twin["path"] for twin in same if twin["label"] != row["label"])
                reason = f"The same bytes are in the other class as {other}."
                issues.append(Issue(row["path"], "contradictory_label", reason))
            continue
        ids = dict.fromkeys(name for row in (first, *others) for name in row["source_ids"])
        masks = [row["mask_path"] for row in (first, *others) if row["mask_path"]]
        kept.append({**first, "source_ids": list(ids), "mask_path": next(iter(masks), None)})
        reason = f"The same bytes as {first['path']}, which is kept."
        issues += [Issue(row["path"], "duplicate", reason) for row in others]
    return kept, issues
