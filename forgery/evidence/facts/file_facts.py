"""All that a file says about itself, with findings: what is worth a second look."""

from collections.abc import Iterator

from pydantic import BaseModel, Field, computed_field

from forgery.evidence.facts import in_process
from forgery.evidence.facts.compressions import compressions
from forgery.evidence.facts.content_credentials import ContentCredentials
from forgery.evidence.facts.finding import Finding
from forgery.evidence.facts.metadata import Metadata, location, metadata
from forgery.evidence.facts.provenance import by_weight, provenance
from forgery.evidence.facts.reader import Reader
from forgery.evidence.facts.tables import JpegFacts, jpeg_facts
from forgery.evidence.facts.thumbnail import Thumbnail, read_thumbnail
from forgery_pyfunc.applicability import note_on
from forgery_pyfunc.imaging.decoding import DecodedImage, oriented
from forgery_pyfunc.imaging.guards import Limits


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
    content_credentials: ContentCredentials = Field(description="C2PA, verified without a network")
    findings: list[Finding] = Field(description="what is worth a second look")

    @computed_field(description="the texts of the findings")  # type: ignore[prop-decorator]
    @property
    def remarks(self) -> list[str]:
        """The texts of the findings."""
        return [finding.text for finding in self.findings]


def read_file_facts(
    data: bytes, image: DecodedImage, with_location: bool = False, reader: Reader = in_process
) -> FileFacts:
    """Return the facts of an encoded image.

    Args:
        data: the file.
        image: the same, decoded.
        with_location: whether to tell where the picture was taken.
        reader: who reads the file's metadata, and the preview that is among them.
    """
    stored = reader.read_metadata(data, Limits(len(data), image.width * image.height))
    stated = metadata(stored, data)
    origin = provenance(data, stated, reader)
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
        content_credentials=origin.content_credentials,
        findings=by_weight([*origin.findings, *_about_picture(image, thumbnail, stated)]),
    )


def _about_picture(
    image: DecodedImage, thumbnail: Thumbnail | None, stated: Metadata
) -> Iterator[Finding]:
    """Yield what its parts show, which take its pixels or its tables to see."""
    if image.jpeg and "Adobe" in image.jpeg.markers and not stated.editing_programs:
        yield Finding(
            code="written_by_adobe",
            weight="weak",
            text="The file was written by an Adobe program.",
            meaning="Pictures are also developed, cropped and exported with such programs.",
        )
    if thumbnail and thumbnail.differs:
        yield Finding(
            code="thumbnail_differs",
            weight="moderate",
            text=thumbnail.comment,
            meaning="Programs that do not know the preview leave it as it was when they crop, too.",
        )
    if note := note_on(image):
        yield Finding(
            code=note.code,
            weight="weak",
            text=note.as_sentence(),
            meaning="It says what of the file was judged.",
        )
