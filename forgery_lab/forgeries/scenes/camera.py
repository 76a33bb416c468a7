"""A small camera: lens, Bayer sensor with noise, demosaicing, tone curve and sharpening.

Neighbouring pixels of its pictures correlate as a real camera's do.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from forgery_lab.forgeries.scenes.drawing import Floats, Pixels, Rng, grid


def photograph(light: Floats, rng: Rng) -> Pixels:
    """The picture uint8[H, W, 3] that a small camera takes of `light`, linear float32[H, W, 3]."""
    height, width = light.shape[:2]
    sigma = float(rng.uniform(0.35, 0.75))
    light = ndimage.gaussian_filter(light, (sigma, sigma, 0))
    y, x = grid(height, width)
    falloff = 1 - rng.uniform(0.05, 0.3) * ((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2) * 2
    light = light * falloff[..., None]
    light *= 0.85 / max(float(np.percentile(light[::4, ::4], 98.5)), 1e-3)
    balance = np.exp(rng.normal(0, 0.04, 3)).astype(np.float32)
    raw = _mosaic(light * balance)
    electrons = float(np.exp(rng.uniform(np.log(900), np.log(12000))))
    noise = rng.standard_normal(raw.shape, np.float32)
    raw = raw + noise * np.sqrt(np.maximum(raw, 0) / electrons + (3.0 / electrons) ** 2)
    colour = _demosaiced(raw) / balance
    toned = np.clip(colour, 0, 1) ** np.float32(1 / 2.2)
    toned = toned + float(rng.uniform(0, 0.35)) * (toned**2 * (3 - 2 * toned) - toned)
    amount = float(rng.uniform(0, 0.7))
    toned = toned + amount * (toned - ndimage.gaussian_filter(toned, (0.8, 0.8, 0)))
    return np.clip(toned * 255 + 0.5, 0, 255).astype(np.uint8)


def _mosaic(light: Floats) -> Floats:
    raw = light[..., 1].copy()
    raw[0::2, 0::2] = light[0::2, 0::2, 0]
    raw[1::2, 1::2] = light[1::2, 1::2, 2]
    return raw


def _demosaiced(raw: Floats) -> Floats:
    """Bilinear float32[H, W, 3]: each colour from its own places on the sensor (RGGB)."""
    height, width = raw.shape
    wide = np.pad(raw, ((1, 1 + height % 2), (1, 1 + width % 2)), mode="reflect")
    out = np.empty((height + height % 2, width + width % 2, 3), np.float32)

    def at(row: int, column: int) -> Floats:
        rows = slice(1 + row, row + 1 + out.shape[0], 2)
        return wide[rows, 1 + column : column + 1 + out.shape[1] : 2]

    for row in (0, 1):
        for column in (0, 1):
            here = out[row::2, column::2]
            level = (at(row, column - 1) + at(row, column + 1)) / 2
            upright = (at(row - 1, column) + at(row + 1, column)) / 2
            if row == column:
                corners = [at(row + i, column + j) for i in (-1, 1) for j in (-1, 1)]
                across = (corners[0] + corners[1] + corners[2] + corners[3]) / 4
                own = at(row, column)
                red, blue = (own, across) if row == 0 else (across, own)
                here[..., 0], here[..., 1], here[..., 2] = red, (level + upright) / 2, blue
            else:
                red, blue = (level, upright) if row == 0 else (upright, level)
                here[..., 0], here[..., 1], here[..., 2] = red, at(row, column), blue
    return out[:height, :width]
