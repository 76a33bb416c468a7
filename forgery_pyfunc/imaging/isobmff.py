"""What the boxes of a HEIC or AVIF file say of its picture, read without decoding a pixel.

Both are ISO's base media file format (ISO/IEC 14496-12) with items as HEIF has them (ISO/IEC
23008-12): a picture is an item with properties, and may be a grid of other items.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.guards import Limits, check_pixels

MAX_BOXES = 10_000
"""Of a file; a photograph of a phone has some hundred."""

_ITEM_OF = {"HEIC": (b"hvc1", b"grid", b"iden", b"iovl"), "AVIF": (b"av01", b"grid")}
"""Kinds of items that are read; libavif reads no identities and overlays."""
_CODECS = {
    b"jpeg": "JPEG", b"j2k1": "JPEG 2000", b"vvc1": "VVC", b"evc1": "EVC", b"avc1": "AVC",
    b"unci": "uncompressed", b"mask": "a mask", b"av01": "AV1", b"hvc1": "HEVC",
}  # fmt: skip
_CONTAINERS = {b"meta": 4, b"iprp": 0, b"ipco": 0}
"""Boxes that hold boxes, and the bytes in front of these."""


@dataclass
class _Boxes:
    """The contents of the boxes that matter here; `sizes` are those of all pictures and tiles."""

    primary: int | None = None
    kinds: dict[int, bytes] = field(default_factory=dict)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    places: bytes = b""
    data: bytes = b""


def check(data: bytes, name: str, limits: Limits) -> None:
    """Refuse a file whose picture, or any part of it, has too many pixels or is not read.

    Args:
        data: the file.
        name: "HEIC" or "AVIF".
        limits: of size.

    Raises:
        ImageError: `broken_image` where the boxes are damaged, `too_many_pixels`, or
            `unsupported_format` for pictures of another codec than the format's own.
    """
    try:
        boxes = _read(data)
        kind = boxes.kinds[boxes.primary]  # type: ignore[index]
        canvas = _grid(data, boxes) if kind == b"grid" else []
    except (struct.error, IndexError, KeyError) as error:
        raise _damaged(name) from error
    for width, height in (*boxes.sizes, *canvas):
        check_pixels(width, height, limits)
    if kind not in _ITEM_OF[name]:
        codec = _CODECS.get(kind, "an unknown codec")
        raise ImageError(
            f"The {name} file holds a picture of another kind ({codec}), which is not read.",
            "unsupported_format",
        )
    if not boxes.sizes or not all(width and height for width, height in boxes.sizes):
        raise _damaged(name)


def _damaged(name: str) -> ImageError:
    return ImageError(
        f"The {name} file is damaged or cut off: it does not say what picture it holds.",
        "broken_image",
    )


def _read(data: bytes) -> _Boxes:
    """Return what the boxes of a file hold, to the first that is cut off or malformed."""
    found, left = _Boxes(), MAX_BOXES
    waiting = [(0, len(data))]
    while waiting:
        for kind, start, end in _boxes(data, *waiting.pop()):
            left -= 1
            if left < 0:
                raise ImageError(f"The file has more than {MAX_BOXES} boxes.", "broken_image")
            if kind in _CONTAINERS:
                waiting.append((start + _CONTAINERS[kind], end))
            else:
                _collect(found, kind, data[start:end])
    return found


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of the content of every box between two places."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1:
            if start + 16 > end:
                return
            size, head = struct.unpack_from(">Q", data, start + 8)[0], 16
        size = size or end - start
        if size < head or start + size > end:
            return
        yield kind, start + head, start + size
        start += size


def _collect(found: _Boxes, kind: bytes, content: bytes) -> None:
    if kind == b"pitm":
        found.primary = _number(content, 4, 2 if content[0] == 0 else 4)
    elif kind == b"iinf":
        start = 6 if content[0] == 0 else 8
        for inner, at, _ in _boxes(content, start, len(content)):
            if inner == b"infe" and content[at] >= 2:
                width = 2 if content[at] == 2 else 4
                name = at + 4 + width + 2
                found.kinds[_number(content, at + 4, width)] = content[name : name + 4]
    elif kind == b"ispe":
        found.sizes.append(struct.unpack_from(">II", content, 4))
    elif kind == b"iloc":
        found.places = content
    elif kind == b"idat":
        found.data = content


def _grid(data: bytes, boxes: _Boxes) -> list[tuple[int, int]]:
    """Return the size of the picture that a grid makes, which need not be what its item says."""
    for item, from_data_box, start, length in _places(boxes.places):
        if item == boxes.primary:
            grid = (boxes.data if from_data_box else data)[start : start + length]
            return [struct.unpack_from(">II" if grid[1] & 1 else ">HH", grid, 4)]
    raise IndexError("the grid's item has no place")


def _places(content: bytes) -> Iterator[tuple[int, bool, int, int]]:
    """Yield of every item in one part: its number, whether it is in `idat`, offset and length."""
    version = content[0]
    offset, length = content[4] >> 4, content[4] & 15
    base, index = content[5] >> 4, (content[5] & 15) if version else 0
    wide = 4 if version == 2 else 2
    count, at = _number(content, 6, wide), 6 + wide
    for _ in range(min(count, MAX_BOXES)):
        item, at = _number(content, at, wide), at + wide
        method = 0
        if version:
            method, at = content[at + 1] & 15, at + 2
        at += 2  # the file it is in
        start, at = _number(content, at, base), at + base
        parts, at = _number(content, at, 2), at + 2
        at += index
        if parts == 1:
            first, size = _number(content, at, offset), _number(content, at + offset, length)
            yield item, method == 1, start + first, size
        at += parts * (index + offset + length) - index


def _number(content: bytes, at: int, width: int) -> int:
    stored = content[at : at + width]
    if len(stored) < width:
        raise IndexError("cut off")
    return int.from_bytes(stored, "big")
