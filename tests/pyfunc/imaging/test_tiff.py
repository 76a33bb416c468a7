"""Every layout of a TIFF that is read gives the pixels that were written; others are named."""

import io
import itertools
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.decoding import DecodedImage, check, decode
from tests.pyfunc.imaging.images import file, picture, refusal

KINDS = {
    "grey": ("minisblack", 1, []),
    "white": ("miniswhite", 1, []),
    "grey+alpha": ("minisblack", 2, ["unassalpha"]),
    "RGB": ("rgb", 3, []),
    "RGB+alpha": ("rgb", 4, ["unassalpha"]),
    "RGB+associated": ("rgb", 4, ["assocalpha"]),
    "RGB+other": ("rgb", 4, ["unspecified"]),
    "CMYK": ("separated", 4, []),
    "Lab": ("cielab", 3, []),
    "YCbCr": ("ycbcr", 3, []),
}
DEPTHS = ["u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8"]
COMPRESSIONS = [(None, False), ("zlib", False), ("zlib", True)]
ORDERS, PLANES, TILES = ["<", ">"], ["contig", "separate"], [None, (32, 48)]
VARIANTS = [
    (kind, depth, planes)
    for kind, depth, planes in itertools.product(KINDS, DEPTHS, PLANES)
    if planes == "contig" or KINDS[kind][1] > 1
]

ALWAYS = {
    ("grey", "u1"), ("grey", "u2"), ("grey", "i1"), ("white", "u1"),
    ("RGB", "u1"), ("RGB+alpha", "u1"), ("CMYK", "u1"),
}  # fmt: skip
CONTIGUOUS = {("grey+alpha", "u1"), ("YCbCr", "u1")}
CONTIGUOUS |= {(kind, "u2") for kind in ("RGB", "RGB+alpha", "RGB+other", "RGB+associated", "CMYK")}
CONTIGUOUS |= {("RGB+other", "u1"), ("RGB+associated", "u1")}
LITTLE_OR_UNCOMPRESSED = {("grey", "f4"), ("grey", "i4")}
COMPRESSED_PLANES = CONTIGUOUS - {("grey+alpha", "u1")}


def must_be_read(kind, depth, planes, order, compression) -> bool:
    """Return whether this layout is one of those that were always read rightly."""
    single = KINDS[kind][1] == 1
    layout = (kind, depth)
    if layout in ALWAYS or (layout in CONTIGUOUS and planes == "contig"):
        return True
    if layout in LITTLE_OR_UNCOMPRESSED and single:
        return order == "<" or compression is None
    return layout in COMPRESSED_PLANES and planes == "separate" and compression is not None


def fractions(samples: int) -> np.ndarray:
    """Return float64[60, 80, samples] from 0 to 1, that of a last sample of many at least 0.2."""
    noise = np.random.default_rng(1).normal(0, 0.02, (60, 80, samples))
    planes = np.dstack([picture(), picture()[::-1, ::-1, :1]])[..., :samples] / 255
    planes = (planes + noise).clip(0, 1)
    planes.flat[:2] = 0, 1
    return planes


def encoded(values: np.ndarray, depth: str) -> np.ndarray:
    kind = np.dtype(depth)
    if kind.kind == "f":
        return values.astype(kind)
    return np.rint(values * np.iinfo(kind).max).astype(kind)


def shown(kind: str, depth: str, values: np.ndarray) -> np.ndarray:
    """Return float64[60, 80, 3], 0 to 255: what a viewer shows of fractions of full scale."""
    if kind == "white":
        values = 1 - values
    if kind == "YCbCr":
        image = Image.fromarray(encoded(values, "u1"), "YCbCr")
        return np.asarray(image.convert("RGB")).astype(float)
    if kind == "CMYK":
        return 255 * (1 - values[..., :3]) * (1 - values[..., 3:])
    colours = values[..., :1] if kind in ("grey", "white", "grey+alpha") else values[..., :3]
    if "alpha" in kind:
        colours = colours * values[..., -1:] + 1 - values[..., -1:]
    if kind == "RGB+associated":
        colours = np.minimum(colours / np.maximum(values[..., 3:], 1e-9), 1)
        colours = colours * values[..., 3:] + 1 - values[..., 3:]
    if depth in ("i1", "i4"):  # the lower half of the scale is negative, and counts as black
        colours = colours * np.iinfo(depth).max / np.iinfo(depth.replace("i", "u")).max
    return np.repeat(colours, 3 // colours.shape[-1], -1) * 255


def read(data: bytes) -> DecodedImage | None:
    """Return the decoded image, None where its layout is refused by its name."""
    try:
        check(data)
    except ImageError:
        error = refusal(data)
        assert error.code == "unsupported_format"
        assert "which is not read" in str(error)
        return None
    return decode(data)


@pytest.mark.parametrize(("kind", "depth", "planes"), VARIANTS)
def test_what_is_read_is_what_was_written(kind, depth, planes):
    photometric, samples, extra = KINDS[kind]
    values = fractions(samples)
    stored = encoded(values, depth)
    stored = stored if planes == "contig" else np.moveaxis(stored, -1, 0)
    stored = stored[..., 0] if samples == 1 else stored
    expected = shown(kind, depth, values)
    for order, tile, (compression, predictor) in itertools.product(ORDERS, TILES, COMPRESSIONS):
        if predictor and depth.startswith("f"):
            continue  # needs a codec library
        output = io.BytesIO()
        tifffile.imwrite(
            output, stored, photometric=photometric, byteorder=order, compression=compression,
            predictor=predictor, tile=tile, rowsperstrip=None if tile else 16, metadata=None,
            extrasamples=extra or None, planarconfig=planes if samples > 1 else None,
        )  # fmt: skip
        name = (order, tile, compression, predictor)
        data = output.getvalue()
        decoded = read(data)
        if decoded is None:
            assert not must_be_read(kind, depth, planes, order, compression), name
            continue
        difference = np.abs(decoded.pixels - expected)
        assert difference.mean() < 1, name
        assert np.percentile(difference, 99) < 3, name


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("white", [False, True])
@pytest.mark.parametrize("palette", [False, True])
@pytest.mark.parametrize("reversed_bits", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_few_bits(bits, white, palette, reversed_bits, order):
    levels = np.arange(64 * 64).reshape(64, 64) // 7 % 2**bits
    rows = [
        np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, -bits:].ravel() for row in levels
    ]
    packed = np.packbits(rows, axis=1)
    colours = np.random.default_rng(bits).integers(0, 256, (2**bits, 3))
    tags = {258: bits, 262: 3 if palette else int(not white), 266: 1 + reversed_bits}
    if palette:
        tags[320] = tuple((colours.T * 257).ravel().tolist())
        expected = colours[levels]
    else:
        expected = np.repeat(levels[..., None] * 255 / (2**bits - 1), 3, -1)
        expected = 255 - expected if white else expected
    data = packed.tobytes()
    if palette and reversed_bits:
        assert "reversed" in str(refusal(written(data, 64, 64, tags, order)))
        data, tags = zlib.compress(data), {**tags, 259: 8}
    if reversed_bits:
        bytes_ = np.frombuffer(data, np.uint8)
        data = np.packbits(np.unpackbits(bytes_[:, None], axis=1)[:, ::-1]).tobytes()
    decoded = decode(written(data, 64, 64, tags, order))
    assert np.abs(decoded.pixels - expected).max() <= 1


def written(data: bytes, width: int, height: int, tags: dict, order: str) -> bytes:
    """Return a TIFF of one strip; values of tags are numbers of 16 bits, or tuples of them."""
    tags = {256: width, 257: height, 259: 1, 277: 1, 278: height, **tags}
    tags |= {273: 8, 279: len(data)}
    behind, entries = b"", b""
    start = 8 + len(data) + 2 + 12 * len(tags) + 4
    for tag, value in sorted(tags.items()):
        many = value if isinstance(value, tuple) else (value,)
        body = struct.pack(f"{order}{len(many)}H", *many)
        if len(body) > 4:
            place, behind = struct.pack(f"{order}I", start + len(behind)), behind + body
        else:
            place = body.ljust(4, b"\0")
        entries += struct.pack(f"{order}HHI", tag, 3, len(many)) + place
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HI", 42, 8 + len(data))
    return head + data + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + behind


@pytest.mark.parametrize("compression", [
    "tiff_lzw", "packbits", "tiff_adobe_deflate", "tiff_deflate", "jpeg", "raw",
])  # fmt: skip
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_compressions_of_libtiff(compression, mode):
    image = Image.fromarray(picture()).convert(mode)
    options = {"quality": 100} if compression == "jpeg" else {}
    pixels = decode(file(image, "TIFF", compression=compression, **options)).pixels
    expected = np.asarray(image.convert("RGB"))
    assert np.abs(pixels.astype(int) - expected).mean() < (3 if options else 0.01)


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
def test_fax(compression):
    image = Image.fromarray(picture()[..., 0] > 99)
    decoded = decode(file(image, "TIFF", compression=compression))
    assert np.array_equal(decoded.luma, np.asarray(image) * 255)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({259: 34887}, "compressed as LERC"),
        ({259: 34712}, "compressed as JPEG 2000"),
        ({259: 50001}, "compressed as WebP"),
        ({259: 4711}, "compressed in way 4711"),
        ({258: 12}, "12-bit grey"),
        ({258: 16, 262: 0}, "16-bit grey (white is zero)"),
        ({262: 4}, "transparency mask"),
        ({262: 8, 277: 3, 258: (8, 8, 8)}, "CIELAB"),
        ({262: 32845, 277: 3, 258: (16, 16, 16)}, "LogLuv"),
        ({277: 7, 258: (8,) * 7, 262: 2, 338: (0,) * 4}, "4 extra samples"),
        ({258: (5, 6, 5), 277: 3, 262: 2}, "mixed-depth RGB"),
        ({262: 32803}, "camera raw"),
        ({259: 34713}, "camera raw"),
    ],
)  # fmt: skip
def test_a_layout_that_is_not_read_is_named(tags, words):
    error = refusal(written(bytes(9000), 32, 32, {258: 8, 262: 1, **tags}, "<"))
    assert error.code == "unsupported_format"
    assert words in str(error)


@pytest.mark.parametrize(("make", "name"), [("NIKON CORPORATION", "Nikon NEF"), ("x", "raw file;")])
def test_a_raw_file_is_named_by_its_maker(make, name):
    output = io.BytesIO()
    with tifffile.TiffWriter(output) as writer:
        writer.write(
            picture(), photometric="rgb", metadata=None, subfiletype=1, software=None, subifds=1,
            extratags=[(271, 2, 0, make, True)],
        )  # fmt: skip
        writer.write(picture(), photometric="rgb", metadata=None, software=None)
    assert name in str(refusal(output.getvalue()))


def test_a_bigtiff_is_read_in_little_endian_order_alone():
    for order, is_read in (("<", True), (">", False)):
        output = io.BytesIO()
        tifffile.imwrite(output, picture(), bigtiff=True, byteorder=order, photometric="rgb")
        if is_read:
            assert np.array_equal(decode(output.getvalue()).pixels, picture())
        else:
            error = refusal(output.getvalue())
            assert error.code == "unsupported_format"
            assert "BigTIFF in big-endian byte order" in str(error)


def test_smaller_copies_and_masks_are_no_pages():
    output = io.BytesIO()
    with tifffile.TiffWriter(output) as writer:
        for subfile_type in (0, 1, 2):
            writer.write(picture(), photometric="rgb", metadata=None, subfiletype=subfile_type)
    assert decode(output.getvalue()).frames == 2


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 1), (2, 2), (4, 2)])
def test_subsampled_colours(subsampling):
    """YCbCr data units: the luma samples of a rectangle, then one sample of each chroma."""
    across, down = subsampling
    planes = np.asarray(Image.fromarray(picture()).convert("YCbCr")).astype(np.uint8)
    coarse = planes.reshape(60 // down, down, 80 // across, across, 3)
    luma = coarse[..., 0].swapaxes(1, 2).reshape(60 // down, 80 // across, -1)
    chroma = coarse[..., 1:].mean((1, 3)).round().astype(np.uint8)
    data = np.concatenate([luma, chroma], -1).tobytes()
    tags = {258: (8, 8, 8), 262: 6, 277: 3, 530: subsampling, 532: (0, 255, 128, 255, 128, 255)}
    if subsampling != (1, 1):
        assert "subsampled" in str(refusal(written(data, 80, 60, tags, "<")))
        data, tags = zlib.compress(data), {**tags, 259: 8}
    pixels = decode(written(data, 80, 60, tags, "<")).pixels
    upsampled = chroma.repeat(down, 0).repeat(across, 1)
    stored = np.dstack([planes[..., :1], upsampled])
    expected = np.asarray(Image.fromarray(stored, "YCbCr").convert("RGB")).astype(int)
    assert np.abs(pixels - expected).mean() < 2
