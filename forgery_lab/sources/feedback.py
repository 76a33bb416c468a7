"""The feedback store of the web page as a CASIA-style folder to train on.

The store is written by `webui.feedback_store`, whose table documents the columns; the rooms share
nothing else. Only pictures given with consent are read, and only what a reviewer accepted, with
the reviewer's label. Where two reviews contradict each other, the picture stands in both classes
here, so that ingestion leaves it out and says so.
"""

import hashlib
import json
import logging
import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from forgery_lab.data import ingestion
from forgery_lab.errors import DataError
from forgery_lab.progress import Progress
from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.decoding import decode, oriented
from forgery_pyfunc.imaging.sniffing import sniff

FOLDERS = {"authentic": "Au", "forged": "Tp"}
"""Where a picture goes, by the truth as the reviewer sees it: the column `decision`."""

SUFFIXES = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "TIFF": ".tif",
    "BMP": ".bmp",
    "WEBP": ".webp",
    "HEIC": ".heic",
    "AVIF": ".avif",
}

ANSWERS = """
SELECT image, decision, CASE decision WHEN 'forged' THEN boxes ELSE '[]' END, reviewer, reviewed_at
FROM feedback JOIN review USING (receipt)
WHERE consent AND decision IN ('authentic', 'forged') ORDER BY id
"""
LEFT_OUT = """
SELECT coalesce(sum(NOT consent), 0), coalesce(sum(consent AND decision IS NULL), 0),
       coalesce(sum(consent AND decision = 'rejected'), 0)
FROM feedback LEFT JOIN review USING (receipt)
"""
HAS_REVIEWS = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'review'"

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in fractions of the picture's sides as a viewer shows it."""

logger = logging.getLogger(__name__)


@dataclass
class Picture:
    """One picture and all that was accepted about it; `reviews` are names and times."""

    image: bytes
    labels: set[str] = field(default_factory=set)
    boxes: list[Box] = field(default_factory=list)
    reviews: list[tuple[str, str]] = field(default_factory=list)


def write(store: Path, folder: Path, progress: Progress | None = None) -> None:
    """Write the pictures of a feedback store into a new folder with Au/, Tp/ and Groundtruth/.

    A file's name is its SHA-256. The places that people marked become a mask; a forged picture
    without any has none. Several answers on the same bytes give one picture with all their places.
    `reviews.jsonl` says who reviewed each, and when.

    Args:
        store: the SQLite file, FEEDBACK_DB of the web page.
        folder: is created.
        progress: called with the pictures written and their number.

    Raises:
        DataError: there is no such store, or it lacks pictures of one class.
    """
    pictures = read(store)
    for name in (*FOLDERS.values(), "Groundtruth"):
        (folder / name).mkdir(parents=True)
    reviews = [
        json.dumps({"sha256": sha256, "reviewed_by": by, "reviewed_at": at})
        for sha256, picture in sorted(pictures.items())
        for by, at in picture.reviews[-1:]
    ]
    (folder / ingestion.REVIEWS).write_text("".join(f"{line}\n" for line in reviews), "utf-8")
    for done, (sha256, picture) in enumerate(sorted(pictures.items()), 1):
        suffix = SUFFIXES.get(sniff(picture.image) or "", ".jpg")
        for label in picture.labels:
            (folder / FOLDERS[label] / f"{sha256}{suffix}").write_bytes(picture.image)
        mask = draw_mask(picture) if "forged" in picture.labels and picture.boxes else None
        if mask is not None:
            Image.fromarray(mask).save(folder / "Groundtruth" / f"{sha256}_gt.png")
        if progress:
            progress(done, len(pictures))


def read(store: Path) -> dict[str, Picture]:
    """Return the pictures whose review accepted them, by SHA-256; raise `DataError` as `write`."""
    if not store.is_file():
        raise DataError(
            f"{store}: there is no feedback store; FEEDBACK_DB or feedback:PATH names it."
        )
    try:
        with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True)) as database:
            if not database.execute(HAS_REVIEWS).fetchone()[0]:
                raise DataError(f"{store}: nothing in it was reviewed yet; `forgery review` does.")
            rows = database.execute(ANSWERS).fetchall()
            left_out = database.execute(LEFT_OUT).fetchone()
    except sqlite3.Error as error:
        raise DataError(f"{store}: this is not a feedback store ({error}).") from error
    pictures: dict[str, Picture] = defaultdict(lambda: Picture(b""))
    for image, label, boxes, reviewer, reviewed_at in rows:
        picture = pictures[hashlib.sha256(image).hexdigest()]
        picture.image = image
        picture.labels.add(label)
        picture.boxes += [tuple(box) for box in json.loads(boxes)]
        picture.reviews.append((reviewer, reviewed_at))
    _say(store, len(rows), left_out, list(pictures.values()))
    return pictures


def draw_mask(picture: Picture) -> np.ndarray | None:
    """Return uint8[H, W], 255 inside the boxes and 0 elsewhere, as the picture is stored.

    None where the picture cannot be read: ingestion says why.
    """
    try:
        image = decode(picture.image)
    except ImageError:
        return None
    mask = np.zeros_like(image.luma)
    shown = oriented(mask, image.orientation)  # a view: what is drawn here is drawn there
    height, width = shown.shape
    for left, top, right, bottom in picture.boxes:
        rows = slice(int(top * height), max(int(top * height) + 1, round(bottom * height)))
        columns = slice(int(left * width), max(int(left * width) + 1, round(right * width)))
        shown[rows, columns] = 255
    return mask


def _say(
    store: Path, answers: int, left_out: tuple[int, int, int], pictures: list[Picture]
) -> None:
    """Log what the store holds; raise `DataError` where one class has no picture."""
    contradictory = sum(len(picture.labels) > 1 for picture in pictures)
    agreed = [next(iter(picture.labels)) for picture in pictures if len(picture.labels) == 1]
    counts = {label: agreed.count(label) for label in FOLDERS}
    logger.info(
        "%s: %d accepted answers on %d pictures, %d authentic and %d forged; "
        "%d with contradictory reviews, %d answers without consent, %d not reviewed and "
        "%d rejected are left out",
        store.name, answers, len(pictures), counts["authentic"], counts["forged"],
        contradictory, *left_out,
    )  # fmt: skip
    if not all(counts.values()):
        raise DataError(
            f"{store}: reviewers accepted {counts['authentic']} pictures as authentic and "
            f"{counts['forged']} as forged (and {contradictory} as both), {left_out[1]} answers "
            "are not reviewed; training needs both kinds."
        )
