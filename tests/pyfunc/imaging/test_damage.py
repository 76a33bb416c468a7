"""What is said of damaged files: an allowed code and one of our own sentences, nothing more."""

import re
import warnings
from collections import Counter

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.decoding import check, decode, read_metadata
from forgery_pyfunc.imaging.guards import Limits
from tests.pyfunc.imaging.images import file, picture

pillow_heif.register_heif_opener()
COLOURS = Image.fromarray(picture(40, 56))
EXIF = Image.Exif()
EXIF[0x0112], EXIF[0x0131] = 3, "program"
SOUND = {
    "JPEG": file(COLOURS, "JPEG", exif=EXIF, icc_profile=b"x" * 200, comment=b"hello"),
    "progressive JPEG": file(COLOURS, "JPEG", progressive=True),
    "CMYK JPEG": file(COLOURS.convert("CMYK"), "JPEG"),
    "PNG": file(COLOURS, "PNG", exif=EXIF, icc_profile=b"x" * 200),
    "palette PNG": file(COLOURS.quantize(16), "PNG", transparency=3),
    "animated PNG": file(COLOURS, "PNG", save_all=True, append_images=[COLOURS.rotate(9)]),
    "TIFF": file(COLOURS, "TIFF", exif=EXIF),
    **{
        f"{compression} TIFF": file(COLOURS, "TIFF", compression=compression)
        for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    },
    "BigTIFF": file(COLOURS, "TIFF", big_tiff=True, save_all=True, append_images=[COLOURS]),
    "fax": file(COLOURS.convert("1"), "TIFF", compression="group4"),
    "BMP": file(COLOURS, "BMP"),
    "palette BMP": file(COLOURS.quantize(16), "BMP"),
    "WebP": file(COLOURS, "WEBP", quality=80, exif=EXIF, icc_profile=b"x" * 200),
    "lossless WebP": file(COLOURS.convert("RGBA"), "WEBP", lossless=True),
    "HEIC": file(COLOURS, "HEIF", exif=EXIF),
    "AVIF": file(COLOURS, "AVIF", exif=EXIF),
    "animated WebP": file(COLOURS, "WEBP", save_all=True, append_images=[COLOURS.rotate(9)]),
}
CODES = {"broken_image", "unsupported_format", "not_an_image", "too_many_pixels", "empty_image"}
SENTENCES = re.compile(
    r"""The\ file\ is\ empty\ \(0\ bytes\)
    | The\ file\ is\ .*;\ the\ supported\ formats\ are\ JPEG,\ PNG,\ TIFF,\ BMP,\ WebP,\ HEIC
      \ and\ AVIF
    | Unrecognised\ image\ format;\ the\ supported\ formats\ are\ .*
    | The\ image\ declares\ [\d.e+]+\ ×\ [\d.e+]+\ =\ [\d.e+]+\ million\ pixels;\ the\ limit\ is\ .*
    | The\ (JPEG|PNG|TIFF|BMP|WebP|HEIC|AVIF)\ file\ (ends\ too\ early|is\ damaged\ or\ cut\ off)
      :\ its\ picture\ cannot\ be\ decoded
    | The\ (JPEG|TIFF|BMP)\ [^:]*,\ which\ is\ not\ read;\ (JPEGs|TIFFs|bitmaps)\ are\ read\ .*
    | The\ (TIFF|BMP)\ (ends\ too\ early|is\ damaged):\ (its|it)\ [a-z ]+
    | The\ JPEG\ is\ cut\ off:\ (its\ end|the\ lower\ part\ of\ the\ image)\ is\ missing
    | The\ JPEG\ ends\ before\ its\ image\ data\ begin
    | The\ JPEG's\ frame\ header\ is\ damaged
    | The\ JPEG\ lacks\ a\ quantisation\ table
    | The\ (HEIC|AVIF)\ file\ is\ damaged\ or\ cut\ off
      :\ it\ does\ not\ say\ what\ picture\ it\ holds
    | The\ (HEIC|AVIF)\ file\ holds\ a\ picture\ of\ another\ kind\ .*,\ which\ is\ not\ read
    | The\ (JPEG|PNG|TIFF)\ has\ more\ than\ .*
    """,
    re.VERBOSE,
)
WORDS_OF_DECODERS = re.compile(
    r"unpack|buffer|struct|Error|Exception|None|dict|object|decoder|libjpeg|Pillow|PIL|0x|\\x|/[a-z]|b'",
)


def damaged(data: bytes, seed: int) -> bytes:
    """Return the file with some bytes changed, left out, doubled or cut off."""
    rng = np.random.default_rng(seed)
    changed = bytearray(data)
    for _ in range(int(rng.integers(0, 5))):
        # Mostly near the start, where headers are.
        place = int(len(changed) * rng.random() ** int(rng.integers(1, 5)))
        changed[place] = rng.choice([0, 1, 0x7F, 0xFF, int(rng.integers(256))])
    start, length = sorted(rng.integers(0, len(changed), 2))
    kind = rng.integers(4)
    if kind == 0:
        del changed[start:]
    elif kind == 1:
        del changed[start : start + min(length - start, 9)]
    elif kind == 2:
        changed[start:start] = changed[start : start + 9]
    return bytes(changed)


@pytest.mark.parametrize("name", SOUND)
def test_a_refusal_speaks_our_sentences(name):
    sound, limits, met = SOUND[name], Limits(max_pixels=10**6), Counter[str]()
    cut = [sound[: int(len(sound) * part)] for part in np.linspace(0, 0.99, 30)]
    for data in [*cut, *(damaged(sound, seed) for seed in range(60))]:
        for read in (check, decode):
            with warnings.catch_warnings(action="ignore"):
                try:
                    read(data, limits)
                except ImageError as error:
                    met[error.code] += 1
                    assert_ours(error)
        if data:
            with warnings.catch_warnings(action="ignore"):
                try:
                    read_metadata(data)
                except ImageError as error:
                    assert_ours(error)
    assert met["broken_image"] >= 10


def assert_ours(error: ImageError) -> None:
    message = str(error)
    assert error.code in CODES
    assert message.endswith(".")
    assert SENTENCES.fullmatch(message[:-1]), message
    assert not WORDS_OF_DECODERS.search(message), message
