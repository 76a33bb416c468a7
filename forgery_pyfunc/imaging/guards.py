"""Limits that a file must meet before a decoder sets memory aside or spends time on it."""

import contextlib
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from forgery_pyfunc.errors import ImageError, ModelError

MAX_CHUNKS = 10_000
"""Of a PNG, where it is not large itself."""
MAX_ENTRIES, MAX_ENTRIES_IN_ALL = 1000, 10_000
"""Of a directory of a TIFF, and of all of them."""
MAX_FRAMES_COUNTED = 100
MAX_SCANS = 100
"""Of a JPEG."""
MAX_SEGMENTS, MAX_STRAY_BYTES = 10_000, 2**16
"""Of a JPEG, and between them; real files have some dozens, and next to nothing in between."""


@dataclass(frozen=True)
class Limits:
    """How large an upload may be: bytes of the file, and pixels its header may declare."""

    max_bytes: int = 25 * 2**20
    max_pixels: int = 64_000_000


NO_LIMITS = Limits(sys.maxsize, sys.maxsize)


def read_limits(environment: Mapping[str, str]) -> Limits:
    """Return the limits that MAX_UPLOAD_MB and MAX_PIXELS set, everywhere alike.

    Raises:
        ModelError: one of them is not a number above 0.
    """
    megabytes = _positive(environment, "MAX_UPLOAD_MB", Limits.max_bytes / 2**20)
    pixels = _positive(environment, "MAX_PIXELS", Limits.max_pixels)
    return Limits(max_bytes=int(megabytes * 2**20), max_pixels=int(pixels))


def _positive(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name) or str(default)
    with contextlib.suppress(ValueError):
        if 0 < float(text) < float("inf"):
            return float(text)
    raise ModelError(f"{name} is {text!r}; it must be a number above 0")


def check_bytes(data: bytes, limits: Limits) -> None:
    """Refuse an empty file, or one of too many bytes."""
    if not data:
        raise ImageError("The file is empty (0 bytes).", "empty_image")
    if len(data) > limits.max_bytes:
        allowed = f"{limits.max_bytes / 2**20:.3g} MB"
        raise ImageError(f"The file is larger than the limit of {allowed}.", "too_large")


def check_pixels(width: int, height: int, limits: Limits) -> None:
    """Refuse an image that declares too many pixels."""
    if width * height > limits.max_pixels:
        raise ImageError(
            f"The image declares {width} × {height} = {width * height / 1e6:.4g} million pixels; "
            f"the limit is {limits.max_pixels / 1e6:.4g} million.",
            "too_many_pixels",
        )


def check_canvas(data: bytes, limits: Limits) -> None:
    """Refuse a WebP whose header declares too many pixels, which its decoder would set aside."""
    size = _webp_size(data)
    if size:
        check_pixels(*size, limits)


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height from a WebP header (RFC 9649), None when it is damaged."""
    kind = data[12:16]
    if kind == b"VP8X" and len(data) >= 30:
        return (
            int.from_bytes(data[24:27], "little") + 1,
            int.from_bytes(data[27:30], "little") + 1,
        )
    if kind == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and len(data) >= 30:
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def check_chunks(data: bytes) -> None:
    """Refuse a flood of PNG chunks, each of which Pillow would read by itself."""
    allowed = max(MAX_CHUNKS, len(data) // 1024)  # some encoders write picture data by the KiB
    position = 8
    for _ in range(allowed):
        if position + 8 > len(data) or data[position + 4 : position + 8] == b"IEND":
            return  # what follows the end is no chunk, and no decoder reads it
        position += 12 + int.from_bytes(data[position : position + 4], "big")
    raise ImageError(f"The PNG has more than {allowed} chunks.", "broken_image")
