"""What a decoder does on request: by name, functions from a file and limits to an answer."""

import codecs
import io
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from PIL import AvifImagePlugin, Image

from forgery_pyfunc.imaging import decoding
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.imaging.sandbox import answers
from forgery_pyfunc.imaging.sandbox.answers import Answer

_CODECS = ("ascii", "latin-1", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be")
_EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"
_SAVED: list[tuple[str, str, dict[str, Any]]] = [
    *(("JPEG", mode, {"exif": _EXIF}) for mode in ("RGB", "L", "CMYK")),
    ("JPEG", "RGB", {"progressive": True}),
    *(("PNG", mode, {}) for mode in ("RGB", "RGBA", "LA", "P", "1", "I;16")),
    *(("TIFF", mode, {}) for mode in ("RGB", "RGBA", "CMYK", "P", "1", "I;16", "F")),
    *(
        ("TIFF", "RGB", {"compression": name})
        for name in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "zstd", "lzma")
    ),
    *(("BMP", mode, {}) for mode in ("RGB", "P", "1")),
    ("WEBP", "RGB", {}),
    ("WEBP", "RGBA", {"lossless": True}),
    *([("AVIF", "RGB", {})] if AvifImagePlugin.SUPPORTED else []),
]
"""Format, mode and options of the pictures that are decoded before any stranger's."""


def decode(data: bytes, limits: Limits) -> Answer:
    """Return the image that a file holds."""
    return answers.of_image(decoding.decode(data, limits))


def read_metadata(data: bytes, limits: Limits) -> Answer:
    """Return what a file holds beside its pixels."""
    return answers.of_metadata(decoding.read_metadata(data, limits))


OPERATIONS: dict[str, Callable[[bytes, Limits], Answer]] = {
    "decode": decode,
    "read_metadata": read_metadata,
}


def prepare() -> None:
    """Load all that decoding needs: a decoder cannot open files, modules included."""
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    with suppress(ImportError):
        import pillow_heif

        pillow_heif.options.DECODE_THREADS = 1
    for name in _CODECS:
        codecs.lookup(name)
    for name, mode, options in _SAVED:
        saved = io.BytesIO()
        Image.new(mode, (8, 8)).save(saved, name, **options)
        decode(saved.getvalue(), Limits())
        read_metadata(saved.getvalue(), Limits())
