"""Verdict and evidence for one picture: what the page shows, the API answers, the report prints."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from forgery.evidence import pictures
from forgery.evidence.file_facts import FileFacts, read_file_facts
from forgery.evidence.traces import block_grid, jpeg_ghosts, noise_residual
from forgery_pyfunc.contract import Record
from forgery_pyfunc.features import SMALLEST_SIDE, blocks
from forgery_pyfunc.imaging.decoding import DecodedImage, Limits, decode, oriented
from forgery_pyfunc.imaging.ela import error_levels

ELA_QUALITY = 90
EVEN = 0.5
"""Probability from which a picture is more likely forged than not, whatever the cuts say."""
LIMITS_OF_THE_METHOD = (
    "A verdict is a statistical estimate, not proof. The detector looks for traces of splices and "
    "copy-moves in the compression and noise of the pixels. It cannot see staging, false captions "
    "or pictures generated as a whole, it misses some forgeries, and it sometimes suspects honest "
    "pictures, above all heavily compressed, filtered or rescaled ones. The probability is "
    "calibrated for equal numbers of forged and honest pictures."
)


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
    heat_overlay: str | None = Field(description="data URI, transparent PNG to lay over it")
    mask_overlay: str | None = Field(description="data URI, transparent PNG of where it is ≥ 0.5")
    evidence: Evidence
    limits_of_the_method: str = LIMITS_OF_THE_METHOD


@dataclass(frozen=True, eq=False)
class Material:
    """What the views are made from."""

    image: DecodedImage
    ela_quality: int

    def upright(self, array: np.ndarray) -> np.ndarray:
        """Return an array [H, W, …] the way a viewer shows the picture."""
        return np.ascontiguousarray(oriented(array, self.image.orientation))


def analyse(
    filename: str,
    data: bytes,
    record: Record,
    limits: Limits,
    with_location: bool = False,
    ela_quality: int = ELA_QUALITY,
) -> Analysis:
    """Return verdict and evidence for an encoded image that has been scored.

    Args:
        filename: to show.
        data: the encoded image.
        record: the scoring server's answer, with a heat map if there is one.
        limits: of size.
        with_location: whether to tell where the picture was taken.
        ela_quality: quality of the save behind the error levels.

    Raises:
        ImageError: the bytes cannot be read as an image.
    """
    levels = pictures.decode_levels(record.heatmap) if record.heatmap else None
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
        evidence=gather(data, limits, tuple(VIEWS), with_location, ela_quality),
    )


def gather(
    data: bytes,
    limits: Limits,
    views: Sequence[str],
    with_location: bool = False,
    ela_quality: int = ELA_QUALITY,
) -> Evidence:
    """Return what can be seen in an encoded image without a trained model.

    Args:
        data: the encoded image.
        limits: of size.
        views: names of `VIEWS`; one for which the picture is too small is left out.
        with_location: whether to tell where the picture was taken.
        ela_quality: quality of the save behind the error levels, 1 to 100.

    Raises:
        ImageError: the bytes cannot be read as an image.
    """
    image = decode(data, limits)
    material = Material(image, ela_quality)
    drawn = [(VIEWS[name], name, VIEWS[name].draw(material)) for name in views]
    return Evidence(
        picture=pictures.data_uri(pictures.to_jpeg(material.upright(image.pixels))),
        views=[
            View(
                name=name,
                title=view.title,
                explanation=f"{view.explanation} {found.note}".rstrip(),
                image=pictures.data_uri(pictures.to_jpeg(found.pixels)),
            )
            for view, name, found in drawn
            if found is not None
        ],
        facts=read_file_facts(data, image, with_location),
    )


def in_words(record: Record) -> tuple[str, str]:
    """Return the verdict of a record as a headline, and a sentence on what it means."""
    if record.verdict == "forged":
        return (
            "Signs of forgery",
            "Parts of this picture carry traces that do not fit the rest, as after a splice or a "
            "copy-move. Look at the map and the views before you decide; this is not proof.",
        )
    if record.verdict == "authentic" and (record.probability or 0) >= EVEN:
        return (
            "No clear signs of forgery",
            "There are weak traces that do not quite fit, fewer than this detector decides upon. "
            "This does not prove the picture genuine: look at the map and the views.",
        )
    if record.verdict == "authentic":
        return (
            "No signs of forgery",
            "The traces in this picture fit together. This does not prove it genuine: careful or "
            "heavily recompressed forgeries leave few traces.",
        )
    if record.reason_code == "too_small":
        return (
            "Too small to judge",
            "The picture has too few pixels for the method. Look for a larger original.",
        )
    return (
        "Inconclusive",
        "The traces are neither clear enough to call this picture forged nor clean enough to clear "
        "it. A less compressed original would help.",
    )


def percent(share: float) -> str:
    """Return a probability for people: whole percents, and tenths where each of them counts."""
    return f"{100 * share:.{0 if 0.05 <= share < 0.95 else 1}f} %"


@dataclass(frozen=True, eq=False)
class Drawn:
    """A view of one picture: uint8[H, W] or [H, W, 3], and what there is to say about it."""

    pixels: np.ndarray
    note: str = ""


def _draw_ela(material: Material) -> Drawn:
    levels = error_levels(material.image.pixels, material.ela_quality)
    return Drawn(pictures.stretched(material.upright(levels)))


def _draw_noise(material: Material) -> Drawn:
    return Drawn(material.upright(noise_residual(material.image).values))


def _draw_ghosts(material: Material) -> Drawn | None:
    if min(material.image.luma.shape) < SMALLEST_SIDE:
        return None
    ghosts = jpeg_ghosts(material.image)
    upright = [material.upright(cells) for cells in ghosts.maps]
    labels = [str(quality) for quality in ghosts.qualities]
    sheet = pictures.contact_sheet(upright, labels, blocks.SIZE)
    dips = ", ".join(str(quality) for quality in ghosts.minima)
    return Drawn(sheet, f"The picture as a whole comes near itself at {dips}." if dips else "")


def _draw_grid(material: Material) -> Drawn | None:
    if min(material.image.luma.shape) < SMALLEST_SIDE:
        return None
    grid = block_grid(material.image)
    return Drawn(pictures.enlarged(material.upright(grid.map), blocks.SIZE), grid.explanation)


@dataclass(frozen=True)
class Drawing:
    """How a view is made, and what it says."""

    title: str
    explanation: str
    draw: Callable[[Material], Drawn | None]


VIEWS = {
    "ela": Drawing(
        "Error levels",
        "How much each place changes when saved as JPEG once more. Look for areas that are "
        "brighter or darker than others with similar texture.",
        _draw_ela,
    ),
    "noise": Drawing(
        "Noise",
        "The fine grain that a smoothing filter removes. Look for areas whose grain is coarser, "
        "finer or missing.",
        _draw_noise,
    ),
    "ghosts": Drawing(
        "JPEG ghosts",
        "The distance to the picture saved anew at nine qualities. A part that is dark at another "
        "quality than the rest was saved at that quality before.",
        _draw_ghosts,
    ),
    "grid": Drawing(
        "Block grid",
        "Bright where the 8×8 grid of JPEG blocks seems to lie elsewhere than in the rest: such a "
        "part may have been moved there.",
        _draw_grid,
    ),
}
