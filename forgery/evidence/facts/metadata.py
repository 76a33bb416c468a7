"""What EXIF and XMP say about camera, software, dates and place."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags

from forgery_pyfunc.imaging.metadata import StoredMetadata, Value

MAX_NAMES = 10
"""Programs that are listed: the file's author may have made their list endless."""

_VALUES_READ = 100  # of a property in XMP


@dataclass(frozen=True)
class Metadata:
    """What the file says about its making; all of it can be changed without a trace.

    `dates` by name as they stand in the file. The position is not in here: see `gps_position`.
    """

    camera: str | None
    lens: str | None
    software: tuple[str, ...]
    dates: dict[str, str]
    has_gps: bool
    has_content_credentials: bool
    damaged: bool

    def in_words(self) -> dict[str, str]:
        """Return what is there, by a name for people."""
        texts = {
            "Camera": self.camera,
            "Lens": self.lens,
            "Software": ", ".join(_listed(self.software)),
            **{name[0].upper() + name[1:]: date for name, date in self.dates.items()},
        }
        if self.has_content_credentials:
            texts["Content credentials"] = "present (C2PA), not verified here"
        return {name: _date(text) for name, text in texts.items() if text}


def metadata(stored: StoredMetadata) -> Metadata:
    """Return what EXIF and XMP say about camera, software and dates."""
    main, detail = stored.exif, stored.details
    xmp = stored.xmp.decode("utf-8", "replace")
    maker, model = _text(main.get(ExifTags.Base.Make)), _text(main.get(ExifTags.Base.Model))
    if maker and model and model.lower().startswith(maker.lower()):
        maker = None
    software = [
        _text(main.get(ExifTags.Base.Software)),
        *_xmp_values(xmp, "xmp:CreatorTool"),
        *_xmp_values(xmp, "stEvt:softwareAgent"),
    ]
    dates = {
        "changed (EXIF)": _text(main.get(ExifTags.Base.DateTime)),
        "taken (EXIF)": _text(detail.get(ExifTags.Base.DateTimeOriginal)),
        "digitised (EXIF)": _text(detail.get(ExifTags.Base.DateTimeDigitized)),
        "created (XMP)": next(iter(_xmp_values(xmp, "xmp:CreateDate")), None),
        "changed (XMP)": next(iter(_xmp_values(xmp, "xmp:ModifyDate")), None),
    }
    return Metadata(
        camera=" ".join(filter(None, (maker, model))) or None,
        lens=_text(detail.get(ExifTags.Base.LensModel)),
        software=tuple(dict.fromkeys(filter(None, software))),
        dates={name: date for name, date in dates.items() if date},
        has_gps=bool(stored.gps),
        has_content_credentials=stored.has_content_credentials,
        damaged=stored.damaged,
    )


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
        sign = -1 if _text(stored.gps.get(reference)) == negative else 1
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


def _text(value: object) -> str | None:
    """Return the printable part of a tag's value, at most 200 characters, None where empty."""
    if value is None:
        return None
    return "".join(c for c in str(value) if c.isprintable()).strip()[:200] or None


def _xmp_values(xmp: str, name: str) -> list[str]:
    """Return values of a property in an XMP packet, written as an attribute or as an element."""
    name = re.escape(name)
    matches = re.finditer(rf'{name}="([^"<]*)"|<{name}>([^<]*)</', xmp)
    texts = (_text(match[1] or match[2]) for match in matches)
    return list(itertools.islice(filter(None, texts), _VALUES_READ))
