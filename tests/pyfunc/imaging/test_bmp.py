import struct

import numpy as np
import pytest

from forgery_pyfunc.imaging.decoding import check, decode
from tests.pyfunc.imaging.images import refusal


def bitmap(
    rows: bytes, depth: int, compression: int = 0, masks: tuple[int, ...] = (), size: int = 40
) -> bytes:
    """Return a bitmap of 64×64 pixels with a header of `size` bytes."""
    if size == 12:
        header = struct.pack("<IHHHH", 12, 64, 64, 1, depth)
    else:
        header = struct.pack("<IiiHHI5I", size, 64, 64, 1, depth, compression, 0, 0, 0, 0, 0)
    masked = struct.pack(f"<{len(masks)}I", *masks)
    header += masked if size == 40 else masked.ljust(size - len(header), b"\0")
    palette = bytes(np.arange(256).repeat(4).astype(np.uint8))[: 4 << depth] if depth <= 8 else b""
    start = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + header + palette + rows


COLOURS = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
RGB555, RGB565 = (0x7C00, 0x3E0, 0x1F), (0xF800, 0x7E0, 0x1F)
WITH_ALPHA = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)


def packed(masks: tuple[int, ...], bytes_each: int) -> bytes:
    """Return `COLOURS`, from the bottom up, with each channel in the bits of its mask."""
    values = np.zeros((64, 64), np.uint32)
    for channel, mask in enumerate(masks[:3]):
        width, low = mask.bit_count(), (mask & -mask).bit_length() - 1
        values |= (COLOURS[..., channel].astype(np.uint32) >> (8 - width)) << low
    if len(masks) > 3:
        values |= np.uint32(masks[3])
    return values[::-1].astype(f"<u{bytes_each}").tobytes()


@pytest.mark.parametrize(
    ("data", "tolerance"),
    [
        (bitmap(packed(RGB555, 2), 16), 8),
        (bitmap(packed(RGB555, 2), 16, 3, RGB555), 8),
        (bitmap(packed(RGB565, 2), 16, 3, RGB565), 8),
        (bitmap(packed(RGB565, 2), 16, 3, RGB565, size=108), 8),
        (bitmap(packed(WITH_ALPHA[:3], 4), 32), 0),
        (bitmap(packed(WITH_ALPHA, 4), 32, 3, WITH_ALPHA, size=124), 0),
        (bitmap(COLOURS[::-1, :, ::-1].tobytes(), 24), 0),
        (bitmap(COLOURS[::-1, :, ::-1].tobytes(), 24, size=12), 0),
        (bitmap(COLOURS[::-1, :, ::-1].tobytes(), 24, size=64), 0),
    ],
)
def test_variants_that_are_read(data, tolerance):
    check(data)
    assert np.abs(decode(data).pixels.astype(int) - COLOURS).max() <= tolerance


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bitmap(bytes(9), 2), "2 bits per pixel"),
        (bitmap(bytes(9), 64), "64 bits per pixel"),
        (bitmap(bytes(9), 0, 4), "compressed (JPEG)"),
        (bitmap(bytes(9), 24, 5), "compressed (PNG of 24 bits)"),
        (bitmap(bytes(9), 24, 4, size=64), "compressed (24-bit run-length of 24 bits)"),
        (bitmap(bytes(9), 1, 3, size=64), "compressed (Huffman of 1 bits)"),
        (bitmap(bytes(9), 32, 6), "compressed (kind 6 of 32 bits)"),
        (bitmap(bytes(9), 16, 3, (0xF00, 0xF0, 0xF)), "unusual parts of 16 bits"),
        (bitmap(bytes(9), 32, 3, (0x3FF00000, 0xFFC00, 0x3FF)), "unusual parts of 32 bits"),
    ],
)
def test_variants_that_are_not_read_are_named(data, words):
    error = refusal(data)
    assert error.code == "unsupported_format"
    assert words in str(error)


def test_a_header_that_is_cut_off():
    for kept in (18, 30, 50):
        assert refusal(bitmap(bytes(9), 24)[:kept]).code == "broken_image"
