"""The one door through which bytes become pixels: safe, thread-safe, and clear about refusals."""

import io
import re
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from PIL import (
    BmpImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.jpeg import JpegHeader, read_header

ALLOWED = "JPEG, PNG, TIFF, BMP and WebP are read"
ORIENTATION_TAG = 0x0112

# The plug-ins are called directly: Image.open() would also guess other formats, and its size check
# rests on a module-wide setting that threads share.
_PLUGINS: dict[str, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}
FORMATS = tuple(_PLUGINS)

_MAX_CHUNKS = 10_000
_MAX_FRAMES_COUNTED = 100
_MAX_ENTRIES, _MAX_ENTRIES_IN_ALL = 1000, 10_000

_MAGIC = [
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"II*\0\x10\0\0\0CR", "RAW"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"8BPS", "PSD"),
    (b"%PDF-", "PDF"),
    (b"\0\0\1\0", "ICO"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"FUJIFILMCCD-RAW", "RAW"),
    (b"IIRO", "RAW"),
    (b"IIU\0", "RAW"),
    (b"PK\3\4", "ZIP"),
    (b"\x1f\x8b", "GZIP"),
    (b"%!PS", "PostScript"),
]
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    b"crx ": "RAW",
}
_PICTURES_NOT_READ = {
    "GIF": "a GIF image",
    "HEIC": "a HEIC image (the iPhone's own format)",
    "AVIF": "an AVIF image",
    "SVG": "an SVG drawing",
    "PDF": "a PDF document",
    "PSD": "a Photoshop document",
    "ICO": "an icon file",
    "JPEG 2000": "a JPEG 2000 image",
    "JPEG XL": "a JPEG XL image",
    "RAW": "a camera raw file",
    "PostScript": "a PostScript document",
}
_NO_PICTURES = {
    "HTML": "a web page (HTML)",
    "XML": "an XML document",
    "ZIP": "a ZIP archive",
    "GZIP": "a compressed archive",
    "MP4": "a video",
    "text": "text",
}

# Comments are possessive (`*+`): a pattern that may take them apart anew never ends on many.
_HTML = re.compile(
    r"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*+<(!doctype html|html|head|body|script)", re.DOTALL
)


@dataclass(frozen=True)
class Limits:
    """How large an upload may be: bytes of the file, and pixels its header may declare."""

    max_bytes: int = 25 * 2**20
    max_pixels: int = 64_000_000


_NO_LIMITS = Limits(sys.maxsize, sys.maxsize)


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """A decoded image, in the orientation in which it is stored, so that its JPEG grid is intact.

    Attributes:
        pixels: uint8[H, W, 3], RGB; grey is repeated, alpha composited on white, 16 bits scaled to
            8, embedded colour profiles ignored.
        luma: uint8[H, W]; a JPEG's own luma as its decoder gives it, else ITU-R BT.601 luma.
        format: "JPEG", "PNG", "TIFF", "BMP" or "WEBP".
        mode: Pillow's name of the stored pixel layout, such as "RGB", "CMYK", "I;16" or "P".
        orientation: EXIF orientation 1 … 8; `oriented` turns a map the way a viewer shows it.
        jpeg: the JPEG's header, None for other formats.
        frames: number of frames or pages, counted up to 100; the first is the one decoded.
    """

    pixels: np.ndarray
    luma: np.ndarray
    format: str
    mode: str
    orientation: int = 1
    jpeg: JpegHeader | None = None
    frames: int = 1

    @property
    def width(self) -> int:
        """Columns of `pixels`."""
        return self.pixels.shape[1]

    @property
    def height(self) -> int:
        """Rows of `pixels`."""
        return self.pixels.shape[0]

    def part(self, rows: slice, columns: slice) -> "DecodedImage":
        """Return a part of the image; its JPEG grid stays if it starts at multiples of 16."""
        pixels, luma = (
            np.ascontiguousarray(one[rows, columns]) for one in (self.pixels, self.luma)
        )
        return replace(self, pixels=pixels, luma=luma)


def sniff(data: bytes) -> str | None:
    """The name of the format that the first bytes show, or None when they show nothing known.

    "JPEG", "PNG", "TIFF", "BMP" and "WEBP" are those that `decode` reads; others, such as "HEIC",
    "GIF", "SVG", "PDF", "HTML" or "text", are named so that a refusal can say what it met.
    """
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[:2] == b"BM" and data[14:18] in {
        struct.pack("<I", n) for n in (12, 40, 52, 56, 64, 108, 124)
    }:
        return "BMP"
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "MP4")
    return _sniff_text(data[:1024])


def _sniff_text(start: bytes) -> str | None:
    """Tell apart SVG, HTML, XML and other text; None when the bytes are no text."""
    encoding = "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    text = start.decode(encoding, "replace").lstrip().lower()
    # A cut through the last character may leave one replacement character at the end.
    if not text or "\0" in text or "\ufffd" in text[:-3]:
        return None
    if _HTML.match(text):
        return "HTML"
    if re.search(r"<svg[\s>]", text):
        return "SVG"
    return "XML" if text.startswith("<?xml") else "text"


def decode(data: bytes, limits: Limits | None = None) -> DecodedImage:
    """The image that `data` holds, first frame, as it is stored.

    Raises:
        ImageError: `empty_image`, `too_large`, `not_an_image`, `unsupported_format`,
            `too_many_pixels` (judged by the header, before any pixel is decoded) or
            `broken_image`; the message is one sentence for the sender of the file.
    """
    limits = limits or Limits()
    name, header = _check(data, limits)
    try:
        return _decode(data, name, header, limits)
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # Decoders fail in many ways on damaged files.
        raise _damaged(name, error) from error


def check(data: bytes, limits: Limits | None = None) -> None:
    """Refuse what `decode` would refuse by size, kind and header; no pixel is decoded.

    Raises:
        ImageError: as `decode`; damage inside the pixel data is not found.
    """
    limits = limits or Limits()
    name, header = _check(data, limits)
    if header is not None:
        return
    try:
        size = _open(name, data, limits).size
    except ImageError:
        raise
    except Exception as error:  # As in `decode`.
        raise _damaged(name, error) from error
    _check_pixels(*size, limits)


def _check(data: bytes, limits: Limits) -> tuple[str, JpegHeader | None]:
    """The format of a file whose size, kind and, of a JPEG, header are sound, and that header."""
    if not data:
        raise ImageError("The file is empty (0 bytes).", "empty_image")
    if len(data) > limits.max_bytes:
        allowed = f"{limits.max_bytes / 2**20:.3g} MB"
        raise ImageError(f"The file has more than {allowed}, the most that is read.", "too_large")
    name = sniff(data)
    if name not in _PLUGINS:
        raise _refusal(name)
    if name == "PNG":
        _check_chunks(data)
    if name == "TIFF":
        _check_directories(data)
    header = read_header(data) if name == "JPEG" else None
    if header is not None:
        _check_pixels(header.width, header.height, limits)
        _check_jpeg(header)
    return name, header


def _damaged(name: str, error: Exception) -> ImageError:
    return ImageError(f"The {name} file is damaged or cut off: {_reason(error)}.", "broken_image")


def _decode(data: bytes, name: str, header: JpegHeader | None, limits: Limits) -> DecodedImage:
    stored = _open(name, data, limits)
    _check_pixels(*stored.size, limits)
    mode = stored.mode
    if name == "TIFF":
        _check_tiff(stored)
        frames = _count_pages(stored)
        orientation = _orientation(stored)
        stored.load()
        # Pillow turns TIFFs the way they are shown: turn them back.
        pixels = oriented(_rgb(stored, header), {6: 8, 8: 6}.get(orientation, orientation))
    else:
        frames = min(getattr(stored, "n_frames", 1), _MAX_FRAMES_COUNTED)
        stored.load()
        pixels = _rgb(stored, header)
        orientation = _orientation(stored)
    pixels = np.ascontiguousarray(pixels)
    if header is not None and mode == "RGB":
        luma = _jpeg_luma(data)
    else:
        luma = (
            pixels[..., 0].copy()
            if mode == "L"
            else np.asarray(Image.fromarray(pixels).convert("L"))
        )
    if header is not None and _ends_early(data, header, luma):
        raise ImageError(
            "The JPEG is cut off: the lower part of its picture is missing.", "broken_image"
        )
    return DecodedImage(pixels, luma, name, mode, orientation, header, frames)


@dataclass(frozen=True)
class StoredMetadata:
    """EXIF tags, the bytes they were read from (without the "Exif" mark), and the XMP packet.

    Empty where the file has none or Pillow cannot read them; `damaged` tells the two apart.
    """

    exif: Image.Exif
    exif_bytes: bytes
    xmp: bytes
    damaged: bool = False


def read_metadata(data: bytes) -> StoredMetadata:
    """What a file that `decode` has accepted carries beside its pixels; no pixel is decoded."""
    name = sniff(data)
    if name not in _PLUGINS:
        raise _refusal(name)
    try:
        stored = _open(name, data, _NO_LIMITS)
        exif = stored.getexif()
        xmp = stored.info.get("xmp") or stored.info.get("XML:com.adobe.xmp") or b""
    except ImageError:
        raise
    except Exception:  # Metadata are often damaged, and the picture sound all the same.
        return StoredMetadata(Image.Exif(), b"", b"", damaged=True)
    exif_bytes = stored.info.get("exif", b"").removeprefix(b"Exif\0\0")
    return StoredMetadata(exif, exif_bytes, xmp.encode() if isinstance(xmp, str) else xmp)


def oriented(array: np.ndarray, orientation: int) -> np.ndarray:
    """A view of `array` [H, W, ...] turned as EXIF `orientation` 1 … 8 asks a viewer to."""
    turns: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, 1),
    }
    return turns.get(orientation, lambda a: a)(array)


def _reason(error: Exception) -> str:
    """The decoder's own words, on one line and without a stop."""
    text = " ".join(str(error).split()).rstrip(".")
    return text[:120] or type(error).__name__


def _refusal(name: str | None) -> ImageError:
    if name in _PICTURES_NOT_READ:
        return ImageError(
            f"The file is {_PICTURES_NOT_READ[name]}; {ALLOWED}.", "unsupported_format"
        )
    if name in _NO_PICTURES:
        return ImageError(
            f"The file is {_NO_PICTURES[name]}, not a picture; {ALLOWED}.", "not_an_image"
        )
    return ImageError(f"The file is no picture that is known here; {ALLOWED}.", "not_an_image")


def _check_pixels(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.max_pixels:
        raise ImageError(
            f"The image declares {width} × {height} = {width * height / 1e6:.4g} million pixels; "
            f"at most {limits.max_pixels / 1e6:.4g} million are read.",
            "too_many_pixels",
        )


def _check_jpeg(header: JpegHeader) -> None:
    if header.precision != 8 or header.process.startswith(("lossless", "other")):
        raise ImageError(
            f"The JPEG is {header.process} with {header.precision} bits; 8-bit baseline and "
            "progressive ones are read.",
            "unsupported_format",
        )
    if not header.complete:
        raise ImageError("The JPEG is cut off: its end is missing.", "broken_image")


def _open(name: str, data: bytes, limits: Limits) -> ImageFile.ImageFile:
    if name == "WEBP":  # Its plug-in sets canvases aside as soon as it is called.
        size = _webp_size(data)
        if size:
            _check_pixels(*size, limits)
    return _PLUGINS[name](io.BytesIO(data))


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height from a WebP header (RFC 9649), None when it is damaged."""
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


def _check_chunks(data: bytes) -> None:
    """Refuse a flood of PNG chunks, each of which Pillow would read by itself."""
    allowed = max(_MAX_CHUNKS, len(data) // 1024)  # some encoders write picture data by the KiB
    position = 8
    for _ in range(allowed):
        if position + 8 > len(data) or data[position + 4 : position + 8] == b"IEND":
            return  # what follows the end is no chunk, and no decoder reads it
        position += 12 + int.from_bytes(data[position : position + 4], "big")
    raise ImageError(f"The PNG has more than {allowed} chunks.", "broken_image")


def _check_directories(data: bytes) -> None:
    """Refuse a flood of TIFF entries, each of which Pillow would read by itself.

    Directories may lie upon each other, so their number is not bounded by the size of the file.
    """
    order: Literal["little", "big"] = "little" if data.startswith(b"II") else "big"
    count_size, entry_size, link_size = (8, 20, 8) if 43 in data[2:4] else (2, 12, 4)  # 43: BigTIFF

    def number(position: int, size: int) -> int:
        return int.from_bytes(data[position : position + size], order)

    position, met, entries = number(link_size, link_size), set[int](), 0
    while position and position not in met and len(met) < _MAX_FRAMES_COUNTED:
        met.add(position)
        count = number(position, count_size)
        entries += count
        if count > _MAX_ENTRIES or entries > _MAX_ENTRIES_IN_ALL:
            raise ImageError(
                f"The TIFF has more than {_MAX_ENTRIES} entries in a directory, "
                f"or {_MAX_ENTRIES_IN_ALL} in all.",
                "broken_image",
            )
        position = number(position + count_size + count * entry_size, link_size)


def _check_tiff(stored: Any) -> None:
    """Refuse raw files that are TIFFs: what would be read is only a small preview."""
    tags = stored.tag_v2
    reduced = bool(tags.get(254, 0) & 1) and 330 in tags
    if 50706 in tags or reduced:
        raise _refusal("RAW")


def _count_pages(stored: ImageFile.ImageFile) -> int:
    pages = 1
    try:
        while pages < _MAX_FRAMES_COUNTED:
            stored.seek(pages)
            pages += 1
    except EOFError:
        pass  # The usual end of the list of pages.
    stored.seek(0)
    return pages


def _orientation(stored: ImageFile.ImageFile) -> int:
    try:
        value = stored.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # Metadata are often damaged, and the picture sound all the same.
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _rgb(stored: Image.Image, header: JpegHeader | None) -> np.ndarray:
    """uint8[H, W, 3] of a loaded Pillow image of any mode."""
    if stored.mode.startswith(("I", "F")):
        return np.repeat(_to_8_bits(np.asarray(stored))[..., None], 3, 2)
    if stored.mode == "CMYK" and header is not None and header.adobe_transform is None:
        # Pillow takes every CMYK JPEG for Adobe's inverted kind; without its marker it is not.
        stored = Image.fromarray(255 - np.asarray(stored), "CMYK")
    if stored.mode == "LAB":
        raise ImageError(
            "The TIFF is in CIELAB colours; grey, RGB, CMYK and palette are read.",
            "unsupported_format",
        )
    if stored.has_transparency_data:
        picture = stored.convert("RGBA")
        stored = Image.new("RGB", stored.size, "white")
        stored.paste(picture, mask=picture.getchannel("A"))
    return np.asarray(stored if stored.mode == "RGB" else stored.convert("RGB"))


def _to_8_bits(values: np.ndarray) -> np.ndarray:
    """uint8 of deeper grey: the full scale is the least of 1 (fractions), 2^8, 2^16 and 2^32 - 1.

    Integers of 16 bits always count as 16-bit, however dark.
    """
    if values.dtype == np.uint16:
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    finite = np.clip(np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0), 0, None)
    scales = [1, 255, 65535, 2**32 - 1] if values.dtype.kind == "f" else [65535, 2**32 - 1]
    top = finite.max()
    full = next((scale for scale in scales if top <= scale), top)
    return np.rint(finite * (255 / full)).astype(np.uint8)


def _jpeg_luma(data: bytes) -> np.ndarray:
    """uint8[H, W]: the luma component as libjpeg reconstructs it, with no way through RGB."""
    stored = JpegImagePlugin.JpegImageFile(io.BytesIO(data))
    stored.draft("L", None)
    return np.asarray(stored)


def _ends_early(data: bytes, header: JpegHeader, luma: np.ndarray) -> bool:
    """Whether picture data are missing although the end marker is there.

    libjpeg fills what is missing with mid-grey. Where the last pixel is mid-grey, zeros put before
    the end marker tell the cases apart: a whole picture stays as it is, a cut one takes them for
    picture data.
    """
    if header.progressive or not (luma[-1:, -1:] == 128).all():
        return False
    padded = data[: header.end - 2] + bytes(4096) + data[header.end - 2 : header.end]
    return not np.array_equal(_jpeg_luma(padded) if header.components != 4 else luma, luma)
