"""What people do to a whole picture, forged or not: tone, sharpness, vignette and grain.

None of it is a forgery in the sense of this project, but each changes the traces that a forgery
is known by, some of them not everywhere alike. A network that never saw them calls them forged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageFilter

from forgery_lab.forgeries.pictures import Floats, Pixels

GRAIN = (1.0, 6.0)
"""Standard deviation of grain in grey levels, drawn evenly in logarithm."""


def edited(picture: Pixels, seed: int) -> Pixels:
    """Return the picture uint8[H, W, 3] after one or two edits that `seed` draws."""
    rng = np.random.default_rng(seed)
    names = rng.choice(list(EDITS), size=int(rng.integers(1, 3)), replace=False)
    for name in names:
        picture = EDITS[str(name)](picture, rng)
    return picture


def _toned(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Gamma, contrast, gain per channel and saturation."""
    levels = (picture / np.float32(255)) ** np.float32(np.exp(rng.normal(0, 0.2)))
    levels = (levels - 0.5) * np.float32(rng.uniform(0.8, 1.5)) + 0.5
    levels *= np.exp(rng.normal(0, 0.04, 3)).astype(np.float32)
    grey = levels.mean(axis=2, keepdims=True)
    return _whole(255 * (grey + np.float32(rng.uniform(0.5, 1.5)) * (levels - grey)))


def _sharpened(picture: Pixels, rng: np.random.Generator) -> Pixels:
    mask = ImageFilter.UnsharpMask(rng.uniform(0.5, 2.5), int(rng.integers(40, 220)), 0)
    return np.asarray(Image.fromarray(picture).filter(mask))


def _softened(picture: Pixels, rng: np.random.Generator) -> Pixels:
    blur = ImageFilter.GaussianBlur(rng.uniform(0.4, 1.2))
    return np.asarray(Image.fromarray(picture).filter(blur))


def _vignetted(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Darker, or lighter, the farther from a point near the middle."""
    middle, strength = rng.uniform(-0.2, 0.2, 2), rng.uniform(-0.2, 0.8)
    down, across = (
        np.linspace(-1, 1, side, dtype=np.float32) - np.float32(place)
        for side, place in zip(picture.shape[:2], middle, strict=True)
    )
    distance = np.hypot(down[:, np.newaxis], across) / np.sqrt(2)
    return _whole(picture * (1 - strength * distance ** rng.uniform(1, 3))[..., np.newaxis])


def _grainy(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Gaussian grain, of one colour or of three, as fine as pixels or coarser."""
    height, width = picture.shape[:2]
    coarseness, colours = int(rng.choice([1, 1, 2])), int(rng.choice([1, 3]))
    size = (-(-height // coarseness), -(-width // coarseness), colours)
    deviation = np.float32(np.exp(rng.uniform(*np.log(GRAIN))))
    grain = deviation * rng.standard_normal(size, np.float32)
    return _whole(picture + grain.repeat(coarseness, 0).repeat(coarseness, 1)[:height, :width])


def _whole(levels: Floats) -> Pixels:
    return np.clip(levels + 0.5, 0, 255).astype(np.uint8)


EDITS: Mapping[str, Callable[[Pixels, np.random.Generator], Pixels]] = {
    "toned": _toned,
    "sharpened": _sharpened,
    "softened": _softened,
    "vignetted": _vignetted,
    "grainy": _grainy,
}
