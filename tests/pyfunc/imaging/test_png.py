import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from forgery_pyfunc.imaging.decoding import check, decode, read_metadata
from tests.pyfunc.imaging.images import file, picture, refusal

MANY = 1_500_000
SPREAD = np.random.default_rng(0).integers(0, 256, MANY, np.uint8).tobytes()
PNG = file(Image.fromarray(picture()), "PNG")


def chunk(kind: bytes, body: bytes, checksum: int | None = None) -> bytes:
    checksum = zlib.crc32(kind + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def with_chunks(*chunks: bytes) -> bytes:
    """Return a PNG with chunks between its header and its picture."""
    return PNG[:33] + b"".join(chunks) + PNG[33:]


def behind(*chunks: bytes) -> bytes:
    """Return a PNG with chunks between its picture and its end."""
    return PNG[:-12] + b"".join(chunks) + PNG[-12:]


XMP = b"XML:com.adobe.xmp\0"
ODDITIES = {
    "profile": chunk(b"iCCP", b"name\0\0" + zlib.compress(SPREAD)),
    "profile that inflates": chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(50 * 2**20))),
    "profile of another compression": chunk(b"iCCP", b"name\0\1abc"),
    "profile cut off": chunk(b"iCCP", b"name"),
    "text": chunk(b"tEXt", b"Comment\0" + b"x" * MANY),
    "compressed text": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(SPREAD)),
    "text of another compression": chunk(b"zTXt", b"Comment\0\7" + b"abc"),
    "many texts": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"x" * 900_000)) * 100,
    "XMP": chunk(b"iTXt", XMP + b"\0\0\0\0" + b"x" * MANY),
    "compressed XMP": chunk(b"iTXt", XMP + b"\1\0\0\0" + zlib.compress(b"x" * MANY)),
    "EXIF": chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\0" + SPREAD),
    "raw profile": chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"1" * MANY)),
    "gamma cut off": chunk(b"gAMA", b"\0"),
    "size cut off": chunk(b"pHYs", b"\0"),
    "false checksum": chunk(b"tIME", b"1234567", checksum=5),
    "private": chunk(b"prVt", SPREAD),
    "animation cut off": chunk(b"acTL", b"\0\0"),
    "frames out of order": chunk(b"acTL", struct.pack(">II", 9, 0))
    + chunk(b"fcTL", struct.pack(">7IHHBB", 7, 80, 60, 0, 0, 1, 1, 1, 1, 0, 0)[:26]),
}  # fmt: skip


@pytest.mark.parametrize("place", [with_chunks, behind])
@pytest.mark.parametrize("name", ODDITIES)
def test_what_concerns_no_pixel_is_left_aside(name, place):
    data = place(ODDITIES[name])
    check(data)
    assert np.array_equal(decode(data).pixels, picture())
    read_metadata(data)


def test_memory_is_bounded():
    data = with_chunks(ODDITIES["profile that inflates"], ODDITIES["many texts"])
    tracemalloc.start()
    decode(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 2**20


def test_exif_and_xmp_stay():
    exif = Image.Exif()
    exif[0x0112], exif[0x0131] = 6, "program"
    information = PngImagePlugin.PngInfo()
    information.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta/>", zip=True)
    information.add_text("Comment", "x" * MANY)
    data = file(
        Image.fromarray(picture()), "PNG", exif=exif, pnginfo=information, icc_profile=SPREAD
    )
    assert decode(data).orientation == 6
    metadata = read_metadata(data)
    assert metadata.exif[0x0131] == "program"
    assert metadata.xmp == b"<x:xmpmeta/>"
    assert not metadata.damaged


def test_transparency_and_palette_stay():
    palette = Image.fromarray(np.repeat(np.uint8([[0, 1]]), 40, 1).repeat(60, 0), "P")
    palette.putpalette([255, 0, 0, 0, 0, 255])
    pixels = decode(file(palette, "PNG", transparency=0, icc_profile=SPREAD)).pixels
    assert (pixels[:, :40] == 255).all()
    assert (pixels[:, 40:] == [0, 0, 255]).all()


@pytest.mark.parametrize("default_image", [False, True])
def test_frames_are_counted_without_reading_them(default_image):
    images = [Image.fromarray(np.roll(picture(), n, 1)) for n in range(4)]
    data = file(
        images[0], "PNG", save_all=True, append_images=images[1:], default_image=default_image
    )
    decoded = decode(data)
    assert decoded.frames == 4
    assert np.array_equal(decoded.pixels, picture())
    cut = data[: data.index(b"fdAT") + 30]
    assert np.array_equal(decode(cut).pixels, picture())


def test_frames_are_those_that_are_there():
    animation = chunk(b"acTL", struct.pack(">II", 2**31, 0))
    assert decode(with_chunks(animation)).frames == 1
    control = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 80, 60, 0, 0, 1, 1, 0, 0))
    assert decode(with_chunks(animation, control)).frames == 1
    assert decode(with_chunks(animation)[:-12] + control * 2 + PNG[-12:]).frames == 3
    assert decode(with_chunks(animation)[:-12] + control * 200 + PNG[-12:]).frames == 100
    assert decode(behind(control * 2)).frames == 1


def test_a_cut_or_damaged_picture_is_still_refused():
    data = with_chunks(ODDITIES["profile"])
    for kept in (len(data) - 40, len(data) - 200, 40, 20):
        assert refusal(data[:kept]).code == "broken_image"
    changed = bytearray(data)
    changed[data.index(b"IDAT") + 40] ^= 0xFF
    assert refusal(bytes(changed)).code == "broken_image"


def test_the_variant_of_ios_is_named():
    error = refusal(PNG[:8] + chunk(b"CgBI", b"\x50\0\x20\2") + PNG[8:])
    assert error.code == "unsupported_format"
    assert "CgBI" in str(error)


@pytest.mark.parametrize(("name", "options"), [
    ("WEBP", {"icc_profile": SPREAD, "xmp": SPREAD, "exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0" + SPREAD,
              "lossless": True}),
    ("TIFF", {"icc_profile": SPREAD}),
    ("JPEG", {"icc_profile": SPREAD, "quality": 100, "subsampling": 0}),
])  # fmt: skip
def test_large_metadata_of_other_formats(name, options):
    data = file(Image.fromarray(picture()), name, **options)
    assert len(data) > MANY
    check(data)
    assert np.abs(decode(data).pixels.astype(int) - picture()).max() <= 4


def test_large_xmp_in_a_tiff():
    output = io.BytesIO()
    Image.fromarray(picture()).save(output, "TIFF", tiffinfo={700: SPREAD})
    assert np.array_equal(decode(output.getvalue()).pixels, picture())


@pytest.mark.parametrize(
    ("colours", "depth"), [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16)]
)
def test_a_transparent_colour_is_white_at_any_depth(colours, depth):
    step = (2**depth - 1) // 3 or 1
    values = np.arange(64 * 64).reshape(64, 64) // 5 % min(4, 2**depth) * step
    samples = values.repeat(3 if colours == 2 else 1, axis=1)
    if depth < 8:
        bits = np.unpackbits(samples.astype(np.uint8)[..., None], axis=2)[..., -depth:]
        rows = np.packbits(bits.reshape(64, -1), axis=1)
    else:
        rows = samples.astype({8: "u1", 16: ">u2"}[depth])
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, depth, colours, 0, 0, 0))
    key = chunk(b"tRNS", struct.pack(">H", step) * (3 if colours == 2 else 1))
    body = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)))
    expected = np.where(values == step, 255, values * 255 / (2**depth - 1))
    for parts, shown in (
        ((head, key, body), expected),
        ((head, body), values * 255 / (2**depth - 1)),
    ):
        pixels = decode(PNG[:8] + b"".join(parts) + chunk(b"IEND", b"")).pixels
        assert np.abs(pixels - shown[..., None]).max() <= 1
