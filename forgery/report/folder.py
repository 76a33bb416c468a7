"""What explains one verdict, as a folder of PNGs in full size and a text."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from forgery.evidence import frames, pictures, why
from forgery.evidence.analysis import drawings, explanation, map_levels
from forgery.evidence.facts.file_facts import FileFacts, read_file_facts
from forgery.evidence.facts.finding import NOT_IN_THE_PROBABILITY, ai_notice
from forgery.evidence.verdict import (
    LIMITS_OF_THE_METHOD,
    MAP_SCALE,
    in_words,
    on_one_line,
    percent,
    remark,
)
from forgery.evidence.views import VIEWS
from forgery.evidence.views.method import Picture
from forgery.evidence.why import Why
from forgery_pyfunc.contract import Record
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.guards import Limits

TEXT_FILE = "verdict.txt"
HEAT_TITLE = "Heat map"


@dataclass(frozen=True)
class Explanation:
    """A verdict on a picture and what can be seen in it.

    Attributes:
        filename: of the picture.
        sha256: of its file.
        record: the answer of the detector.
        facts: about the file.
        why: the reasons in words; None where the model does not tell.
        files: name, title and how to read it, for every PNG.
        images: the same names, and what they show.
    """

    filename: str
    sha256: str
    record: Record
    facts: FileFacts
    why: Why | None
    files: dict[str, tuple[str, str]]
    images: dict[str, Image.Image]

    def write(self, folder: Path) -> None:
        """Write the PNGs and the text into a folder, which is made where there is none."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, image in self.images.items():
            image.save(folder / name)
        (folder / TEXT_FILE).write_text(self.text(), "utf-8")

    def text(self) -> str:
        """Return verdict, views and facts in words."""
        record = self.record
        headline, meaning = in_words(record)
        lines = [f"{self.filename}: {headline}"]
        if record.probability is not None:
            lines.append(f"Probability of alteration: {percent(record.probability)}")
        if notice := ai_notice(self.facts.findings):
            lines += ["", notice]
        # The note of a record is among the findings.
        lines += ["", meaning, *([said] if (said := remark(replace(record, note=None))) else [])]
        if self.why:
            lines += ["", *why.lines(self.why)]
        lines += ["", *(f"{t} ({n}): {e}" for n, (t, e) in self.files.items())]
        facts = self.facts
        lines += ["", f"{facts.format}, {facts.width} × {facts.height}, {facts.file_bytes:,} bytes"]
        lines += [facts.compressions, *(f"{k}: {v}" for k, v in facts.metadata.items())]
        lines += [f"Location: {facts.location}"] if facts.location else []
        lines += [f"{k}: {v}" for k, v in facts.content_credentials.in_words().items()]
        lines += [f"{each.text} ({each.weight}: {each.meaning})" for each in facts.findings]
        lines += [NOT_IN_THE_PROBABILITY, "", LIMITS_OF_THE_METHOD]
        lines += ["", f"SHA-256 {self.sha256}", f"Model {record.model_version}"]
        return "".join(f"{on_one_line(line)}\n" for line in lines)

    def to_json(self) -> str:
        """Return the same for machines."""
        headline, meaning = in_words(self.record)
        record = asdict(self.record)
        del record["heatmap"]
        record["explanation"] = json.loads(self.record.explanation or "null")
        files = [{"file": n, "title": t, "explanation": e} for n, (t, e) in self.files.items()]
        content: dict[str, Any] = {
            "filename": self.filename,
            "sha256": self.sha256,
            "headline": headline,
            "meaning": meaning,
            "record": record,
            "why": self.why.model_dump(exclude={"copies_overlay"}) if self.why else None,
            "files": files,
            "facts": self.facts.model_dump(),
        }
        return json.dumps(content, indent=2)


def explain(
    filename: str, data: bytes, record: Record, limits: Limits, with_location: bool = False
) -> Explanation:
    """Return the explanation of an encoded image that has been scored.

    Args:
        filename: to show.
        data: the encoded image.
        record: the answer of the detector, with a heat map if there is one.
        limits: of size.
        with_location: whether to tell where the picture was taken.

    Raises:
        ImageError: the bytes cannot be read as an image.
    """
    image = decode(data, limits)
    picture = Picture(image)
    files: dict[str, tuple[str, str]] = {}
    images: dict[str, Image.Image] = {}
    upright = Image.fromarray(picture.upright(image.pixels))
    levels, reasons = map_levels(record), why.in_words(record)
    if levels is not None:
        files["heatmap.png"] = (HEAT_TITLE, MAP_SCALE)
        images["heatmap.png"] = pictures.laid_over(upright, pictures.heat_overlay(levels))
    if reasons and reasons.copies_overlay:
        files["copies.png"] = (frames.TITLE, frames.CAPTION)
        overlay = pictures.of_data_uri(reasons.copies_overlay)
        images["copies.png"] = pictures.laid_over(upright, overlay)
    for name, drawing in drawings(picture, VIEWS):
        files[f"{name}.png"] = (VIEWS[name].title, explanation(name, drawing))
        images[f"{name}.png"] = Image.fromarray(drawing.pixels)
    digest = hashlib.sha256(data).hexdigest()
    facts = read_file_facts(data, image, with_location)
    return Explanation(filename, digest, record, facts, reasons, files, images)
