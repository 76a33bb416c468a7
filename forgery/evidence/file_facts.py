"""What a file says about itself: encoding, quantisation tables, metadata, embedded thumbnail."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
from pydantic import BaseModel, Field

from forgery.evidence import pictures, traces
from forgery.evidence.traces import Metadata
from forgery_pyfunc.imaging.decoding import DecodedImage, oriented
from forgery_pyfunc.imaging.jpeg_header import JpegHeader

EDITORS = re.compile(
    r"photoshop|lightroom|gimp|affinity|paint|pixelmator|snapseed|picsart|facetune|acd|corel|canva",
    re.IGNORECASE,
)

MAX_NAMES = 10


class QuantisationTable(BaseModel):
    """One table of a JPEG."""

    component: str
    rows: list[list[int]] = Field(description="8 rows of 8 divisors, low frequencies first")


class JpegFacts(BaseModel):
    """How a JPEG was encoded."""

    quality: int = Field(description="nearest quality of the standard tables, 1 to 100")
    standard_tables: bool
    written_by: str = Field(description="which program typically writes such tables")
    subsampling: str
    process: str
    markers: list[str]
    table_hash: str
    tables: list[QuantisationTable]


class Thumbnail(BaseModel):
    """The small preview that a camera embeds, compared with the picture."""

    image: str = Field(description="data URI, JPEG")
    differs: bool
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
    location: str | None = Field(description="latitude, longitude; only when asked for")
    has_location: bool
    thumbnail: Thumbnail | None
    remarks: list[str] = Field(description="what is worth a second look")


def read_file_facts(data: bytes, image: DecodedImage, with_location: bool = False) -> FileFacts:
    """Return the facts of an encoded image.

    Args:
        data: the file.
        image: the same, decoded.
        with_location: whether to tell where the picture was taken.
    """
    metadata = traces.metadata(data)
    thumbnail = read_thumbnail(data, image)
    height, width = oriented(image.luma, image.orientation).shape
    return FileFacts(
        format=image.format,
        width=width,
        height=height,
        mode=image.mode,
        frames=image.frames,
        file_bytes=len(data),
        jpeg=jpeg_facts(image.jpeg) if image.jpeg else None,
        compressions=traces.compressions(image).explanation,
        metadata=in_words(metadata),
        location=read_location(data) if with_location else None,
        has_location=metadata.has_gps,
        thumbnail=thumbnail,
        remarks=list(remarks(image, metadata, thumbnail)),
    )


def jpeg_facts(header: JpegHeader) -> JpegFacts:
    """Return how a JPEG was encoded."""
    tables: list[QuantisationTable] = []
    for name, values in zip(("luma", "chroma", "chroma red", "black"), header.tables, strict=False):
        rows = np.asarray(values).reshape(8, 8).tolist()
        if not tables or rows != tables[-1].rows:
            tables.append(QuantisationTable(component=name, rows=rows))
    origin = traces.table_origin(header)
    program = f"{origin.program}, {origin.setting}. " if origin.program else ""
    return JpegFacts(
        quality=header.quality,
        standard_tables=header.standard,
        written_by=program + origin.explanation,
        subsampling=header.subsampling,
        process=header.process,
        markers=list(header.markers),
        table_hash=header.table_hash,
        tables=tables,
    )


def in_words(metadata: Metadata) -> dict[str, str]:
    """Return what EXIF and XMP say, by a name for people."""
    texts = {
        "Camera": metadata.camera,
        "Lens": metadata.lens,
        "Software": ", ".join(listed(metadata.software)),
        **{name[0].upper() + name[1:]: date for name, date in metadata.dates.items()},
    }
    if metadata.has_content_credentials:
        texts["Content credentials"] = "present (C2PA), not verified here"
    return {name: _date(text) for name, text in texts.items() if text}


def listed(names: Sequence[str]) -> list[str]:
    """Return the first names of a list that the file's author may have made endless."""
    left = len(names) - MAX_NAMES
    return [*names[:MAX_NAMES], f"and {left} more"] if left > 0 else list(names)


def _date(text: str) -> str:
    """Return EXIF's 2001:08:14 16:15:33 as 2001-08-14 16:15:33, and other text as it is."""
    return re.sub(r"^(\d{4}):(\d\d):(\d\d)", r"\1-\2-\3", text)


def read_location(data: bytes) -> str | None:
    """Return latitude and longitude in degrees, None when the file does not say."""
    position = traces.gps_position(data)
    return None if position is None else f"{position[0]:.5f}, {position[1]:.5f}"


def read_thumbnail(data: bytes, image: DecodedImage) -> Thumbnail | None:
    """Return the embedded thumbnail, None when there is none."""
    found = traces.embedded_thumbnail(data, image)
    if found is None:
        return None
    preview = np.ascontiguousarray(oriented(found.embedded, image.orientation))
    return Thumbnail(
        image=pictures.data_uri(pictures.to_jpeg(preview)),
        differs=found.differs,
        comment=found.explanation,
    )


def remarks(image: DecodedImage, metadata: Metadata, thumbnail: Thumbnail | None) -> Iterator[str]:
    """Yield what in the file's own words is worth a second look."""
    programs = [name for name in metadata.software if EDITORS.search(name)]
    if programs:
        yield f"The file names an editing program: {programs[0]}."
    elif image.jpeg and "Adobe" in image.jpeg.markers:
        yield "An Adobe program has written the file."
    taken = metadata.dates.get("taken (EXIF)")
    if taken and metadata.dates.get("changed (EXIF)", taken) != taken:
        yield "The file was changed after the picture was taken."
    if thumbnail and thumbnail.differs:
        yield thumbnail.comment
    if metadata.damaged:
        yield "The metadata are damaged, as after a careless edit or transfer."
    elif not (metadata.camera or metadata.software or metadata.dates):
        yield "There are no metadata: usual for pictures from the web, unusual from a camera."
    if image.frames > 1:
        yield f"The file holds {image.frames} frames or pages; only the first is judged."
