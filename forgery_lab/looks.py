"""How a picture looks before anybody forged it: tone, sharpness and grain of camera and owner.

Photographs that may be shipped come from few cameras. A look drawn for each picture, and another
for the donor of a splice, teaches a network what differs within a picture rather than what these
cameras have in common.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[np.uint8]

TONED, SHARPENED, SOFTENED, GRAINY = 0.5, 0.3, 0.15, 0.35
"""How often tone and colour are changed, and how often a picture is sharpened, softened, grainy."""
GRAIN = (1.0, 6.0)
"""Standard deviation of grain in grey levels, drawn evenly in logarithm."""


def given_a_look(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """The picture uint8[H, W, 3] with a random look, of the same size."""
    if rng.random() < TONED:
        picture = _toned(picture, rng)
    drawn = rng.random()
    if drawn < SHARPENED:
        mask = ImageFilter.UnsharpMask(rng.uniform(0.5, 2.0), int(rng.integers(40, 180)), 0)
        picture = np.asarray(Image.fromarray(picture).filter(mask))
    elif drawn < SHARPENED + SOFTENED:
        blur = ImageFilter.GaussianBlur(rng.uniform(0.3, 0.9))
        picture = np.asarray(Image.fromarray(picture).filter(blur))
    if rng.random() < GRAINY:
        picture = _grainy(picture, rng)
    return picture


def _toned(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Gamma, gain per channel and saturation."""
    levels = (picture / np.float32(255)) ** np.float32(np.exp(rng.normal(0, 0.15)))
    levels *= np.exp(rng.normal(0, 0.04, 3)).astype(np.float32)
    grey = levels.mean(axis=2, keepdims=True)
    levels = grey + np.float32(rng.uniform(0.5, 1.35)) * (levels - grey)
    return np.clip(levels * 255 + 0.5, 0, 255).astype(np.uint8)


def _grainy(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Gaussian grain, of one colour or of three, as fine as pixels or coarser."""
    height, width = picture.shape[:2]
    coarseness = int(rng.choice([1, 1, 2]))
    colours = int(rng.choice([1, 3]))
    size = (-(-height // coarseness), -(-width // coarseness), colours)
    deviation = np.exp(rng.uniform(*np.log(GRAIN)))
    grain = rng.normal(0, deviation, size).repeat(coarseness, 0).repeat(coarseness, 1)
    return np.clip(picture + grain[:height, :width] + 0.5, 0, 255).astype(np.uint8)
