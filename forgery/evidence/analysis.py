"""Verdict and evidence for one picture: what the page shows, the API answers, the report prints."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from forgery.evidence import pictures
from forgery.evidence.facts import in_process
from forgery.evidence.facts.file_facts import FileFacts, read_file_facts
from forgery.evidence.facts.reader import Reader
from forgery.evidence.verdict import LIMITS_OF_THE_METHOD, MAP_SCALE, in_words
from forgery.evidence.views import VIEWS
from forgery.evidence.views.method import ELA_QUALITY, Drawing, Picture
from forgery.evidence.why import Why
from forgery.evidence.why import in_words as reasons_in_words
from forgery_pyfunc.contract import Record
from forgery_pyfunc.imaging.guards import Limits


class View(BaseModel):
    """One evidence view."""

    name: str
    title: str
    explanation: str
    image: str = Field(description="data URI, JPEG or PNG, upright, at most 1280 pixels on a side")


class Evidence(BaseModel):
    """What can be seen in a picture without any trained model."""

    picture: str = Field(description="data URI of the picture itself, upright")
    views: list[View]
    facts: FileFacts


class Analysis(BaseModel):
    """Verdict and evidence for one picture."""

    model_config = ConfigDict(protected_namespaces=())

    filename: str
    sha256: str
    analysed_at: str = Field(description="UTC, ISO 8601")
    record: Record
    headline: str = Field(description="the verdict in words")
    meaning: str = Field(description="what the verdict means, and what it does not")
    heat_overlay: str | None = Field(
        description="data URI, transparent PNG to lay over the picture"
    )
    mask_overlay: str | None = Field(
        description="data URI, transparent PNG of where the map's scale is at one half or more"
    )
    map_highest: float | None = Field(
        None, ge=0, le=1, description="the highest place of the map, on its scale"
    )
    map_scale: str = MAP_SCALE
    why: Why | None = Field(None, description="null where the model does not tell")
    evidence: Evidence
    limits_of_the_method: str = LIMITS_OF_THE_METHOD


def analyse(
    filename: str,
    data: bytes,
    record: Record,
    limits: Limits,
    with_location: bool = False,
    ela_quality: int = ELA_QUALITY,
    reader: Reader = in_process,
) -> Analysis:
    """Return verdict and evidence for an encoded image that has been scored.

    Args:
        filename: to show.
        data: the encoded image.
        record: the scoring server's answer, with a heat map if there is one.
        limits: of size.
        with_location: whether to tell where the picture was taken.
        ela_quality: quality of the save behind the error levels.
        reader: who decodes the image, by default this process.

    Raises:
        ImageError: the bytes cannot be read as an image.
    """
    evidence = gather(data, limits, tuple(VIEWS), with_location, ela_quality, reader)
    return conclude(filename, data, record, evidence)


def conclude(filename: str, data: bytes, record: Record, evidence: Evidence) -> Analysis:
    """Return the analysis of an encoded image from its record and its evidence."""
    levels = map_levels(record)
    headline, meaning = in_words(record)
    return Analysis(
        filename=filename,
        sha256=hashlib.sha256(data).hexdigest(),
        analysed_at=datetime.now(UTC).isoformat(timespec="seconds"),
        record=record,
        headline=headline,
        meaning=meaning,
        heat_overlay=None if levels is None else pictures.data_uri(pictures.heat_overlay(levels)),
        mask_overlay=None if levels is None else pictures.data_uri(pictures.mask_overlay(levels)),
        map_highest=None if levels is None else float(levels.max()) / 255,
        why=reasons_in_words(record),
        evidence=evidence,
    )


def map_levels(record: Record) -> np.ndarray | None:
    """Return the map of a record on the common scale, uint8[h, w], None where it has none."""
    if not record.heatmap:
        return None
    probability = 1.0 if record.probability is None else record.probability
    return pictures.on_common_scale(pictures.decode_levels(record.heatmap), probability)


def gather(
    data: bytes,
    limits: Limits,
    views: Sequence[str],
    with_location: bool = False,
    ela_quality: int = ELA_QUALITY,
    reader: Reader = in_process,
) -> Evidence:
    """Return what can be seen in an encoded image without a trained model.

    Args:
        data: the encoded image.
        limits: of size.
        views: names of `VIEWS`; one for which the picture is too small is left out.
        with_location: whether to tell where the picture was taken.
        ela_quality: quality of the save behind the error levels, 1 to 100.
        reader: who decodes the image, by default this process.

    Raises:
        ImageError: the bytes cannot be read as an image.
    """
    image = reader.decode(data, limits)
    picture = Picture(image, ela_quality)
    return Evidence(
        picture=pictures.data_uri(pictures.to_jpeg(picture.upright(image.pixels))),
        views=[encoded(name, drawing) for name, drawing in drawings(picture, views)],
        facts=read_file_facts(data, image, with_location, reader),
    )


def draw_view(
    data: bytes, limits: Limits, name: str, ela_quality: int, reader: Reader = in_process
) -> View | None:
    """Return one view of an encoded image, None where the image is too small for it.

    Args:
        data: the encoded image.
        limits: of size.
        name: of `VIEWS`.
        ela_quality: quality of the save behind the error levels, 1 to 100.
        reader: who decodes the image, by default this process.

    Raises:
        ImageError: the bytes cannot be read as an image.
    """
    picture = Picture(reader.decode(data, limits), ela_quality)
    return next((encoded(name, drawing) for name, drawing in drawings(picture, [name])), None)


def drawings(picture: Picture, views: Iterable[str]) -> Iterator[tuple[str, Drawing]]:
    """Yield those of the named `VIEWS` for which a picture is large enough, with their names."""
    for name in views:
        drawing = VIEWS[name].draw(picture)
        if drawing is not None:
            yield name, drawing


def explanation(name: str, drawing: Drawing) -> str:
    """Return how to read a view, and what is to be said about this drawing."""
    return f"{VIEWS[name].explanation} {drawing.remark}".rstrip()


def encoded(name: str, drawing: Drawing) -> View:
    """Return a drawing as a view for a page."""
    return View(
        name=name,
        title=VIEWS[name].title,
        explanation=explanation(name, drawing),
        image=pictures.data_uri(pictures.to_jpeg(drawing.pixels)),
    )
