"""Archives to score: rendered scenes of the usual size, some of them many times."""

from pathlib import Path

import numpy as np

from forgery_lab.forgeries.scenes import CATEGORIES, render
from forgery_pyfunc.imaging.jpeg_encoder import encode

SMALL, LARGE = (256, 384), (4000, 6000)
QUALITY = 90
SEED = 2026


def write(folder: Path, count: int, size: tuple[int, int] = SMALL, prefix: str = "") -> Path:
    """Write so many JPEGs of a height and a width, of which those of one category are alike."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    scenes = [_jpeg(category, rng, *size) for category in CATEGORIES[:count]]
    for number in range(count):
        (folder / f"{prefix}{number:06d}.jpg").write_bytes(scenes[number % len(scenes)])
    return folder


def _jpeg(category: str, rng: np.random.Generator, height: int, width: int) -> bytes:
    """Return a scene, rendered small and repeated until it has its size."""
    rendered = render(category, rng, *SMALL)
    repeats = (-(-height // SMALL[0]), -(-width // SMALL[1]), 1)
    return encode(np.tile(rendered, repeats)[:height, :width], quality=QUALITY)
