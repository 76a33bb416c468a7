"""All that a file says about itself, with remarks on what is worth a second look."""

import re
from collections.abc import Iterator

from pydantic import BaseModel, Field

from forgery.evidence.facts.compressions import compressions
from forgery.evidence.facts.metadata import Metadata, location, metadata
from forgery.evidence.facts.tables import JpegFacts, jpeg_facts
from forgery.evidence.facts.thumbnail import Thumbnail, read_thumbnail
from forgery_pyfunc.applicability import note_on
from forgery_pyfunc.imaging import decoding
from forgery_pyfunc.imaging.decoding import DecodedImage, oriented
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.imaging.reader import Reader

EDITORS = re.compile(
    r"photoshop|lightroom|gimp|affinity|paint|pixelmator|snapseed|picsart|facetune|acd|corel|canva",
    re.IGNORECASE,
)


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
    location: str | None = Field(description="latitude, longitude; only on request")
    has_location: bool
    thumbnail: Thumbnail | None
    remarks: list[str] = Field(description="what is worth a second look")


def read_file_facts(
    data: bytes, image: DecodedImage, with_location: bool = False, reader: Reader = decoding
) -> FileFacts:
    """Return the facts of an encoded image.

    Args:
        data: the file.
        image: the same, decoded.
        with_location: whether to tell where the picture was taken.
        reader: who reads the file's metadata, and the preview that is among them.
    """
    stored = reader.read_metadata(data, Limits(len(data), image.width * image.height))
    stated = metadata(stored)
    thumbnail = read_thumbnail(stored.thumbnail, image, reader)
    height, width = oriented(image.luma, image.orientation).shape
    return FileFacts(
        format=image.format,
        width=width,
        height=height,
        mode=image.mode,
        frames=image.frames,
        file_bytes=len(data),
        jpeg=jpeg_facts(image.jpeg) if image.jpeg else None,
        compressions=compressions(image).explanation,
        metadata=stated.in_words(),
        location=location(stored) if with_location else None,
        has_location=stated.has_gps,
        thumbnail=thumbnail,
        remarks=list(remarks(image, stated, thumbnail)),
    )


def remarks(image: DecodedImage, stated: Metadata, thumbnail: Thumbnail | None) -> Iterator[str]:
    """Yield what is worth a second look in what the file states."""
    programs = [name for name in stated.software if EDITORS.search(name)]
    if programs:
        yield f"The file names an editing program: {programs[0]}."
    elif image.jpeg and "Adobe" in image.jpeg.markers:
        yield "The file was written by an Adobe program."
    taken = stated.dates.get("taken (EXIF)")
    if taken and stated.dates.get("changed (EXIF)", taken) != taken:
        yield "The file was changed after the picture was taken."
    if thumbnail and thumbnail.differs:
        yield thumbnail.comment
    if stated.damaged:
        yield "The metadata are damaged, as after a careless edit or transfer."
    elif not (stated.camera or stated.software or stated.dates):
        yield "There are no metadata: usual for pictures from the web, unusual for a camera."
    if note := note_on(image):
        yield note.as_sentence()
