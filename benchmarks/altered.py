"""How a verdict stands when a picture is saved in another format, or altered so as to deceive.

`python -m benchmarks.altered FOLDER` takes pictures of both sides of a CASIA-style folder, alters
each, and prints a row per alteration: how far the shipped detector's probability moves, how many
verdicts change, how many forgeries and photographs are called forged, and what is left of the AUC.
HEIC and AVIF get no verdict otherwise; here they are judged as if the format were known.
"""

import argparse
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image, ImageFilter
from sklearn.metrics import roc_auc_score

from benchmarks.answers import spread
from forgery import SHIPPED
from forgery_pyfunc.contract import Record
from forgery_pyfunc.detector import Detector
from forgery_pyfunc.imaging.decoding import decode

SIDES = {"Au": 0, "Tp": 1}
MESSENGER = 1600
"""Pixels of the longer side above which messengers scale down."""

Alteration = Callable[[Image.Image], bytes]


def saved(picture: Image.Image, kind: str, **options: int) -> bytes:
    """Return a picture in a format of Pillow's."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(picture: Image.Image, quality: int = 90) -> bytes:
    """Return a picture as editors save it."""
    return saved(picture, "JPEG", quality=quality)


def median(picture: Image.Image) -> bytes:
    """Return a picture whose fine detail was smoothed away."""
    return jpeg(picture.filter(ImageFilter.MedianFilter(3)))


def noisy(picture: Image.Image, deviation: float) -> bytes:
    """Return a picture under noise, the same for every picture of a size."""
    pixels = np.asarray(picture, np.float32)
    noise = np.random.default_rng(0).normal(0, deviation, pixels.shape)
    return jpeg(Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8)))


def scaled(picture: Image.Image, factor: float) -> bytes:
    """Return a smaller or larger picture."""
    size = round(picture.width * factor), round(picture.height * factor)
    return jpeg(picture.resize(size, Image.Resampling.LANCZOS))


def through_a_messenger(picture: Image.Image) -> bytes:
    """Return a picture as it comes out of a messenger."""
    small = picture.copy()
    small.thumbnail((MESSENGER, MESSENGER), Image.Resampling.BILINEAR)
    return saved(small, "JPEG", quality=75, subsampling=2)


FORMATS: dict[str, Alteration] = {
    "HEIC 90": partial(saved, kind="HEIF", quality=90),
    "HEIC 70": partial(saved, kind="HEIF", quality=70),
    "AVIF 90": partial(saved, kind="AVIF", quality=90),
    "AVIF 70": partial(saved, kind="AVIF", quality=70),
    "WebP 90": partial(saved, kind="WEBP", quality=90),
    "PNG": partial(saved, kind="PNG"),
}
EVASIONS: dict[str, Alteration] = {
    "JPEG 90": jpeg,
    "JPEG 50": partial(jpeg, quality=50),
    "median 3×3": median,
    "noise of 2 levels": partial(noisy, deviation=2.0),
    "noise of 5 levels": partial(noisy, deviation=5.0),
    "scaled to 0.75": partial(scaled, factor=0.75),
    "scaled to 1.25": partial(scaled, factor=1.25),
    "messenger": through_a_messenger,
}
"""Each is saved as JPEG afterwards, at quality 90 where none is named."""


@dataclass(frozen=True)
class Row:
    """What one alteration does: of `judged` pictures, and of those that `changed` their verdict.

    `moved` and `moved_most` are the median and the 90th percentile of |Δp|; `found` and `false` are
    the shares of forgeries and of photographs that are called forged, before and afterwards.
    """

    altered: str
    judged: int
    changed: int
    moved: float
    moved_most: float
    found: tuple[float, float]
    false: tuple[float, float]
    auc: tuple[float, float]


def files(folder: Path, of_each_side: int) -> Iterator[tuple[Path, int]]:
    """Yield pictures with their label, evenly spread over both sides."""
    for side, label in SIDES.items():
        for path in spread(folder / side, "*.jpg", of_each_side):
            yield path, label


def judged(detector: Detector, data: bytes) -> Record:
    """Return the record of a picture as if its format were one that is judged."""
    return detector.score(replace(decode(data), format=""))


def row(name: str, labels: list[int], before: list[Record], after: list[Record]) -> Row:
    """Return what one alteration does to pictures that have a probability on both sides."""
    both = [
        (label, one, other)
        for label, one, other in zip(labels, before, after, strict=True)
        if one.probability is not None and other.probability is not None
    ]
    truth = np.array([label for label, _, _ in both])
    probabilities = np.array([[one.probability, other.probability] for _, one, other in both])
    called = np.array([[record.verdict == "forged" for record in pair] for _, *pair in both])
    moved = np.abs(probabilities[:, 1] - probabilities[:, 0])
    found, false = (called[truth == label].mean(axis=0).tolist() for label in (1, 0))
    auc = [float(roc_auc_score(truth, side)) for side in probabilities.T]
    return Row(
        altered=name,
        judged=len(both),
        changed=sum(one.verdict != other.verdict for _, one, other in both),
        moved=float(np.median(moved)),
        moved_most=float(np.quantile(moved, 0.9)),
        found=(found[0], found[1]),
        false=(false[0], false[1]),
        auc=(auc[0], auc[1]),
    )


def main() -> None:
    """Score, and print a row per alteration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--of-each-side", type=int, default=100)
    arguments = parser.parse_args()
    pillow_heif.register_heif_opener()
    detector = Detector.load(SHIPPED)
    found = list(files(arguments.folder, arguments.of_each_side))
    labels = [label for _, label in found]
    before = [judged(detector, path.read_bytes()) for path, _ in found]
    pictures = [Image.open(path).convert("RGB") for path, _ in found]
    for name, alter in (FORMATS | EVASIONS).items():
        after = [judged(detector, alter(picture)) for picture in pictures]
        print(json.dumps(asdict(row(name, labels, before, after)), ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
