"""The chunks of a PNG, and of those what concerns its pixels (ISO/IEC 15948)."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from forgery_pyfunc.imaging.guards import MAX_FRAMES_COUNTED

_PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_SCALED = {(0, 2), (0, 4), (2, 16)}
"""Colour types and depths of which Pillow scales the pixels to 8 bits and not the tRNS chunk."""
_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
_METADATA_KEYS = (b"XML:com.adobe.xmp", b"Raw profile type exif")
_MAX_TEXT = 2**20 - 2**10
"""Bytes of a text that Pillow inflates, less some for what stands around it."""
_MAX_EXIF = 2**20
_MAX_TEXTS, _MAX_TEXTS_IN_ALL = 50, 4 * 2**20


@dataclass(frozen=True)
class Essence:
    """What of a PNG its decoder is given, and how many frames it has, at most 100."""

    data: bytes
    frames: int


@dataclass(frozen=True)
class _Chunk:
    kind: bytes
    start: int
    end: int

    def body(self, data: bytes) -> memoryview:
        """Return its content, between length and name in front and the checksum behind."""
        return memoryview(data)[self.start + 8 : self.end - 4]


def is_cgbi(data: bytes) -> bool:
    """Return whether it is the variant of Apple's tools, which swaps colours and lacks headers."""
    return data[12:16] == b"CgBI"


def essence(data: bytes) -> Essence:
    """Return a PNG without what does not concern its first picture, EXIF and XMP.

    A colour profile, a comment or a further frame may be damaged, or larger than Pillow allows,
    where the picture is sound. From the first malformed chunk on, everything stays as it is, unless
    it stands behind the picture.
    """
    kept: list[bytes | memoryview] = [data[:8]]
    met, position = set[bytes](), 8
    declared, frames = 1, 0
    for chunk in _chunks(data):
        if chunk.kind == b"acTL" and b"IDAT" not in met:
            declared = int.from_bytes(chunk.body(data)[:4], "big")
        if chunk.kind == b"IDAT" and not met & {b"IDAT", b"fcTL"}:
            frames, declared = 1, declared + (b"acTL" in met)  # it is no part of the animation
        frames += chunk.kind == b"fcTL"
        if _is_kept(chunk, data, met):
            kept.append(_as_pillow_reads_it(chunk, data))
        met.add(chunk.kind)
        position = chunk.end
    if b"IDAT" not in met or data[position + 4 : position + 8] in _PIXELS:
        kept.append(memoryview(data)[position:])
    return Essence(b"".join(kept), max(1, min(frames, declared, MAX_FRAMES_COUNTED)))


def texts(data: bytes) -> dict[str, str]:
    """Return the texts of a PNG by their keys: at most 50, of 1 MiB each and 4 MiB together.

    What is damaged or larger is left out. Of two with one key the first counts.
    """
    found: dict[str, str] = {}
    left = _MAX_TEXTS_IN_ALL
    for chunk in _chunks(data):
        if chunk.kind not in _TEXTS or len(found) == _MAX_TEXTS or chunk.end - chunk.start > left:
            continue
        key, _, rest = bytes(chunk.body(data)).partition(b"\0")
        text = _unpacked(chunk.kind, rest)
        if text is not None:
            left -= len(text)
            encoding = "utf-8" if chunk.kind == b"iTXt" else "latin-1"
            found.setdefault(key.decode("latin-1"), text.decode(encoding, "replace"))
    return found


def _unpacked(kind: bytes, text: bytes) -> bytes | None:
    """Return the text that follows a key, without what stands before it; None where damaged."""
    if kind == b"tEXt":
        return text[:_MAX_TEXT]
    packed = kind == b"zTXt" or text[:1] == b"\1"
    text = text[1:] if kind == b"zTXt" else text[2:].split(b"\0", 2)[-1]
    if not packed:
        return text[:_MAX_TEXT]
    inflater = zlib.decompressobj()
    try:
        return inflater.decompress(text, _MAX_TEXT)
    except zlib.error:
        return None


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """Yield the chunks up to the end of the picture, or to the first that is malformed."""
    position = 8
    while position + 12 <= len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        if end > len(data) or not (kind.isalpha() and kind.isascii()):
            return
        yield _Chunk(kind, position, end)
        if kind == b"IEND":
            return
        position = end


def _as_pillow_reads_it(chunk: _Chunk, data: bytes) -> bytes | memoryview:
    """Return a chunk, with the transparent colour in 8 bits where Pillow brings pixels to these."""
    depth, colours = data[24:26].ljust(2, b"\0")
    if chunk.kind != b"tRNS" or (colours, depth) not in _SCALED:
        return memoryview(data)[chunk.start : chunk.end]
    body = chunk.body(data)
    stored = [int.from_bytes(body[at : at + 2], "big") for at in range(0, len(body), 2)]
    levels = [value >> 8 if depth == 16 else value * 255 // (2**depth - 1) for value in stored]
    scaled = b"tRNS" + b"".join(level.to_bytes(3, "big")[-2:] for level in levels)
    return b"".join(
        (len(scaled[4:]).to_bytes(4, "big"), scaled, zlib.crc32(scaled).to_bytes(4, "big"))
    )


def _is_kept(chunk: _Chunk, data: bytes, met: set[bytes]) -> bool:
    if chunk.kind in _PIXELS:
        return True
    size = chunk.end - chunk.start
    if chunk.kind == b"eXIf":
        return size <= _MAX_EXIF and chunk.kind not in met
    if chunk.kind not in _TEXTS:
        return False
    key, _, rest = bytes(chunk.body(data)).partition(b"\0")
    if key not in _METADATA_KEYS or key in met or size > _MAX_TEXT:
        return False
    met.add(key)
    return _inflates(chunk.kind, rest)


def _inflates(kind: bytes, text: bytes) -> bool:
    """Return whether a text is not compressed, or to less than Pillow allows."""
    if kind == b"tEXt" or (kind == b"iTXt" and text[:1] == b"\0"):
        return True
    packed = text[1:] if kind == b"zTXt" else text[2:].split(b"\0", 2)[-1]
    if text[:1] != b"\0" and kind == b"zTXt":
        return False  # an unknown compression, at which Pillow gives up
    inflater = zlib.decompressobj()
    try:
        inflater.decompress(packed, _MAX_TEXT)
    except zlib.error:
        return False
    return not inflater.unconsumed_tail
