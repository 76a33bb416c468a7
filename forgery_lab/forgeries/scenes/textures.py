"""Noise and textures: made, read at any place, enlarged."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import fft

from forgery_lab.forgeries.scenes.drawing import Floats, Rng


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
