"""Pictures whose probabilities are known: a processor that computes otherwise is noticed by them.

`python -m steps.operations.golden` draws them and computes their probabilities, after another
detector is shipped.
"""

import json
from pathlib import Path

import numpy as np

from forgery_lab.files import write_whole
from forgery_lab.forgeries import scenes
from forgery_pyfunc import Detector
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.jpeg_encoder import encode

FOLDER = Path(__file__).with_name("golden")
PROBABILITIES = FOLDER / "probabilities.json"
TOLERANCE = 1e-4
"""How far a probability may be from the one that is known."""

HEIGHT, WIDTH = 128, 192
QUALITIES = (75, 90)
PASTED = slice(32, 80), slice(64, 120)


def probabilities() -> dict[str, float | None]:
    """Return what the shipped detector makes of each picture on this machine."""
    detector = Detector.shipped()
    return {path.name: detector.score(path).probability for path in sorted(FOLDER.glob("*.jpg"))}


def known() -> dict[str, float | None]:
    """Return what it made of each where it was shipped."""
    return dict(json.loads(PROBABILITIES.read_text("utf-8")))


def differing(here: dict[str, float | None]) -> list[str]:
    """Return the pictures with another probability here, or with none on one side alone."""
    return [
        name
        for name, there in known().items()
        if (here[name] is None) != (there is None)
        or abs((here[name] or 0) - (there or 0)) > TOLERANCE
    ]


def main() -> None:
    """Draw two pictures of each kind of scene, one with a part saved once less, and score them."""
    for number, category in enumerate(scenes.CATEGORIES):
        rng = np.random.default_rng(number)
        whole, other = (scenes.render(category, rng, HEIGHT, WIDTH) for _ in range(2))
        first, last = QUALITIES if number % 2 else QUALITIES[::-1]
        pasted = decode(encode(whole, quality=first)).pixels.copy()
        pasted[PASTED] = other[PASTED]
        for kind, pixels in (("whole", whole), ("pasted", pasted)):
            write_whole(FOLDER / f"{category}-{kind}.jpg", encode(pixels, quality=last))
    write_whole(PROBABILITIES, json.dumps(probabilities(), indent=1) + "\n")


if __name__ == "__main__":
    main()
