"""What ingestion has to know of one file: facts of an image, facts of a mask."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
from PIL import Image, UnidentifiedImageError

from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.decoding import FORMATS, DecodedImage, decode, oriented
from forgery_pyfunc.imaging.guards import Limits

SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".png",
    ".tif",
    ".tiff",
    ".bmp",
    ".webp",
    ".heic",
    ".heif",
    ".avif",
)
"""Endings of the files that are looked at, in small letters."""

MIN_SIDE = 16
"""Pixels: a smaller image holds less than two by two JPEG blocks."""


@dataclass(frozen=True)
class Refusal:
    """A file that cannot be used.

    Attributes:
        code: stable, for machines.
        reason: a sentence.
    """

    code: str
    reason: str


@dataclass(frozen=True)
class ImageFacts:
    """The columns of the manifest that come from the file itself; `frames` of an animation."""

    sha256: str
    phash: str
    format: str
    width: int
    height: int
    mode: str
    jpeg_quality: int | None
    jpeg_tables: str | None
    subsampling: str | None
    bytes: int
    frames: int


@dataclass(frozen=True)
class MaskFacts:
    """Size in pixels, share of pixels that are forged, share that is neither black nor white."""

    width: int
    height: int
    forged_share: float
    grey_share: float


Inspection = tuple[Callable[[Path, Limits], Any], Path]
"""A file, and the function of this module that looks at it."""


def inspect(limits: Limits, inspection: Inspection) -> Any:
    """Return what there is to know of a file, or a `Refusal`."""
    function, path = inspection
    return function(path, limits)


def inspect_image(path: Path, limits: Limits) -> ImageFacts | Refusal:
    """Return what the manifest says of an image file, or why it cannot be used."""
    try:
        size = path.stat().st_size
        if size > limits.max_bytes:
            return Refusal(
                "too_large", f"The file has {size:,} bytes; the limit is {limits.max_bytes:,}."
            )
        data = path.read_bytes()
        image = decode(data, limits)
    except ImageError as error:
        return Refusal(error.code, str(error))
    except OSError as error:
        return Refusal("unreadable", f"The file cannot be read: {error.strerror}.")
    except MemoryError:
        return Refusal("too_many_pixels", "The image needs more memory than is available.")
    if min(image.width, image.height) < MIN_SIDE:
        size_text = f"{image.width} × {image.height}"
        return Refusal(
            "too_small", f"The image is {size_text}; {MIN_SIDE} pixels a side are needed."
        )
    return _facts(data, image)


def _facts(data: bytes, image: DecodedImage) -> ImageFacts:
    header = image.jpeg
    return ImageFacts(
        sha256=hashlib.sha256(data).hexdigest(),
        phash=perceptual_hash(image),
        format=image.format,
        width=image.width,
        height=image.height,
        mode=image.mode,
        jpeg_quality=header.quality if header else None,
        jpeg_tables=header.table_hash if header else None,
        subsampling=header.subsampling if header else None,
        bytes=len(data),
        frames=image.frames,
    )


def perceptual_hash(image: DecodedImage) -> str:
    """Return 16 hexadecimal digits of an image as a viewer sees it (imagehash's 64-bit pHash)."""
    luma = np.ascontiguousarray(oriented(image.luma, image.orientation))
    return str(imagehash.phash(Image.fromarray(luma)))


def inspect_mask(path: Path, limits: Limits) -> MaskFacts | Refusal:
    """Return size and content of a ground-truth mask, or why it cannot be used."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > limits.max_pixels:
                size = f"{image.width} × {image.height}"
                return Refusal("mask_too_many_pixels", f"The mask is {size} pixels, too many.")
            luma = np.asarray(image.convert("L"))
    except UnidentifiedImageError:
        return Refusal("mask_unreadable", "The mask cannot be read as an image.")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return Refusal("mask_unreadable", f"The mask cannot be read: {str(error).rstrip('.')}.")
    grey = (luma > 0) & (luma < 255)
    return MaskFacts(luma.shape[1], luma.shape[0], float((luma > 127).mean()), float(grey.mean()))
