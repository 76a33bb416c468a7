"""CASIA-style data sets: where their folders lie, what their names say, which mask is whose.

Dong, Wang, Tan, *CASIA Image Tampering Detection Evaluation Database*, ChinaSIP 2013; masks and
corrected names: Pham et al., *Hybrid Image-Retrieval Method for Image-Splicing Validation*,
Symmetry 2019.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from forgery_lab.errors import DataError

CATEGORIES = ("ani", "arc", "art", "cha", "ind", "nat", "pla", "sec", "txt")
"""Animal, architecture, article, character, indoor, nature, plant, scene and texture."""

UNKNOWN_SOURCE = "xxx"
"""The category that stands for a donor nobody knows; such an id links nothing."""

EXPECTED = "expected: Au/ (authentic), Tp/ (tampered) and, optionally, Groundtruth/ (masks)"

_AUTHENTIC = re.compile(r"Au_([a-z]{3})_?(\d{4,5})", re.IGNORECASE)
_TAMPERED = re.compile(
    r"(?:Tp|Sp)_([DS])_[A-Z]{3}_[A-Z](?:_[A-Z])?"
    r"_([a-z]{3})(\d{4,5})_([a-z]{3})(\d{4,5})([_.])(\d{4,5})",
    re.IGNORECASE,
)
_FOLDERS = {
    "authentic": ("au",),
    "tampered": ("tp", "sp"),
    "masks": ("groundtruth", "casia2groundtruth", "casia1groundtruth", "gt"),
}
_DEEPEST = 2


@dataclass(frozen=True)
class Layout:
    """The folders of one data set; `masks` is None where it has none."""

    root: Path
    authentic: Path
    tampered: Path
    masks: Path | None


@dataclass(frozen=True)
class CasiaName:
    """What a CASIA file name says, in the form both editions share.

    `kind` is "authentic", "splice" or "copy-move". `source_ids` has the host first and five digits
    each, as in CASIA 2.0 ("ani00001"). `number` counts the tampered images. `corrections` says in
    words what was mended.
    """

    kind: str
    category: str
    source_ids: tuple[str, ...]
    number: int | None = None
    corrections: tuple[str, ...] = ()

    @property
    def label(self) -> int:
        """0 for authentic, 1 for forged."""
        return int(self.kind != "authentic")


def find_layout(folder: Path) -> Layout:
    """Return the data set in `folder`, also when it lies one or two levels deeper.

    Raises:
        DataError: there is none, or more than one; names the folder and what is missing.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; {EXPECTED}.")
    level = [folder]
    for _ in range(_DEEPEST + 1):
        layouts = [layout for candidate in level if (layout := _layout_of(candidate))]
        if len(layouts) > 1:
            names = ", ".join(str(layout.root.relative_to(folder)) for layout in layouts)
            raise DataError(f"{folder}: there are several data sets here ({names}); name one.")
        if layouts:
            return layouts[0]
        level = [child for candidate in level for child in _folders_in(candidate)]
    raise DataError(f"{folder}: {_whats_missing(folder)}; {EXPECTED}.")


def _folders_in(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _parts_of(folder: Path) -> dict[str, Path]:
    folders = {re.sub(r"[\s_-]", "", p.name.lower()): p for p in _folders_in(folder)}
    return {
        part: next(folders[name] for name in names if name in folders)
        for part, names in _FOLDERS.items()
        if any(name in folders for name in names)
    }


def _layout_of(folder: Path) -> Layout | None:
    parts = _parts_of(folder)
    if "authentic" not in parts or "tampered" not in parts:
        return None
    return Layout(folder, parts["authentic"], parts["tampered"], parts.get("masks"))


def _whats_missing(folder: Path) -> str:
    if not any(folder.iterdir()):
        return "the folder is empty"
    for candidate in [folder, *_folders_in(folder)]:
        parts = _parts_of(candidate)
        if "authentic" in parts:
            return "the folder Tp/ of tampered images is missing"
        if "tampered" in parts:
            return "the folder Au/ of authentic images is missing"
    return "the folders Au/ and Tp/ are missing"


def parse(filename: str) -> CasiaName | None:
    """Return what the name of an image or mask says, or None if it is no CASIA name.

    Both editions are understood, and mended where the name contradicts itself: the letter follows
    the ids (`S`, copy-move, exactly when both are the same), which is how all 5,123 corrected
    names of CASIA 2.0 are; a misspelt category takes the one that has the same letters (sce: sec,
    ant: nat); a dot before the number counts as an underscore.
    """
    stem = PurePosixPath(filename).name
    stem = re.sub(r"\.(jpe?g|png|tiff?|bmp|webp)$", "", stem, flags=re.IGNORECASE)
    stem = re.sub(r"_gt$", "", stem, flags=re.IGNORECASE)
    if match := _AUTHENTIC.fullmatch(stem):
        category, corrections = _category(match[1])
        return CasiaName("authentic", category, (_id(category, match[2]),), None, corrections)
    if match := _TAMPERED.fullmatch(stem):
        return _tampered(*match.groups())
    return None


def _tampered(
    letter: str,
    first: str,
    first_digits: str,
    second: str,
    second_digits: str,
    dot: str,
    number: str,
) -> CasiaName:
    host, corrections = _category(first)
    donor, more = _category(second)
    corrections += more if second != first else ()
    ids = [_id(host, first_digits), _id(donor, second_digits)]
    kind = "copy-move" if ids[0] == ids[1] else "splice"
    if (letter.upper() == "S") != (kind == "copy-move"):
        corrections += (f"the letter {letter} contradicts the ids; taken as {kind}",)
    if dot == ".":
        corrections += ("there is a dot before the number",)
    source_ids = [name for name in dict.fromkeys(ids) if not name.startswith(UNKNOWN_SOURCE)]
    return CasiaName(kind, host, tuple(source_ids), int(number), corrections)


def _category(letters: str) -> tuple[str, tuple[str, ...]]:
    letters = letters.lower()
    if letters in CATEGORIES or letters == UNKNOWN_SOURCE:
        return letters, ()
    alike = [name for name in CATEGORIES if sorted(name) == sorted(letters)]
    if len(alike) == 1:
        return alike[0], (f"the category {letters} is read as {alike[0]}",)
    return letters, ()


def _id(category: str, digits: str) -> str:
    return f"{category}{int(digits):05}"


def correct(image: CasiaName | None, mask: CasiaName | None) -> CasiaName | None:
    """Return what is known of an image from its own name and that of its mask.

    The masks were named later and with care: where both names can be read and differ, the mask's
    ids, their order (host first) and the kind that follows from them count.
    """
    if image is None or mask is None or image.label == 0 or mask.label == 0:
        return image
    if (image.kind, image.source_ids) == (mask.kind, mask.source_ids):
        return image
    ids = " ".join(mask.source_ids)
    note = f"the mask's name corrects it: {mask.kind} of {ids}"
    return CasiaName(mask.kind, mask.category, mask.source_ids, image.number, (note,))


def match_masks(images: Iterable[str], masks: Iterable[str]) -> dict[str, str]:
    """Return the mask of each image that has one, both as given (names or paths).

    First by exact name (`<name>_gt.png`, or the image's own name); what is left over by number and
    both ids in either order under either prefix, then by number and one shared id. A mask serves
    one image; where several would fit, none is taken.
    """
    images, masks = sorted(images), sorted(masks)
    mask_of: dict[str, str] = {}
    rounds: list[Callable[[str], list[Hashable]]] = [_stem_keys, _number_and_ids, _number_and_id]
    for keys in rounds:
        taken = set(mask_of.values())
        by_key = _index((mask for mask in masks if mask not in taken), keys)
        by_image_key = _index((image for image in images if image not in mask_of), keys)
        for key, claimants in by_image_key.items():
            offers = by_key.get(key, [])
            if len(claimants) == 1 and len(offers) == 1 and offers[0] not in mask_of.values():
                mask_of.setdefault(claimants[0], offers[0])
    return mask_of


def _index(
    names: Iterable[str], keys: Callable[[str], list[Hashable]]
) -> dict[Hashable, list[str]]:
    index = defaultdict(list)
    for name in names:
        for key in keys(name):
            index[key].append(name)
    return index


def _stem_keys(name: str) -> list[Hashable]:
    return [PurePosixPath(name).stem.lower().removesuffix("_gt")]


def _number_and_ids(name: str) -> list[Hashable]:
    parsed = parse(name)
    return [(parsed.number, frozenset(parsed.source_ids))] if parsed and parsed.label else []


def _number_and_id(name: str) -> list[Hashable]:
    parsed = parse(name)
    return (
        [(parsed.number, source_id) for source_id in parsed.source_ids]
        if parsed and parsed.label
        else []
    )
