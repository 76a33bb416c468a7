"""The pictures that are sent: rendered scenes, authentic and forged, as JPEG and PNG."""

import base64
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from urllib3 import encode_multipart_formdata

from benchmarks.bodies import INVOCATIONS, PREDICT, QUALITY
from benchmarks.soak.plan import Expected, Plan, Request
from forgery_lab.forgeries import scenes
from forgery_lab.forgeries.forging import forge
from forgery_lab.forgeries.pictures import Pixels
from forgery_lab.progress import Progress
from forgery_pyfunc.detector import Detector
from forgery_pyfunc.imaging.jpeg_encoder import encode

SEED = 2026


@dataclass(frozen=True)
class Size:
    """A size class.

    Attributes:
        height: of its pictures, in pixels.
        width: of its pictures, in pixels.
        share: how often it is sent, relative to the others.
        categories: of the scenes, one each; every scene gives four pictures.
        pictures: in one request.
    """

    height: int
    width: int
    share: int
    categories: Sequence[str]
    pictures: int = 1

    @property
    def name(self) -> str:
        """For the table."""
        name = f"{self.width}×{self.height}"
        return name if self.pictures == 1 else f"{self.pictures} of {name}"


SIZES = (
    Size(128, 128, 40, scenes.CATEGORIES),
    Size(256, 384, 50, scenes.CATEGORIES),
    Size(768, 1024, 5, ("nat", "txt")),
    Size(1536, 2048, 2, ("nat",)),
    Size(256, 384, 3, scenes.CATEGORIES, pictures=16),
)
"""Mostly small, so that two quiet cores answer 20,000 requests in 20 minutes. With a batch or a
large picture now and then, 64 clients are still more than can be served within two seconds."""


@dataclass(frozen=True)
class Picture:
    """An encoded picture and what the detector says of it."""

    name: str
    media_type: str
    data: bytes
    expected: Expected


def plan(folder: Path, detector: Detector, progress: Progress) -> Plan:
    """Return the requests of all size classes, their bodies written into the folder."""
    requests: list[Request] = []
    for done, size in enumerate(SIZES):
        progress(done, len(SIZES))
        pictures = list(_pictures(size, detector))
        for number in range(len(pictures)):
            several = [*pictures[number:], *pictures[:number]][: size.pictures]
            requests += [
                _predict(size, several, folder / f"{size.name} {number} form"),
                _invocations(size, several, folder / f"{size.name} {number} json"),
            ]
    progress(len(SIZES), len(SIZES))
    return Plan(shares={size.name: size.share for size in SIZES}, requests=requests)


def _pictures(size: Size, detector: Detector) -> Iterator[Picture]:
    rng = np.random.default_rng(SEED)
    for category in size.categories:
        authentic = scenes.render(category, rng, size.height, size.width)
        forged = forge(authentic, [], "copy-move", rng).pixels
        for name, pixels in {"authentic": authentic, "forged": forged}.items():
            for kind, data in {
                "jpeg": encode(pixels, quality=QUALITY),
                "png": _png(pixels),
            }.items():
                expected = Expected.of(detector.score(data))
                yield Picture(f"{category}-{name}.{kind}", f"image/{kind}", data, expected)


def _png(pixels: Pixels) -> bytes:
    output = io.BytesIO()
    Image.fromarray(pixels).save(output, "PNG")
    return output.getvalue()


def _predict(size: Size, pictures: Sequence[Picture], body: Path) -> Request:
    fields = [("file", (one.name, one.data, one.media_type)) for one in pictures]
    content, content_type = encode_multipart_formdata(fields, boundary="of-the-form")
    return _written(size, PREDICT, pictures, body, content, content_type)


def _invocations(size: Size, pictures: Sequence[Picture], body: Path) -> Request:
    records = [{"image": base64.b64encode(one.data).decode("ascii")} for one in pictures]
    content = json.dumps({"dataframe_records": records}).encode()
    return _written(size, INVOCATIONS, pictures, body, content, "application/json")


def _written(
    size: Size,
    path: str,
    pictures: Sequence[Picture],
    body: Path,
    content: bytes,
    content_type: str,
) -> Request:
    body.write_bytes(content)
    expected = [one.expected for one in pictures]
    return Request(
        size=size.name, path=path, content_type=content_type, body=body, expected=expected
    )
