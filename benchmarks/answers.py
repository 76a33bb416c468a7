"""The exact answers of the shipped detector to a hundred pictures of all formats.

`python -m benchmarks.answers SHARED OUT.json` writes verdict, probability (all its digits), error
code and the SHA-256 of the heat map of each. Two versions of the code give the same answers when
the two files are equal. SHARED is the folder that holds `data/casia1`, `data/photos` and the like.
"""

import argparse
import dataclasses
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from forgery import SHIPPED
from forgery_pyfunc.detector import Detector
from forgery_pyfunc.errors import ImageError

PICTURES = {
    "data/casia1/Au/*.jpg": 20,
    "data/casia1/Tp/*.jpg": 20,
    "data/casia2_sample/Tp/*.tif": 10,
    "data/casia2_sample/Au/*": 4,
    "data/photos_web/*.jpg": 16,
    "data/photos/*": 6,
    "cases/*.*": 10,
}
"""How many files of which kind, spread over all."""
CONVERTED = 14
FORMATS = ("PNG", "BMP", "WEBP", "TIFF")
MODES = {4: "L", 8: "P", 9: "L"}
"""Some of the converted pictures are stored in grey or with a palette."""


def spread(folder: Path, pattern: str, number: int) -> list[Path]:
    """Return at most so many files of a pattern, evenly spread over all in order."""
    files = sorted(folder.glob(pattern))
    return files[:: max(1, len(files) // number)][:number]


def pictures(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each picture: files as they are, then some in other formats."""
    for pattern, number in PICTURES.items():
        for path in spread(folder, pattern, number):
            yield path.relative_to(folder).as_posix(), path.read_bytes()
    for number, path in enumerate(spread(folder, next(iter(PICTURES)), CONVERTED)):
        image: Image.Image = Image.open(path)
        if number in MODES:
            image = image.convert(MODES[number])
        file_format, buffer = FORMATS[number % len(FORMATS)], io.BytesIO()
        image.save(buffer, file_format)
        yield f"{path.name} as {file_format}", buffer.getvalue()


def answer(detector: Detector, data: bytes) -> dict[str, Any]:
    """Return the record of a picture, or the code with which it is refused."""
    try:
        record = detector.score(data, with_heatmap=True)
    except ImageError as error:
        return {"code": error.code}
    heatmap = record.heatmap and hashlib.sha256(record.heatmap.encode()).hexdigest()
    return {
        **dataclasses.asdict(record),
        "heatmap": heatmap,
        "probability": repr(record.probability),
        "reason": record.reason_code,
    }


def main() -> None:
    """Score, write the file and print its digest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    detector = Detector.load(SHIPPED, "shipped")
    answers = {name: answer(detector, data) for name, data in pictures(arguments.shared)}
    text = json.dumps(answers, indent=1, sort_keys=True)
    arguments.out.write_text(text, "utf-8")
    refused = sum("code" in one for one in answers.values())
    maps = sum(bool(one.get("heatmap")) for one in answers.values())
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    print(f"{len(answers)} pictures, {refused} refused, {maps} maps, sha256 {digest}")


if __name__ == "__main__":
    main()
