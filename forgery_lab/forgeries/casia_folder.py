"""CASIA-style folders of forgeries: file formats, names, masks, records, and `forge_folder`.

Whatever is written here draws formats and qualities from one distribution for authentic and
forged pictures, and saves both equally often, so that headers and saves give nothing away.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from forgery_lab.errors import DataError
from forgery_lab.files import whole_folder
from forgery_lab.forgeries.forging import (
    KINDS,
    Forgery,
    ForgeryRecord,
    check_kinds,
    drawn_kind,
    forge,
)
from forgery_lab.forgeries.pictures import SMALLEST_SIDE, Mask, Operation, Pixels, Save, sized
from forgery_lab.forgeries.salience import salience
from forgery_lab.processes import in_parallel
from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.decoding import decode, oriented
from forgery_pyfunc.imaging.jpeg_encoder import encode

CATEGORY = "pho"
"""The category in the names that `forge_folder` gives: a photograph of unknown subject."""

MOST = 99_999
"""The largest number that fits CASIA's names."""

_GROUP = 4
"""Photographs that may be donors of each other: small groups, so that a split finds many, of
those that look alike, so that parts fit."""

_LEAST_CONTRAST = 4.0
"""Levels by which the pixels of a photograph must vary at least, as a standard deviation."""

_TRIES = 8
"""Forgeries made for each that is kept."""


@dataclass(frozen=True)
class FolderRecord:
    """A line of a folder's record."""

    absent: ClassVar[tuple[str, ...]] = ()
    """Fields that are left out where they are None."""

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain values, ready for JSON."""
        values = asdict(self)
        return {k: v for k, v in values.items() if v is not None or k not in self.absent}


@dataclass(frozen=True)
class AuthenticImage(FolderRecord):
    """The record of an authentic image.

    Attributes:
        file: relative to the folder.
        operations: that both classes go through, in order.
        photograph: where it comes from; None for a scene.
        prepared: what was done to the photograph before; None where nothing ever is.
        kind: of the record.
    """

    file: str
    operations: list[Operation]
    photograph: str | None = None
    prepared: list[Operation] | None = None
    kind: str = "authentic"

    absent: ClassVar = ("prepared",)


@dataclass(frozen=True)
class ForgedImage(FolderRecord):
    """The record of a forged image.

    Attributes:
        file: relative to the folder.
        kind: of the forgery, one of `forging.KINDS`.
        donor: source id of the image that a part was taken from, its own where there is no other.
        area: share of the image that was replaced.
        operations: in order.
        photograph: where its host comes from, as far as that is recorded.
    """

    file: str
    kind: str
    donor: str
    area: float
    operations: list[Operation]
    photograph: str | None = None

    absent: ClassVar = ("photograph",)


@dataclass(frozen=True)
class UnusableFile(FolderRecord):
    """The record of a file that could not be used, and why."""

    file: str
    reason: str
    kind: str = "unusable"


@dataclass(frozen=True)
class ForgedFolder:
    """What `forge_folder` made: numbers, and (path, reason) of the files it could not use."""

    authentic: int
    forged: int
    kinds: dict[str, int]
    unusable: list[tuple[str, str]]


def forge_folder(
    photos: Path,
    output: Path,
    count: int,
    seed: int,
    sides: tuple[int, int] = (500, 1500),
    kinds: Sequence[str] = KINDS,
    progress: Callable[[int, int], None] | None = None,
    processes: int | None = None,
) -> ForgedFolder:
    """What was made of the photographs: a CASIA-style data set in `output`, all of it or nothing.

    Half of the images are authentic, one of each photograph used (so fewer where there are fewer
    photographs); the others are forgeries of them, each the least salient of several tries. Only
    as many photographs as are needed are read, in an order drawn from the seed. `records.jsonl`
    holds every operation on every image, and the files that could not be used. The same folder,
    count and seed give the same bytes.

    Args:
        photos: A folder of photographs, searched in depth; hidden files are left out.
        output: A folder that does not exist yet or is empty.
        count: Number of images to make, 2 to 99,999.
        seed: Any non-negative integer.
        sides: Larger photographs are reduced or cropped to a longer side in this range, in pixels.
        kinds: Kinds of forgery to make, some of `forging.KINDS`; `forging.ODDS` among them.
        progress: Called with (images done, images in all).
        processes: Worker processes; one per core where None.

    Raises:
        DataError: a parameter is out of range, or there is no usable photograph.
    """
    if not 2 <= count <= MOST:
        raise DataError(f"count: got {count}; allowed: 2 to {MOST}")
    check_kinds(kinds)
    if not photos.is_dir():
        raise DataError(f"{photos}: there is no such folder of photographs")
    paths = sorted(p for p in photos.rglob("*") if p.is_file() and not _is_hidden(p, photos))
    np.random.default_rng([seed, 3]).shuffle(paths)
    with whole_folder(output) as partial:
        usable, unusable = _usable(paths, photos, count // 2, processes)
        if not usable:
            fault = f"none of its {len(paths)} files can be used" if paths else "it is empty"
            reason = f" ({unusable[0][0]}: {unusable[0][1]})" if unusable else ""
            raise DataError(f"{photos}: no usable photograph, {fault}{reason}")
        records: list[AuthenticImage | ForgedImage] = []
        for part in ("Au", "Tp", "Groundtruth"):
            (partial / part).mkdir()
        tasks = list(_groups(partial, photos, usable, count, seed, sides, tuple(kinds)))
        for group_records in in_parallel(_write_group, tasks, processes):
            records += group_records
            if progress:
                progress(len(records), count)
        refused = [UnusableFile(name, reason) for name, reason in unusable]
        write_records(partial / "records.jsonl", [*records, *refused])
    counts = Counter(record.kind for record in records)
    authentic = counts.pop("authentic")
    return ForgedFolder(authentic, counts.total(), dict(counts), unusable)


def _is_hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


@dataclass(frozen=True)
class _Photograph:
    """A photograph that can be used: where it is, its number, and float32[28] of how it looks."""

    path: Path
    serial: int
    look: NDArray[np.float32]


def _usable(
    paths: Sequence[Path], root: Path, count: int, processes: int | None
) -> tuple[list[_Photograph], list[tuple[str, str]]]:
    """The first `count` photographs that can be used, and what is wrong with those before."""
    usable: list[_Photograph] = []
    unusable: list[tuple[str, str]] = []
    taken: set[int] = set()
    for path, look in zip(paths, in_parallel(_look_of, paths, processes), strict=False):
        if isinstance(look, str):
            unusable.append((path.relative_to(root).as_posix(), look))
        else:
            usable.append(_Photograph(path, _serial(path, taken), look))
        if len(usable) == count:
            break
    return usable, unusable


def _look_of(path: Path) -> NDArray[np.float32] | str:
    """Return how a photograph looks, or why it cannot be used."""
    try:
        pixels = _read(path)
    except ImageError as error:
        return str(error)
    except OSError as error:
        return error.strerror or "cannot be read"
    if min(pixels.shape[:2]) < SMALLEST_SIDE:
        return f"{pixels.shape[1]}x{pixels.shape[0]} pixels, at least {SMALLEST_SIDE} are needed"
    if pixels[::4, ::4].std(axis=(0, 1)).max() < _LEAST_CONTRAST:
        return "it is a single colour"
    return _look(pixels)


def _look(pixels: Pixels) -> NDArray[np.float32]:
    """Return colours of nine parts, and how much fine detail there is: float32[28]."""
    image = Image.fromarray(pixels).resize((256, 256), Image.Resampling.BOX)
    parts = np.asarray(image.resize((3, 3), Image.Resampling.BOX), np.float32)
    detail = np.abs(np.diff(np.asarray(image.convert("L"), np.float32), axis=1)).mean()
    return np.append(parts.ravel(), 4.0 * detail).astype(np.float32)


def _alike(photographs: list[_Photograph]) -> list[list[_Photograph]]:
    """Return groups of at most `_GROUP` that look alike: the leaves of a k-d tree."""
    if len(photographs) <= _GROUP:
        return [photographs]
    looks = np.stack([photo.look for photo in photographs])
    order = np.argsort(looks[:, looks.std(axis=0).argmax()], kind="stable")
    ordered = [photographs[i] for i in order]
    middle = (len(ordered) + 1) // 2
    return [*_alike(ordered[:middle]), *_alike(ordered[middle:])]


def _read(path: Path) -> Pixels:
    image = decode(path.read_bytes())
    return np.ascontiguousarray(oriented(image.pixels, image.orientation))


@dataclass(frozen=True)
class _Group:
    """Photographs that lend each other parts: (path, its number, number of its forgeries)."""

    folder: Path
    root: Path
    members: tuple[tuple[Path, int, int], ...]
    first_number: int
    seed: int
    sides: tuple[int, int]
    kinds: tuple[str, ...]


def _groups(
    folder: Path,
    root: Path,
    usable: list[_Photograph],
    count: int,
    seed: int,
    sides: tuple[int, int],
    kinds: tuple[str, ...],
) -> Iterator[_Group]:
    each, more = divmod(count - len(usable), len(usable))
    number, served = 1, 0
    for photographs in _alike(usable):
        forgeries = [each + (served + i < more) for i in range(len(photographs))]
        members = tuple(
            (photo.path, photo.serial, wanted)
            for photo, wanted in zip(photographs, forgeries, strict=True)
        )
        yield _Group(folder, root, members, number, seed, sides, kinds)
        served += len(photographs)
        number += sum(forgeries)


def _serial(path: Path, taken: set[int]) -> int:
    """Return a number for a photograph by what it holds, so that other photographs hardly share it.

    The ids of sources that come of it then mean the same in every folder.
    """
    number = int(hashlib.sha256(path.read_bytes()).hexdigest(), 16)
    while (serial := 1 + number % MOST) in taken:
        number += 1
    taken.add(serial)
    return serial


def _write_group(group: _Group) -> list[AuthenticImage | ForgedImage]:
    rng = np.random.default_rng([group.seed, 4, group.members[0][1]])
    records: list[AuthenticImage | ForgedImage] = []
    pictures, number = [], group.first_number
    for path, serial, _ in group.members:
        picture, operations = sized(_read(path), rng, group.sides)
        pictures.append(picture)
        image = publish_authentic(group.folder, picture, CATEGORY, serial, rng)
        photograph = path.relative_to(group.root).as_posix()
        records.append(replace(image, photograph=photograph, prepared=operations))
    for host, (path, serial, forgeries) in enumerate(group.members):
        others = [i for i in range(len(pictures)) if i != host]
        for _ in range(forgeries):
            kind = drawn_kind(rng, bool(others), group.kinds)
            forgery = least_salient(pictures[host], [pictures[i] for i in others], kind, rng)
            donor = forgery.record.donor
            lender = serial if donor is None else group.members[others[donor]][1]
            ids = f"{CATEGORY}{serial:05d}", f"{CATEGORY}{lender:05d}"
            forged = publish_forgery(group.folder, forgery, ids, number, rng)
            photograph = path.relative_to(group.root).as_posix()
            records.append(replace(forged, photograph=photograph))
            number += 1
    return records


def least_salient(
    host: Pixels, donors: Sequence[Pixels], kind: str, rng: np.random.Generator
) -> Forgery:
    """Return the least salient of eight forgeries of one kind; see `forging.forge`."""
    forgeries = [forge(host, donors, kind, rng) for _ in range(_TRIES)]
    return min(forgeries, key=lambda forgery: salience(host, forgery.pixels, forgery.mask))


# Publishing -----------------------------------------------------------------------------------

QUALITIES = (70, 97)
"""Of published JPEGs, both included."""


@dataclass(frozen=True)
class PublishedFile:
    """The format in which a picture is published, drawn alike for authentic and forged ones."""

    extension: str
    save: Save

    @classmethod
    def drawn(
        cls, rng: np.random.Generator, qualities: tuple[int, int] = QUALITIES
    ) -> PublishedFile:
        """Mostly JPEG of a quality within the range; also TIFF, PNG, BMP and a little WebP."""
        extension = str(
            rng.choice(["jpg", "tif", "png", "bmp", "webp"], p=[0.64, 0.18, 0.1, 0.05, 0.03])
        )
        save = Save.drawn(rng, qualities, lossless=0.0)
        lossless = extension in ("tif", "png", "bmp")
        return cls(extension, Save(None) if lossless else save)

    def encoded(self, pixels: Pixels) -> bytes:
        """Return the bytes of the file of uint8[H, W, 3]."""
        if self.extension == "jpg":
            return encode(pixels, quality=self.save.quality, subsampling=self.save.subsampling)
        buffer = io.BytesIO()
        options: dict[str, Any] = {"quality": self.save.quality} if self.save.quality else {}
        formats = {"tif": "TIFF", "png": "PNG", "bmp": "BMP", "webp": "WEBP"}
        Image.fromarray(pixels).save(buffer, formats[self.extension], **options)
        return buffer.getvalue()

    def operation(self) -> Operation:
        """Return this file as the last entry of a record."""
        return {"name": "publish", "format": self.extension, "quality": self.save.quality}


def publish_authentic(
    folder: Path,
    pixels: Pixels,
    category: str,
    number: int,
    rng: np.random.Generator,
    qualities: tuple[int, int] = QUALITIES,
) -> AuthenticImage:
    """Return the record of an authentic picture, saved by an editor and written to `folder/Au`."""
    save, file = Save.drawn(rng), PublishedFile.drawn(rng, qualities)
    name = f"Au/Au_{category}_{number:05d}.{file.extension}"
    (folder / name).write_bytes(file.encoded(save.apply(pixels)))
    operations = [save.operation("editor_save"), file.operation()]
    return AuthenticImage(name, operations)


def publish_forgery(
    folder: Path,
    forgery: Forgery,
    ids: tuple[str, str],
    number: int,
    rng: np.random.Generator,
    qualities: tuple[int, int] = QUALITIES,
) -> ForgedImage:
    """Return the record of a forgery, written with its mask to `Tp` and `Groundtruth`."""
    file = PublishedFile.drawn(rng, qualities)
    stem = casia_name(forgery.record, ids, number)
    name = f"Tp/{stem}.{file.extension}"
    (folder / name).write_bytes(file.encoded(forgery.pixels))
    write_mask(folder / "Groundtruth" / f"{stem}_gt.png", forgery.mask)
    made = forgery.record
    return ForgedImage(name, made.kind, ids[1], made.area, [*made.operations, file.operation()])


def casia_name(record: ForgeryRecord, ids: tuple[str, str], number: int) -> str:
    """Return the name of a forgery in CASIA 2.0's manner, without extension.

    `Tp_D_CRN_M_N_<host>_<donor>_<number>`: D(ifferent) or S(ame) image; then, each or N: C for
    changed in size, R for rotated or mirrored, D for deformed; S(mall), M(edium) or L(arge);
    B for a blurred seam. CASIA's authors never published what the letters mean; these are ours.
    """
    names = {operation["name"] for operation in record.operations}
    deformed = any(operation.get("shear") for operation in record.operations)
    turned = "mirror" in names or any(operation.get("degrees") for operation in record.operations)
    letters = ("C" if "scale" in names else "N") + ("R" if turned else "N")
    letters += "D" if deformed else "N"
    size = "S" if record.area < 0.06 else "M" if record.area < 0.16 else "L"
    seam = "B" if "blur_seam" in names else "N"
    origin = "D" if record.kind == "splice" else "S"
    return f"Tp_{origin}_{letters}_{size}_{seam}_{ids[0]}_{ids[1]}_{number:05d}"


def write_mask(path: Path, mask: Mask) -> None:
    """Write bool[H, W] as a grey PNG of 0 and 255."""
    Image.fromarray(mask.astype(np.uint8) * 255).save(path, "PNG")


def write_records(
    path: Path, records: Iterable[AuthenticImage | ForgedImage | UnusableFile]
) -> None:
    """Write one JSON object a line."""
    lines = [json.dumps(record.to_dict(), sort_keys=True) for record in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
