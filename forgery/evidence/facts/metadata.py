"""What EXIF, XMP and the texts of a PNG say about camera, software, edits, dates and place."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags

from forgery.evidence.facts import digital_source
from forgery.evidence.facts.generators import Generator, generator_of
from forgery.evidence.facts.stated_text import stated_text
from forgery.evidence.facts.xmp import Xmp, field, read_xmp
from forgery_pyfunc.imaging import png
from forgery_pyfunc.imaging.metadata import Directory, StoredMetadata, Value
from forgery_pyfunc.imaging.sniffing import sniff

EDITORS = re.compile(
    r"photoshop|lightroom|gimp|affinity|paint|pixelmator|snapseed|picsart|facetune|acd|corel|canva",
    re.IGNORECASE,
)
MAX_NAMES = 10
"""Programs that are listed: the file's author may have made their list endless."""


@dataclass(frozen=True)
class Metadata:
    """What the file says about its making; all of it can be changed without a trace.

    Attributes:
        camera: maker and model.
        lens: its model.
        software: programs that are named.
        dates: by name, as they stand in the file.
        history: what editing programs note that they did, such as "saved by Adobe Photoshop 25".
        ancestors: how many other documents parts were taken from, as Photoshop notes.
        source_type: the IPTC digital source type, such as "digitalCapture".
        generator: the AI program whose texts are in the file.
        credentials_at: where the file's content credentials are, as it says.
        has_gps: whether the file says where the picture was taken; see `gps_position`.
        damaged: whether a part cannot be read.
    """

    camera: str | None
    lens: str | None
    software: tuple[str, ...]
    dates: dict[str, str]
    history: tuple[str, ...]
    ancestors: int
    source_type: str | None
    generator: Generator | None
    credentials_at: str | None
    has_gps: bool
    damaged: bool

    @property
    def editing_programs(self) -> list[str]:
        """Those programs among `software` that edit pictures."""
        return [name for name in self.software if EDITORS.search(name)]

    def in_words(self) -> dict[str, str]:
        """Return what is there, by a name for people."""
        texts = {
            "Camera": self.camera,
            "Lens": self.lens,
            "Software": ", ".join(_listed(self.software)),
            "Edit history (XMP)": ", ".join(_listed(self.history)),
            "Digital source type (IPTC)": self.source_type,
            **{name[0].upper() + name[1:]: date for name, date in self.dates.items()},
        }
        return {name: _date(text) for name, text in texts.items() if text}


def metadata(stored: StoredMetadata, data: bytes) -> Metadata:
    """Return what EXIF, XMP and texts say about the making of a file.

    Args:
        stored: what was read from the file.
        data: the file, for the texts of a PNG.
    """
    main, detail = stored.exif, stored.details
    xmp = read_xmp(stored.xmp)
    software = _software(main, xmp)
    source_type = stated_text(xmp.first("Iptc4xmpExt:DigitalSourceType"))
    return Metadata(
        camera=_camera(main),
        lens=stated_text(detail.get(ExifTags.Base.LensModel)),
        software=software,
        dates=_dates(main, detail, xmp),
        history=_history(xmp),
        ancestors=len(xmp.items("photoshop:DocumentAncestors")),
        source_type=digital_source.code(source_type) if source_type else None,
        generator=generator_of(_texts(data, detail, xmp), software),
        credentials_at=xmp.first("dcterms:provenance"),
        has_gps=bool(stored.gps),
        damaged=stored.damaged or xmp.damaged,
    )


def _camera(main: Directory) -> str | None:
    maker = stated_text(main.get(ExifTags.Base.Make))
    model = stated_text(main.get(ExifTags.Base.Model))
    if maker and model and model.lower().startswith(maker.lower()):
        maker = None
    return " ".join(filter(None, (maker, model))) or None


def _software(main: Directory, xmp: Xmp) -> tuple[str, ...]:
    named = [
        main.get(ExifTags.Base.Software),
        *xmp.values("xmp:CreatorTool"),
        *xmp.values("stEvt:softwareAgent"),
    ]
    return tuple(dict.fromkeys(filter(None, map(stated_text, named))))


def _dates(main: Directory, detail: Directory, xmp: Xmp) -> dict[str, str]:
    dates = {
        "changed (EXIF)": main.get(ExifTags.Base.DateTime),
        "taken (EXIF)": detail.get(ExifTags.Base.DateTimeOriginal),
        "digitised (EXIF)": detail.get(ExifTags.Base.DateTimeDigitized),
        "created (XMP)": xmp.first("xmp:CreateDate"),
        "changed (XMP)": xmp.first("xmp:ModifyDate"),
    }
    return {name: text for name, date in dates.items() if (text := stated_text(date))}


def _history(xmp: Xmp) -> tuple[str, ...]:
    """Return the entries of `xmpMM:History` in words."""
    entries = []
    for event in xmp.items("xmpMM:History"):
        action = stated_text(field(event, "stEvt:action")) or "changed"
        agent = stated_text(field(event, "stEvt:softwareAgent"))
        entries.append(f"{action} by {agent}" if agent else action)
    return tuple(entries)


def _texts(data: bytes, detail: Directory, xmp: Xmp) -> dict[str, str]:
    """Return the texts in which generators leave what they were asked."""
    texts = png.texts(data) if sniff(data) == "PNG" else {}
    comment = detail.get(ExifTags.Base.UserComment)
    if isinstance(comment, str):  # eight characters name the encoding; UTF-16 is read with zeros
        texts["UserComment"] = comment[8:].replace("\0", "")
    for name in ("photoshop:Credit", "Iptc4xmpExt:AISystemUsed"):
        if stated := xmp.first(name):
            texts[name] = stated
    return texts


def gps_position(stored: StoredMetadata) -> tuple[float, float] | None:
    """Return latitude and longitude in degrees, north and east positive, None where unreadable.

    Apart from `metadata`, so that it is only asked for on demand.
    """
    position = []
    for value, reference, negative in (
        (ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, "S"),
        (ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, "W"),
    ):
        try:
            degrees, minutes, seconds = _numbers(stored.gps.get(value))
        except ValueError:
            return None
        sign = -1 if stated_text(stored.gps.get(reference)) == negative else 1
        position.append(sign * (degrees + minutes / 60 + seconds / 3600))
    return (position[0], position[1]) if np.isfinite(position).all() else None


def _numbers(value: Value | None) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else ()


def location(stored: StoredMetadata) -> str | None:
    """Return latitude and longitude in degrees as text, None when the file does not say."""
    position = gps_position(stored)
    return None if position is None else f"{position[0]:.5f}, {position[1]:.5f}"


def _listed(names: Sequence[str]) -> list[str]:
    left = len(names) - MAX_NAMES
    return [*names[:MAX_NAMES], f"and {left} more"] if left > 0 else list(names)


def _date(text: str) -> str:
    """Return EXIF's 2001:08:14 16:15:33 as 2001-08-14 16:15:33, and other text as it is."""
    return re.sub(r"^(\d{4}):(\d\d):(\d\d)", r"\1-\2-\3", text)
