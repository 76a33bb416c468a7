"""What kind of file bytes are, told from the first of them."""

import re
import struct

from forgery_pyfunc.errors import ImageError

SUPPORTED = "the supported formats are JPEG, PNG, TIFF, BMP and WebP"

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
_UNSUPPORTED_PICTURES = {
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
_OTHER_FILES = {
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


def sniff(data: bytes) -> str | None:
    """Return the format that the first bytes show, None where they show none that is known.

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
    """Return which of SVG, HTML, XML and other text it is; None when the bytes are no text."""
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


def refusal(name: str | None) -> ImageError:
    """Return the error of a file of a kind that `decode` does not read."""
    if name in _UNSUPPORTED_PICTURES:
        return ImageError(
            f"The file is {_UNSUPPORTED_PICTURES[name]}; {SUPPORTED}.", "unsupported_format"
        )
    if name in _OTHER_FILES:
        return ImageError(
            f"The file is {_OTHER_FILES[name]}, not a picture; {SUPPORTED}.", "not_an_image"
        )
    return ImageError(f"Unrecognised image format; {SUPPORTED}.", "not_an_image")
