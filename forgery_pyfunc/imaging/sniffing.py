"""What kind of file bytes are, told from the first of them."""

import re
import struct

from forgery_pyfunc.errors import ImageError

SUPPORTED = "the supported formats are JPEG, PNG, TIFF, BMP, WebP, HEIC and AVIF"

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
    (b"icns", "ICO"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"II\xbc\1", "JPEG XR"),
    (b"v/1\1", "EXR"),
    (b"#?RADIANCE", "HDR"),
    (b"#?RGBE", "HDR"),
    (b"DDS ", "DDS"),
    (b"qoif", "QOI"),
    (b"gimp xcf", "XCF"),
    (b"AT&TFORM", "DjVu"),
    (b"BPG\xfb", "BPG"),
    (b"FLIF", "FLIF"),
    (b"SIMPLE  =", "FITS"),
    (b"\x8aMNG\r\n\x1a\n", "MNG"),
    (b"\x8bJNG\r\n\x1a\n", "MNG"),
    (b"\x59\xa6\x6a\x95", "Sun"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
    (b"FUJIFILMCCD-RAW", "RAW"),
    (b"IIRO", "RAW"),
    (b"IIRS", "RAW"),
    (b"MMOR", "RAW"),
    (b"IIU\0", "RAW"),
    (b"II\x1a\0\0\0HEAPCCDR", "RAW"),
    (b"\0MRM", "RAW"),
    (b"FOVb", "RAW"),
    (b"PK\3\4", "ZIP"),
    (b"Rar!\x1a\7", "ZIP"),
    (b"7z\xbc\xaf\x27\x1c", "ZIP"),
    (b"\x1f\x8b", "GZIP"),
    (b"BZh", "GZIP"),
    (b"\xfd7zXZ\0", "GZIP"),
    (b"\x28\xb5\x2f\xfd", "GZIP"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"\x1aE\xdf\xa3", "MP4"),
    (b"\0\0\1\xba", "MP4"),
    (b"\0\0\1\xb3", "MP4"),
    (b"FLV\1", "MP4"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "MP4"),
    (b"OggS", "sound"),
    (b"ID3", "sound"),
    (b"fLaC", "sound"),
]
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    b"crx ": "RAW",
}
_SHARED_BRANDS = (b"mif1", b"msf1", b"mif2", b"miaf")
"""Of HEIC and AVIF alike: which it is, the compatible brands say."""
_UNSUPPORTED_PICTURES = {
    "GIF": "a GIF image",
    "SVG": "an SVG drawing",
    "PDF": "a PDF document",
    "PSD": "a Photoshop document",
    "ICO": "an icon file",
    "JPEG 2000": "a JPEG 2000 image",
    "JPEG XL": "a JPEG XL image",
    "JPEG XR": "a JPEG XR image",
    "JPEG-LS": "a JPEG-LS image",
    "CgBI": "a PNG in Apple's own variant for iOS apps (CgBI)",
    "OS/2": "a bitmap of OS/2",
    "EXR": "an OpenEXR image",
    "HDR": "a Radiance HDR image",
    "DDS": "a DirectDraw texture",
    "QOI": "a QOI image",
    "XCF": "a GIMP document",
    "TGA": "a Targa image",
    "DjVu": "a DjVu document",
    "BPG": "a BPG image",
    "FLIF": "a FLIF image",
    "FITS": "a FITS image",
    "DICOM": "a DICOM image",
    "MNG": "an MNG or JNG image",
    "Sun": "a Sun raster image",
    "SGI": "an SGI image",
    "PCX": "a PCX image",
    "XPM": "an XPM or XBM icon",
    "WMF": "a Windows metafile",
    "Netpbm": "a Netpbm image",
    "RAW": "a camera raw file",
    "PostScript": "a PostScript document",
}
_OTHER_FILES = {
    "HTML": "a web page (HTML)",
    "XML": "an XML document",
    "ZIP": "a ZIP archive or an office document",
    "GZIP": "a compressed archive",
    "MP4": "a video",
    "sound": "a sound file",
    "text": "text",
}
_RAW_MAKERS = {
    "DNG": "DNG", "NIKON": "Nikon NEF", "SONY": "Sony ARW", "PENTAX": "Pentax PEF",
    "RICOH": "Pentax PEF", "SAMSUNG": "Samsung SRW", "HASSELBLAD": "Hasselblad 3FR",
    "PHASE ONE": "Phase One IIQ", "KODAK": "Kodak DCR", "EASTMAN KODAK": "Kodak DCR",
    "EPSON": "Epson ERF", "CANON": "Canon", "LEICA": "Leica", "PANASONIC": "Panasonic",
}  # fmt: skip

_TARGA = re.compile(  # It has no signature: this is its header of 18 bytes.
    rb".(\x00[\x02\x03\x0a\x0b]\x00{5}|\x01[\x01\x09]\x00\x00.\x01[\x0f\x10\x18\x20])"
    rb".{8}[\x08\x0f\x10\x18\x20][\x00-\x3f]",
    re.DOTALL,
)
# Comments are possessive (`*+`): a pattern that may take them apart anew never ends on many.
_HTML = re.compile(
    r"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*+<(!doctype html|html|head|body|script)", re.DOTALL
)


def sniff(data: bytes) -> str | None:
    """Return the format that the first bytes show, None where they show none that is known.

    "JPEG", "PNG", "TIFF", "BMP", "WEBP", "HEIC" and "AVIF" are those that `decode` reads; others,
    such as "GIF", "SVG", "PDF", "HTML" or "text", are named so that a refusal can say what it met.
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
    if data[:2] == b"BM" and data[14:18] in {struct.pack("<I", n) for n in range(16, 64)}:
        return "OS/2"
    if data[:4] == b"RIFF":
        return {b"AVI ": "MP4", b"WAVE": "sound"}.get(data[8:12])
    if data[4:8] == b"ftyp":
        return _sniff_brands(data)
    if data[4:8] in (b"moov", b"mdat", b"wide", b"pnot"):
        return "MP4"
    if re.match(rb"\x00\x00\x02\x00[^\x00]\x00", data):
        return "ICO"
    if data[-18:-2] == b"TRUEVISION-XFILE" or _TARGA.match(data):
        return "TGA"
    if data[128:132] == b"DICM":
        return "DICOM"
    if re.match(rb"P[1-7fF]\s[\s\d#]", data):
        return "Netpbm"
    if re.match(rb"\x01\xda[\x00\x01][\x01\x02]\x00[\x01-\x03]", data):
        return "SGI"
    if re.match(rb"\x0a[\x00-\x05]\x01[\x01\x02\x04\x08]", data):
        return "PCX"
    if re.match(rb"\x01\x00\x00\x00.{36} EMF", data, re.DOTALL):
        return "WMF"
    return _sniff_text(data[:1024])


def _sniff_brands(data: bytes) -> str:
    """Return which of the formats in ISO's container it is, by the brands it names."""
    size = min(int.from_bytes(data[:4], "big"), 256)
    if data[8:12] not in _SHARED_BRANDS:
        return _BRANDS.get(data[8:12], "MP4")
    brands = (_BRANDS.get(data[at : at + 4]) for at in range(16, size, 4))
    return next((name for name in brands if name), "HEIC")


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
    if text.startswith("/* xpm */") or re.match(r"#define \w+_width \d", text):
        return "XPM"
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


def raw_refusal(maker: str) -> ImageError:
    """Return the error of a camera raw file, with the maker's name for it where it is known."""
    name = next((kind for key, kind in _RAW_MAKERS.items() if maker.upper().startswith(key)), None)
    what = f"a camera raw file ({name})" if name else _UNSUPPORTED_PICTURES["RAW"]
    return ImageError(f"The file is {what}; {SUPPORTED}.", "unsupported_format")
