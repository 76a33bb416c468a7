"""What a file says about itself: encoding, quantisation tables, metadata, embedded thumbnail."""

import base64
import io
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import ExifTags, Image
from pydantic import BaseModel, Field

from forgery_pyfunc.decoding import DecodedImage, decode, oriented
from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.evidence import Ghosts
from forgery_pyfunc.jpeg import JpegHeader

PHOTOSHOP_TABLES = frozenset(
    {
        "8791564b5e03df2a",
        "24e8c3b3a0e5fdc4",
        "9ff989f425c91033",
        "55373f16c70a5117",
        "82fc8110c05f7364",
        "594658bbd03425c5",
    }
)
"""Hashes of quantisation tables met in files that Photoshop CS to CS3 signed (CASIA 1 and 2)."""

THUMBNAIL_SIZE = 96
THUMBNAIL_DIFFERS = 20.0
"""Mean difference in grey levels from which a thumbnail is called different: honest ones, small and
hard compressed, stay below."""

SHOWN_EXIF = {
    "Make": "Camera make",
    "Model": "Camera model",
    "LensModel": "Lens",
    "Software": "Software",
    "ProcessingSoftware": "Processing software",
    "DateTimeOriginal": "Taken",
    "DateTimeDigitized": "Digitised",
    "DateTime": "File changed",
    "Artist": "Artist",
    "Copyright": "Copyright",
}
XMP_FIELDS = {
    "xmp:CreatorTool": "XMP creator tool",
    "xmp:CreateDate": "XMP created",
    "xmp:ModifyDate": "XMP modified",
    "stEvt:softwareAgent": "XMP edited with",
}
EDITORS = re.compile(
    r"photoshop|lightroom|gimp|affinity|paint|pixelmator|snapseed|picsart|facetune|acd|corel|canva",
    re.IGNORECASE,
)
MAX_TEXT = 120


class QuantisationTable(BaseModel):
    """One table of a JPEG."""

    component: str
    rows: list[list[int]] = Field(description="8 rows of 8 divisors, low frequencies first")


class JpegFacts(BaseModel):
    """How a JPEG was encoded."""

    quality: int = Field(description="nearest quality of the standard tables, 1 to 100")
    standard_tables: bool
    written_by: str = Field(description="which kind of program typically writes such tables")
    subsampling: str
    process: str
    markers: list[str]
    table_hash: str
    tables: list[QuantisationTable]


class Thumbnail(BaseModel):
    """The small preview that a camera embeds, compared with the picture."""

    image: str = Field(description="data URI, JPEG")
    difference: float = Field(description="mean difference to the picture in grey levels, 0 to 255")
    comment: str


class FileFacts(BaseModel):
    """What a file says about itself; none of it is proof, all of it can be edited."""

    format: str
    width: int = Field(description="pixels, as displayed")
    height: int
    mode: str = Field(description="stored pixel layout, Pillow's name")
    frames: int
    file_bytes: int
    jpeg: JpegFacts | None
    compressions: str = Field(description="how many lossy saves are suspected, in words")
    metadata: dict[str, str] = Field(description="from EXIF and XMP, by name")
    location: str | None = Field(description="GPS position; only when asked for")
    has_location: bool
    thumbnail: Thumbnail | None
    remarks: list[str] = Field(description="what is worth a second look")


def read_file_facts(
    data: bytes, image: DecodedImage, ghosts: Ghosts | None, with_location: bool = False
) -> FileFacts:
    """Return the facts of an encoded image.

    Args:
        data: the file.
        image: the same, decoded.
        ghosts: of the image, for the number of compressions; None where it is too small.
        with_location: whether to tell where the picture was taken.
    """
    exif, block = read_exif(data, image.format)
    metadata = {**exif_texts(exif), **xmp_texts(data)}
    location = gps_position(exif)
    thumbnail = compare_thumbnail(exif, block, image)
    jpeg = jpeg_facts(image.jpeg, bool(metadata.get("Camera make"))) if image.jpeg else None
    height, width = oriented(image.luma, image.orientation).shape
    return FileFacts(
        format=image.format,
        width=width,
        height=height,
        mode=image.mode,
        frames=image.frames,
        file_bytes=len(data),
        jpeg=jpeg,
        compressions=count_compressions(image, ghosts),
        metadata=metadata,
        location=location if with_location else None,
        has_location=location is not None,
        thumbnail=thumbnail,
        remarks=list(remarks(image, metadata, thumbnail)),
    )


def jpeg_facts(header: JpegHeader, from_camera: bool) -> JpegFacts:
    """Return how a JPEG was encoded, in words a person can use."""
    names = ("luma", "chroma blue", "chroma red", "black")
    tables: list[QuantisationTable] = []
    for name, values in zip(names, header.tables, strict=False):
        rows = np.asarray(values).reshape(8, 8).tolist()
        if not tables or rows != tables[-1].rows:
            tables.append(QuantisationTable(component=name, rows=rows))
    if len(tables) == 2:
        tables[1].component = "chroma"
    return JpegFacts(
        quality=header.quality,
        standard_tables=header.standard,
        written_by=table_writer(header, from_camera),
        subsampling=header.subsampling,
        process=header.process,
        markers=list(header.markers),
        table_hash=header.table_hash,
        tables=tables,
    )


def table_writer(header: JpegHeader, from_camera: bool) -> str:
    """Return which kind of program typically writes these quantisation tables."""
    if "Ducky" in header.markers:
        return "Adobe Photoshop, “Save for Web” (it leaves a Ducky marker)"
    if header.table_hash in PHOTOSHOP_TABLES:
        return "Adobe Photoshop (its own tables)"
    if header.standard:
        return (
            f"the standard tables at quality {header.quality}: most programs, web sites and "
            "messengers, and many phones"
        )
    if "Adobe" in header.markers:
        return "an Adobe program, such as Photoshop or Lightroom (Adobe marker, own tables)"
    if from_camera:
        return "a camera or phone with tables of its own"
    return "a camera, or a program with tables of its own"


def count_compressions(image: DecodedImage, ghosts: Ghosts | None) -> str:
    """Return how many lossy saves the pixels suggest, in words."""
    if ghosts is None:
        return "not judged: the picture is too small"
    last = image.jpeg.quality if image.jpeg else 100
    earlier = ghosts.earlier_quality(last)
    if image.jpeg is None:
        if earlier is None:
            return "no trace of a JPEG save"
        return f"stored without loss, yet once saved as JPEG at a quality near {earlier}"
    if earlier is None:
        return f"one, at quality {last}; no trace of an earlier one"
    return f"at least two: the last at quality {last}, an earlier one near {earlier}"


def read_exif(data: bytes, image_format: str) -> tuple[Image.Exif, bytes]:
    """Return the EXIF fields and their bytes, empty when there are none or they are damaged."""
    try:
        with Image.open(io.BytesIO(data), formats=[image_format]) as stored:
            return stored.getexif(), stored.info.get("exif", b"").removeprefix(b"Exif\0\0")
    except Exception:  # metadata are often damaged in sound pictures; Pillow's errors vary
        return Image.Exif(), b""


def exif_texts(exif: Image.Exif) -> dict[str, str]:
    """Return the EXIF fields worth showing, by a name for people."""
    values = {**dict(exif), **_directory(exif, ExifTags.IFD.Exif)}
    texts = {}
    for tag, value in values.items():
        label = SHOWN_EXIF.get(ExifTags.TAGS.get(tag, ""))
        text = _printable(value)
        if label and text:
            texts[label] = text
    return {label: texts[label] for label in SHOWN_EXIF.values() if label in texts}


def xmp_texts(data: bytes) -> dict[str, str]:
    """Return the XMP fields worth showing, found without an XML parser."""
    start = data.find(b"<x:xmpmeta")
    end = data.find(b"</x:xmpmeta>", start)
    if start < 0 or end < 0:
        return {}
    packet = data[start:end].decode("utf-8", "replace")
    texts = {}
    for field, label in XMP_FIELDS.items():
        found = re.findall(rf'{field}="([^"<>]*)"|<{field}>([^<>]*)</{field}>', packet)
        values = dict.fromkeys(_printable(first or second) for first, second in found)
        text = ", ".join(value for value in values if value)[:MAX_TEXT]
        if text:
            texts[label] = text
    return texts


def gps_position(exif: Image.Exif) -> str | None:
    """Return latitude and longitude in degrees, None when the file does not say."""
    gps = _directory(exif, ExifTags.IFD.GPSInfo)
    try:
        latitude = _degrees(gps[2]) * (-1 if gps.get(1) == "S" else 1)
        longitude = _degrees(gps[4]) * (-1 if gps.get(3) == "W" else 1)
    except (KeyError, TypeError, ValueError, ZeroDivisionError, IndexError):
        return None
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        return None
    return f"{latitude:.5f}, {longitude:.5f}"


def compare_thumbnail(exif: Image.Exif, block: bytes, image: DecodedImage) -> Thumbnail | None:
    """Return the embedded thumbnail beside what it should show, None when there is none."""
    jpeg = _thumbnail_bytes(exif, block)
    if jpeg is None:
        return None
    try:
        thumbnail = decode(jpeg)
    except ImageError:
        return None
    uri = "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
    own, shown = thumbnail.luma, image.luma
    own = _without_bars(own, shown.shape[1] / shown.shape[0])
    if abs(np.log(own.shape[1] / own.shape[0] * shown.shape[0] / shown.shape[1])) > 0.1:
        comment = "It has another shape: the picture was cropped or turned after it was made."
        return Thumbnail(image=uri, difference=255.0, comment=comment)
    difference = float(np.abs(_small(own) - _small(shown)).mean())
    differs = difference > THUMBNAIL_DIFFERS
    comment = "It differs from the picture: look closely." if differs else "It fits the picture."
    return Thumbnail(image=uri, difference=round(difference, 1), comment=comment)


def remarks(
    image: DecodedImage, metadata: dict[str, str], thumbnail: Thumbnail | None
) -> Iterator[str]:
    """Yield what in the file's own words is worth a second look."""
    programs = [
        value
        for name, value in metadata.items()
        if ("oftware" in name or "edited" in name or "tool" in name) and EDITORS.search(value)
    ]
    if programs:
        yield f"The file names an editing program: {programs[0]}."
    elif image.jpeg and "Adobe" in image.jpeg.markers:
        yield "An Adobe program has written the file."
    taken, changed = metadata.get("Taken"), metadata.get("File changed")
    if taken and changed and taken != changed:
        yield "The file was changed after the picture was taken."
    if thumbnail and thumbnail.difference > THUMBNAIL_DIFFERS:
        yield f"The embedded thumbnail does not match. {thumbnail.comment}"
    if not metadata:
        yield "There are no metadata: usual for pictures from the web, unusual from a camera."
    if image.frames > 1:
        yield f"The file holds {image.frames} frames or pages; only the first is judged."


def _directory(exif: Image.Exif, tag: int) -> dict[int, Any]:
    try:
        return dict(exif.get_ifd(tag))
    except Exception:  # as in `read_exif`
        return {}


def _thumbnail_bytes(exif: Image.Exif, block: bytes) -> bytes | None:
    first = _directory(exif, ExifTags.IFD.IFD1)
    start, length = first.get(0x0201), first.get(0x0202)
    if not isinstance(start, int) or not isinstance(length, int) or length <= 0:
        return None
    data = block[start : start + length]
    return data if data.startswith(b"\xff\xd8") else None


def _small(luma: np.ndarray) -> np.ndarray:
    """float32[96, 96]: a comparable size, brightness and contrast."""
    small = Image.fromarray(luma).resize((THUMBNAIL_SIZE, THUMBNAIL_SIZE), Image.Resampling.BOX)
    values = np.asarray(small, np.float32)
    return (values - values.mean()) / max(float(values.std()), 8.0) * 50


def _without_bars(luma: np.ndarray, ratio: float) -> np.ndarray:
    """Cut the black bars that cameras put around 4:3 thumbnails of pictures of another shape."""
    height, width = luma.shape
    if width / height < ratio * 0.97:
        kept = round(width / ratio)
        top = (height - kept) // 2
        bars = np.concatenate([luma[: max(top - 1, 0)].ravel(), luma[top + kept + 1 :].ravel()])
        if bars.size and bars.mean() < 24:
            return luma[top : top + kept]
    return luma


def _degrees(parts: Any) -> float:
    degrees, minutes, seconds = (float(part) for part in parts)
    value = degrees + minutes / 60 + seconds / 3600
    if not np.isfinite(value):
        raise ValueError("not a number")
    return value


def _printable(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str):
        return ""
    text = "".join(c for c in value.partition("\0")[0] if c.isprintable()).strip()
    return text[:MAX_TEXT]
