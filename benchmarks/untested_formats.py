"""How the probability moves when a picture is saved as HEIC, AVIF, WebP or PNG.

`python -m benchmarks.untested_formats FOLDER` takes pictures of both sides of a CASIA-style folder,
saves each in these formats, and prints a row per format: how far the shipped detector's probability
moves from that of the file as it is, how many verdicts change, and what is left of the AUC. HEIC
and AVIF get no verdict otherwise; here they are judged as if the format were known.
"""

import argparse
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image
from sklearn.metrics import roc_auc_score

from benchmarks.answers import spread
from forgery import SHIPPED
from forgery_pyfunc.contract import Record
from forgery_pyfunc.detector import Detector
from forgery_pyfunc.imaging.decoding import decode

SIDES = {"Au": 0, "Tp": 1}
SAVED_AS: dict[str, tuple[str, dict[str, int]]] = {
    "HEIC 90": ("HEIF", {"quality": 90}),
    "HEIC 70": ("HEIF", {"quality": 70}),
    "AVIF 90": ("AVIF", {"quality": 90}),
    "AVIF 70": ("AVIF", {"quality": 70}),
    "WebP 90": ("WEBP", {"quality": 90}),
    "PNG": ("PNG", {}),
}


@dataclass(frozen=True)
class Row:
    """What one format does: of `judged` pictures, and of those among them that `changed` verdict.

    `moved` and `moved_most` are the median and the 90th percentile of |Δp|; `raised` is the mean Δp
    of authentic pictures, `lowered` that of forged ones.
    """

    saved_as: str
    judged: int
    moved: float
    moved_most: float
    raised: float
    lowered: float
    changed: int
    auc_before: float
    auc: float


def files(folder: Path, of_each_side: int) -> Iterator[tuple[Path, int]]:
    """Yield pictures with their label, evenly spread over both sides."""
    for side, label in SIDES.items():
        for path in spread(folder / side, "*.jpg", of_each_side):
            yield path, label


def judged(detector: Detector, data: bytes) -> Record:
    """Return the record of a picture as if its format were one that is judged."""
    return detector.score(replace(decode(data), format=""))


def saved(picture: Image.Image, name: str) -> bytes:
    """Return a picture in a format of `SAVED_AS`."""
    file_format, options = SAVED_AS[name]
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def row(name: str, labels: list[int], before: list[Record], after: list[Record]) -> Row:
    """Return what one format does to pictures that have a probability on both sides."""
    both = [
        (label, one, other)
        for label, one, other in zip(labels, before, after, strict=True)
        if one.probability is not None and other.probability is not None
    ]
    truth = np.array([label for label, _, _ in both])
    first = np.array([one.probability for _, one, _ in both])
    then = np.array([other.probability for _, _, other in both])
    difference = then - first
    return Row(
        saved_as=name,
        judged=len(both),
        moved=float(np.median(np.abs(difference))),
        moved_most=float(np.quantile(np.abs(difference), 0.9)),
        raised=float(difference[truth == 0].mean()),
        lowered=float(difference[truth == 1].mean()),
        changed=sum(one.verdict != other.verdict for _, one, other in both),
        auc_before=float(roc_auc_score(truth, first)),
        auc=float(roc_auc_score(truth, then)),
    )


def main() -> None:
    """Score, and print a row per format."""
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
    for name in SAVED_AS:
        after = [judged(detector, saved(picture, name)) for picture in pictures]
        print(json.dumps(asdict(row(name, labels, before, after))), flush=True)


if __name__ == "__main__":
    main()
