"""What a decoder may answer, and its form in the memory that both sides share.

Numbers and texts are JSON, everything large lies in front of them as it is. Whoever reads an answer
takes it for what a stranger's file made of the decoder: every value is checked.
"""

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from forgery_pyfunc.contract import ERROR_CODES
from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.decoding import FORMATS, DecodedImage
from forgery_pyfunc.imaging.guards import MAX_FRAMES_COUNTED, Limits
from forgery_pyfunc.imaging.jpeg_header import JpegHeader
from forgery_pyfunc.imaging.metadata import Directory, StoredMetadata, Value

PLACE = struct.Struct("=QQ")
"""Where in the shared memory the JSON of an answer begins, and its bytes: all that is sent."""
LARGEST_TEXT = 2**20
"""Bytes of that JSON."""
_LONGEST_MESSAGE = 1000


class AnswerError(Exception):
    """A decoder's answer is not one that an honest decoder gives."""


@dataclass(frozen=True)
class Answer:
    """Numbers and texts, and in this order what is too large for them."""

    facts: Mapping[str, Any]
    parts: Sequence[memoryview] = ()


def room(limits: Limits) -> int:
    """Return how many bytes the largest request or answer takes."""
    return max(limits.max_bytes, 4 * limits.max_pixels) + limits.max_bytes + LARGEST_TEXT


def of_image(image: DecodedImage) -> Answer:
    """Return the answer that `read_image` reads."""
    facts = {
        "width": image.width,
        "height": image.height,
        "format": image.format,
        "mode": image.mode,
        "orientation": image.orientation,
        "frames": image.frames,
        "jpeg": vars(image.jpeg) if image.jpeg else None,  # asdict would copy every number
    }
    return Answer(facts, (image.pixels.data, image.luma.data))


def read_image(facts: Mapping[str, Any], memory: np.ndarray, limits: Limits) -> DecodedImage:
    """Return the image of an answer, copied from the memory, which its decoder may change.

    Raises:
        AnswerError: no image within the limits is there.
    """
    width, height = _whole(facts["width"], 1), _whole(facts["height"], 1)
    pixels = width * height
    if pixels > limits.max_pixels or 4 * pixels > memory.size:
        raise AnswerError(f"an image of {width} × {height} pixels")
    if facts["format"] not in FORMATS:
        raise AnswerError("an unknown format")
    return DecodedImage(
        pixels=memory[: 3 * pixels].reshape(height, width, 3).copy(),
        luma=memory[3 * pixels : 4 * pixels].reshape(height, width).copy(),
        format=facts["format"],
        mode=_text(facts["mode"]),
        orientation=_whole(facts["orientation"], 1, 8),
        jpeg=_read_header(facts["jpeg"]) if facts["jpeg"] else None,
        frames=_whole(facts["frames"], 1, MAX_FRAMES_COUNTED),
    )


def of_metadata(metadata: StoredMetadata) -> Answer:
    """Return the answer that `read_metadata` reads."""
    facts = {
        "exif": dict(metadata.exif),
        "details": dict(metadata.details),
        "gps": dict(metadata.gps),
        "thumbnail": len(metadata.thumbnail),
        "xmp": len(metadata.xmp),
        "damaged": metadata.damaged,
    }
    return Answer(facts, (memoryview(metadata.thumbnail), memoryview(metadata.xmp)))


def read_metadata(facts: Mapping[str, Any], memory: np.ndarray) -> StoredMetadata:
    """Return the metadata of an answer.

    Raises:
        AnswerError: the answer holds something else.
    """
    thumbnail = _whole(facts["thumbnail"], 0, memory.size)
    xmp = _whole(facts["xmp"], 0, memory.size - thumbnail)
    return StoredMetadata(
        exif=_directory(facts["exif"]),
        details=_directory(facts["details"]),
        gps=_directory(facts["gps"]),
        thumbnail=memory[:thumbnail].tobytes(),
        xmp=memory[thumbnail : thumbnail + xmp].tobytes(),
        damaged=bool(facts["damaged"]),
    )


def of_error(error: ImageError) -> Answer:
    """Return the answer at which `facts_of` raises this error."""
    return Answer({"error": {"code": error.code, "message": str(error)}})


def of_fault(error: Exception) -> Answer:
    """Return the answer that tells of a fault of this project, for the log."""
    return Answer({"fault": repr(error)})


def facts_of(memory: np.ndarray, place: tuple[int, int]) -> Mapping[str, Any]:
    """Return numbers and texts of an answer.

    Raises:
        ImageError: the decoder refused the image.
        RuntimeError: it met a fault of this project.
        AnswerError: this is no answer.
    """
    start, length = place
    if length > LARGEST_TEXT or start + length > memory.size:
        raise AnswerError("a place outside of the memory")
    facts = json.loads(memory[start : start + length].tobytes())
    if not isinstance(facts, dict):
        raise AnswerError("no object")
    if "fault" in facts:
        raise RuntimeError(f"a decoder met {_text(facts['fault'])!a}")
    if "error" in facts:
        code = facts["error"]["code"]
        if code not in ERROR_CODES:
            raise AnswerError("an unknown error")
        raise ImageError(_text(facts["error"]["message"]), code)
    return facts


def text_of(answer: Answer) -> bytes:
    """Return the JSON of an answer."""
    return json.dumps(answer.facts).encode()


def _read_header(facts: Mapping[str, Any]) -> JpegHeader:
    readers: dict[str, Callable[[Any], Any]] = {
        "tables": lambda tables: tuple(_table(table) for table in tables[:4]),
        "markers": lambda markers: tuple(_text(marker) for marker in markers),
        "adobe_transform": lambda value: None if value is None else _whole(value, 0, 255),
        **dict.fromkeys(("process", "subsampling"), _text),
        **dict.fromkeys(("complete", "ended"), bool),
    }
    return JpegHeader(
        **{one.name: readers.get(one.name, _whole)(facts[one.name]) for one in fields(JpegHeader)}
    )


def _table(values: Any) -> tuple[int, ...]:
    if len(values) != 64:
        raise AnswerError("a quantisation table of another size")
    return tuple(_whole(value, 0, 65535) for value in values)


def _directory(stored: Mapping[str, Any]) -> Directory:
    return {int(tag): _value(value) for tag, value in stored.items()}


def _value(value: Any) -> Value:
    if isinstance(value, list):
        return tuple(float(part) for part in value)
    if not isinstance(value, str | int | float):
        raise AnswerError("a tag of another kind")
    return value


def _whole(value: Any, least: int = 0, most: int = 2**63) -> int:
    if type(value) is not int or not least <= value <= most:
        raise AnswerError(f"no whole number from {least} to {most}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise AnswerError("no text")
    return value[:_LONGEST_MESSAGE]
