"""What a file holds beside its pixels, as plain values that can go from process to process."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from PIL import ExifTags, Image

Value = str | int | float | tuple[float, ...]
"""Of a tag: bytes are read as text, and rational numbers as their quotients."""
Directory = Mapping[int, Value]

_LONGEST_TEXT = 8000
_MOST_NUMBERS = 16
_START_OF_JPEG = b"\xff\xd8"
_MARKS_IN_JPEG = (b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/")
"""With one of them every segment begins from which Pillow takes what is read here."""
_START_OF_THUMBNAIL, _LENGTH_OF_THUMBNAIL = 0x0201, 0x0202


@dataclass(frozen=True)
class StoredMetadata:
    """EXIF tags by number, the embedded preview, and the XMP packet.

    Empty where the file has none or Pillow cannot read them; `damaged` tells the two apart.

    Attributes:
        exif: the main directory.
        details: what EXIF says of the exposure.
        gps: where the picture was taken.
        thumbnail: the file of the preview that a camera embeds.
        xmp: as it stands in the file.
        damaged: whether EXIF cannot be read.
    """

    exif: Directory = field(default_factory=dict)
    details: Directory = field(default_factory=dict)
    gps: Directory = field(default_factory=dict)
    thumbnail: bytes = b""
    xmp: bytes = b""
    damaged: bool = False


def stored_metadata(opened: Image.Image) -> StoredMetadata:
    """Return what a file that Pillow has opened holds beside its pixels."""
    try:
        exif = opened.getexif()
        main = _plain(exif)
        xmp = opened.info.get("xmp") or opened.info.get("XML:com.adobe.xmp") or b""
    except Exception:  # Metadata are often damaged, while the image itself is sound.
        return StoredMetadata(damaged=True)
    return StoredMetadata(
        exif=main,
        details=_directory(exif, ExifTags.IFD.Exif),
        gps=_directory(exif, ExifTags.IFD.GPSInfo),
        thumbnail=_thumbnail(exif, (opened.info.get("exif") or b"").removeprefix(b"Exif\0\0")),
        xmp=xmp.encode() if isinstance(xmp, str) else xmp,
    )


def is_bare_jpeg(data: bytes) -> bool:
    """Return whether a file begins as a JPEG, and has nowhere what `stored_metadata` could read."""
    return data.startswith(_START_OF_JPEG) and not any(mark in data for mark in _MARKS_IN_JPEG)


def _directory(exif: Image.Exif, which: ExifTags.IFD) -> Directory:
    """Return the tags of a directory, none where it is absent or damaged."""
    try:
        return _plain(exif.get_ifd(which))
    except Exception:  # Pillow meets damaged directories with many kinds of errors.
        return {}


def _thumbnail(exif: Image.Exif, stored: bytes) -> bytes:
    directory = _directory(exif, ExifTags.IFD.IFD1)
    start = directory.get(_START_OF_THUMBNAIL)
    length = directory.get(_LENGTH_OF_THUMBNAIL)
    if not isinstance(start, int) or not isinstance(length, int):
        return b""
    return stored[start : start + length]


def _plain(tags: Mapping) -> Directory:
    return {int(tag): _value(value) for tag, value in tags.items() if value is not None}


def _value(value: object) -> Value:
    if isinstance(value, bytes):
        return value[: 4 * _LONGEST_TEXT].decode("utf-8", "replace")[:_LONGEST_TEXT]
    if isinstance(value, int | float):
        return value
    if isinstance(value, tuple) and all(hasattr(part, "__float__") for part in value):
        return tuple(float(part) for part in value[:_MOST_NUMBERS])
    return str(value)[:_LONGEST_TEXT]
