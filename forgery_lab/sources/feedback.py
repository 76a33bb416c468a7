"""The feedback store of the web page as a CASIA-style folder to train on.

The store is written by `webui.feedback_store`, whose table documents the columns; the rooms share
nothing else. Only pictures given with consent are read. Where two people contradict each other, the
picture stands in both classes here, so that ingestion leaves it out and says so.
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

from forgery_lab.errors import DataError
from forgery_lab.progress import Progress
from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.decoding import decode, oriented
from forgery_pyfunc.imaging.sniffing import sniff

FOLDERS = {"authentic": "Au", "forged": "Tp"}
"""Where a picture goes, by the truth as a person sees it: the values of the column `label`."""

SUFFIXES = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "TIFF": ".tif",
    "BMP": ".bmp",
    "WEBP": ".webp",
    "HEIC": ".heic",
    "AVIF": ".avif",
}

ANSWERS = "SELECT image, label, boxes FROM feedback WHERE consent ORDER BY id"
WITHOUT_CONSENT = "SELECT count(*) FROM feedback WHERE NOT consent"

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in fractions of the picture's sides as a viewer shows it."""

logger = logging.getLogger(__name__)


@dataclass
class Picture:
    """One picture and all that people said of it."""

    image: bytes
    labels: set[str] = field(default_factory=set)
    boxes: list[Box] = field(default_factory=list)


def write(store: Path, folder: Path, progress: Progress | None = None) -> None:
    """Write the pictures of a feedback store into a new folder with Au/, Tp/ and Groundtruth/.

    A file's name is its SHA-256. The places that people marked become a mask; a forged picture
    without any has none. Several answers on the same bytes give one picture with all their places.

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
    """Return the pictures given with consent, by their SHA-256; raise `DataError` as `write`."""
    if not store.is_file():
        raise DataError(
            f"{store}: there is no feedback store; FEEDBACK_DB or feedback:PATH names it."
        )
    try:
        with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True)) as database:
            rows = database.execute(ANSWERS).fetchall()
            (unread,) = database.execute(WITHOUT_CONSENT).fetchone()
    except sqlite3.Error as error:
        raise DataError(f"{store}: this is not a feedback store ({error}).") from error
    pictures: dict[str, Picture] = defaultdict(lambda: Picture(b""))
    for image, label, boxes in rows:
        picture = pictures[hashlib.sha256(image).hexdigest()]
        picture.image = image
        picture.labels.add(label)
        picture.boxes += [tuple(box) for box in json.loads(boxes)]
    _say(store, len(rows), unread, list(pictures.values()))
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


def _say(store: Path, answers: int, unread: int, pictures: list[Picture]) -> None:
    """Log what the store holds; raise `DataError` where one class has no picture."""
    contradictory = sum(len(picture.labels) > 1 for picture in pictures)
    agreed = [next(iter(picture.labels)) for picture in pictures if len(picture.labels) == 1]
    counts = {label: agreed.count(label) for label in FOLDERS}
    logger.info(
        "%s: %d answers with consent on %d pictures, %d authentic and %d forged; "
        "%d with contradictory answers and %d answers without consent are left out",
        store.name, answers, len(pictures), counts["authentic"], counts["forged"],
        contradictory, unread,
    )  # fmt: skip
    if not all(counts.values()):
        raise DataError(
            f"{store}: people called {counts['authentic']} pictures authentic and "
            f"{counts['forged']} forged (and {contradictory} both); training needs both kinds."
        )
