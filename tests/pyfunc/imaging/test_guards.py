import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.decoding import decode, read_metadata
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.imaging.jpeg_encoder import encode
from tests.pyfunc.imaging.images import file, picture, refusal


def png_that_declares(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(100_000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def test_empty_and_too_large_files():
    assert refusal(b"").code == "empty_image"
    error = refusal(encode(picture(), quality=90), Limits(max_bytes=1000))
    assert error.code == "too_large"


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_too_many_pixels_are_refused_before_decoding(format_name, monkeypatch):
    data = file(Image.fromarray(picture()), format_name)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("decoded"))
    error = refusal(data, Limits(max_pixels=4799))
    assert error.code == "too_many_pixels"
    assert "80 × 60" in str(error)


def test_two_hundred_megapixels_in_a_small_png():
    error = refusal(png_that_declares(20_000, 10_000))
    assert error.code == "too_many_pixels"
    assert "200 million" in str(error)


def test_metadata_of_a_picture_beyond_the_limit_are_refused_before_its_pixels_are_set_aside():
    with pytest.raises(ImageError) as caught:
        read_metadata(png_that_declares(60_000, 60_000))
    assert caught.value.code == "too_many_pixels"


def test_enormous_webp_canvas_is_refused_from_its_header():
    data = bytearray(
        file(Image.fromarray(picture()), "WEBP", lossless=True, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0")
    )
    assert data[12:16] == b"VP8X"
    data[24:30] = (16_000).to_bytes(3, "little") * 2
    assert refusal(bytes(data)).code == "too_many_pixels"


def tiff_directories(order: str, big: bool, entries: int, pages: int) -> bytes:
    """A TIFF or BigTIFF whose directories stand one after the other and name no picture."""
    count, word, head = ("Q", "Q", (43, 8, 0)) if big else ("H", "I", (42,))
    data = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}{len(head)}H", *head)
    for _ in range(pages):
        data += struct.pack(f"{order}{word}{count}", len(data) + struct.calcsize(word), entries)
        data += struct.pack(f"{order}HH{word}{word}", 900, 4, 1, 0) * entries
    return data + bytes(8)


SOUND = encode(picture(), quality=75)


PNG = file(Image.fromarray(picture()), "PNG")


SCAN = SOUND[SOUND.index(b"\xff\xda") : -2]


FLOODS = {
    "segments": SOUND[:2] + b"\xff\xfe\0\2" * 10_001 + SOUND[2:],
    "markers without a segment": SOUND[:2] + b"\xff\1" * 10_001 + SOUND[2:],
    "filling": SOUND[:2] + b"\xff" * (2**20 + 9) + SOUND[2:],
    "bytes between segments": SOUND[:2] + b"\xff\xfe\0\2" + bytes(2**20 + 9) + SOUND[2:],
    "scans": SOUND[:-2] + SCAN * 100 + SOUND[-2:],
    "chunks": PNG[:33] + (bytes(4) + b"teST" + struct.pack(">I", zlib.crc32(b"teST"))) * 10_001
    + PNG[33:],
    **{
        f"TIFF {order} {big} {entries}": tiff_directories(order, big, entries, pages)
        for order in "<>" for big in (False, True)
        for entries, pages in ((1001, 1), (101, 100))
    },
}  # fmt: skip


@pytest.mark.parametrize("name", FLOODS)
def test_floods_are_refused_before_a_decoder_meets_them(name, monkeypatch):
    monkeypatch.setattr(
        "forgery_pyfunc.imaging.decoding._PLUGINS", dict.fromkeys(["JPEG", "PNG", "TIFF"])
    )
    error = refusal(FLOODS[name])
    assert error.code == "broken_image"
    assert "more than" in str(error)


def test_what_follows_the_end_of_a_png_is_no_chunk():
    assert np.array_equal(decode(PNG + bytes(130_000)).pixels, picture())


@pytest.mark.timeout(120)
def test_a_file_of_nothing_but_filling_is_refused_at_once():
    assert refusal(b"\xff\xd8" + b"\xff" * (20 * 2**20)).code == "broken_image"
    tables = b"\xff\xdb\xff\xff" + (b"\0" + bytes(64)) * 1008
    assert refusal(b"\xff\xd8" + tables * 300).code == "broken_image"
