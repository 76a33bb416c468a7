"""The header of a Windows bitmap: which of its variants are read."""

import struct

from forgery_pyfunc.errors import ImageError

READ = "bitmaps are read with 1, 4, 8, 16, 24 or 32 bits, also run-length encoded"
_DEPTHS = (1, 4, 8, 16, 24, 32)
_COMPRESSIONS = {1: "8-bit run-length", 2: "4-bit run-length", 4: "JPEG", 5: "PNG"}
_OS2_COMPRESSIONS = {3: "Huffman", 4: "24-bit run-length"}
_OS2_HEADER = 64
_BITFIELDS = 3
_MASKS = {
    16: {(0xF800, 0x7E0, 0x1F, 0), (0x7C00, 0x3E0, 0x1F, 0)},
    24: {(0xFF0000, 0xFF00, 0xFF, 0)},
    32: {
        (0xFF0000, 0xFF00, 0xFF, 0),
        (0xFF000000, 0xFF0000, 0xFF00, 0),
        (0xFF000000, 0xFF00, 0xFF, 0),
        (0xFF000000, 0xFF0000, 0xFF00, 0xFF),
        (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
        (0xFF0000, 0xFF00, 0xFF, 0xFF000000),
        (0xFF000000, 0xFF00, 0xFF, 0xFF0000),
    },
}
"""By bits of a pixel: the masks of red, green, blue and alpha that Pillow reads."""


def check(data: bytes) -> None:
    """Refuse a bitmap in a variant that is not read.

    Raises:
        ImageError: `unsupported_format`, or `broken_image` where the header is cut off.
    """
    if len(data) < 26:
        raise ImageError("The BMP ends too early: its header is cut off.", "broken_image")
    size = int.from_bytes(data[14:18], "little")
    if size == 12:
        depth, compression = int.from_bytes(data[24:26], "little"), 0
    elif len(data) < 14 + size:
        raise ImageError("The BMP ends too early: its header is cut off.", "broken_image")
    else:
        depth, compression = struct.unpack_from("<HI", data, 28)
    if depth not in _DEPTHS and compression not in (4, 5):
        raise _unsupported(f"has {depth} bits per pixel")
    names = {**_COMPRESSIONS, **(_OS2_COMPRESSIONS if size == _OS2_HEADER else {})}
    if (compression in (1, 2) and depth == 8 // compression) or not compression:
        return
    if compression == _BITFIELDS and size != _OS2_HEADER:
        if _masks(data, size, depth) not in _MASKS.get(depth, ()):
            raise _unsupported(f"stores its colours in unusual parts of {depth} bits")
        return
    name = names.get(compression, f"kind {compression}")
    raise _unsupported(f"is compressed ({name}{f' of {depth} bits' if depth else ''})")


def _unsupported(what: str) -> ImageError:
    return ImageError(f"The BMP {what}, which is not read; {READ}.", "unsupported_format")


def _masks(data: bytes, size: int, depth: int) -> tuple[int, ...]:
    """Return the masks of red, green, blue and alpha, 0 where there is none."""
    masks = struct.unpack_from("<4I", data.ljust(70, b"\0"), 54)
    return masks if depth == 32 and size >= 56 else (*masks[:3], 0)
