"""Makes of cameras, one name for each maker, however its EXIF writes it."""

from __future__ import annotations

_SAME_MAKER = {
    "asahi": "pentax",
    "eastman": "kodak",
    "fuji": "fujifilm",
    "hewlett-packard": "hp",
    "jk": "kodak",
    "konica": "minolta",
    "seiko": "epson",
}


def make_of(stated: str) -> str:
    """Return the first word of what EXIF states, in small letters; one word for all of a maker's.

    Empty where nothing is stated.
    """
    words = stated.replace("\0", " ").lower().split()
    first = words[0].strip(".,") if words else ""
    return _SAME_MAKER.get(first, first)
