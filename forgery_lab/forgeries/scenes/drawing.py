"""What scenes are drawn with: noise, textures, colours, soft steps and mixtures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft

Pixels = NDArray[np.uint8]

Floats = NDArray[np.floating[Any]]

Rng = np.random.Generator


def grid(height: int, width: int) -> tuple[Floats, Floats]:
    """Return y and x of the pixels' centres, float32[height, width] each."""
    y, x = np.mgrid[0:height, 0:width]
    return y.astype(np.float32) + 0.5, x.astype(np.float32) + 0.5


def fractal_noise(rng: Rng, height: int, width: int, slope: float, stretch: float = 1.0) -> Floats:
    """Noise float32[height, width] with spectrum f**-slope, mean 0, deviation 1; wraps around.

    `stretch` above 1 draws it out along x.
    """
    rows, columns = fft.next_fast_len(height, real=True), fft.next_fast_len(width, real=True)
    spectrum = fft.rfft2(rng.standard_normal((rows, columns), np.float32))
    fy = np.fft.fftfreq(rows)[:, None] * rows
    fx = np.fft.rfftfreq(columns)[None, :] * columns * stretch * rows / columns
    frequency = np.sqrt(fy**2 + fx**2)
    frequency[0, 0] = 1
    filtered = spectrum * (frequency ** (-slope)).astype(np.float32)
    filtered[0, 0] = 0
    field = fft.irfft2(filtered, (rows, columns))[:height, :width].astype(np.float32)
    return field / (field.std() + 1e-6)


def sample(texture: Floats, y: Floats, x: Floats) -> Floats:
    """Bilinear values of a wrapping texture at any coordinates (in its pixels)."""
    height, width = texture.shape
    floor_y, floor_x = np.floor(y), np.floor(x)
    part_y, part_x = (y - floor_y).astype(np.float32), (x - floor_x).astype(np.float32)
    row, column = floor_y.astype(np.int64) % height, floor_x.astype(np.int64) % width
    below, right = (row + 1) % height * width, (column + 1) % width
    row *= width
    flat = texture.ravel()
    upper = flat[row + column]
    upper = upper + (flat[row + right] - upper) * part_x
    lower = flat[below + column]
    lower = lower + (flat[below + right] - lower) * part_x
    return upper + (lower - upper) * part_y


def enlarged(field: Floats, height: int, width: int) -> Floats:
    """Return the field, float32[h, w], enlarged to float32[height, width], bilinear."""
    image = Image.fromarray(np.ascontiguousarray(field, np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def rgb(*values: float) -> Floats:
    """Return a colour in linear light, float32[3]."""
    return np.array(values, np.float32)


def mix(a: Floats, b: Floats, t: Floats | float) -> Floats:
    """Return `a` where `t` is 0, `b` where it is 1, and a mixture in between."""
    weight = np.asarray(t, np.float32)
    if weight.ndim == 2:
        weight = weight[..., None]
    return (a + (b - a) * weight).astype(np.float32)


def smooth_step(value: Floats, low: float, high: float) -> Floats:
    """Return 0 up to `low`, 1 from `high` on, and a smooth rise in between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def earth_colour(rng: Rng, spread: float = 0.25) -> Floats:
    """Return a colour of stone, wood or earth in linear light."""
    base = np.array(
        [
            [0.32, 0.22, 0.13],
            [0.45, 0.38, 0.28],
            [0.25, 0.24, 0.23],
            [0.35, 0.14, 0.09],
            [0.5, 0.45, 0.38],
            [0.18, 0.12, 0.08],
        ]
    )[rng.integers(6)]
    return (base * np.exp(rng.normal(0, spread, 3) * 0.5 + rng.normal(0, spread))).astype(
        np.float32
    )


def vivid_colour(rng: Rng) -> Floats:
    """A colour of paint, fruit, petals or cloth in linear light: often warm, seldom garish."""
    hues = [[0.6, 0.08, 0.05], [0.7, 0.28, 0.05], [0.75, 0.55, 0.1], [0.7, 0.66, 0.6]]
    hues += [[0.2, 0.35, 0.08], [0.1, 0.2, 0.45], [0.45, 0.12, 0.35], [0.6, 0.3, 0.32]]
    odds = [0.2, 0.16, 0.14, 0.16, 0.1, 0.1, 0.06, 0.08]
    hue = np.array(hues)[rng.choice(8, p=odds)]
    grey = hue.mean() + (hue - hue.mean()) * rng.uniform(0.5, 1.1)
    return (grey * np.exp(rng.normal(0, 0.12, 3) + rng.normal(-0.15, 0.3))).astype(np.float32)


def leaf_colour(rng: Rng) -> Floats:
    """Return a colour of leaves or grass in linear light."""
    base = np.array([[0.07, 0.16, 0.03], [0.12, 0.2, 0.04], [0.04, 0.11, 0.04], [0.2, 0.18, 0.05]])
    return (base[rng.integers(4)] * np.exp(rng.normal(0, 0.2, 3))).astype(np.float32)


def window_around(
    canvas: Floats, place: Floats, reach: float
) -> tuple[tuple[slice, slice], Floats, Floats]:
    """Return the part of the canvas within `reach` of a place, and coordinates about it."""
    top, bottom = max(0, int(place[0] - reach)), min(canvas.shape[0], int(place[0] + reach) + 1)
    left, right = max(0, int(place[1] - reach)), min(canvas.shape[1], int(place[1] + reach) + 1)
    window = (slice(top, max(top, bottom)), slice(left, max(left, right)))
    y, x = np.mgrid[window]
    return window, (y - place[0]).astype(np.float32), (x - place[1]).astype(np.float32)
