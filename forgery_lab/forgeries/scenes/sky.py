"""Air, sun and clouds."""

from __future__ import annotations

import numpy as np

from forgery_lab.forgeries.scenes.colours import rgb
from forgery_lab.forgeries.scenes.drawing import Floats, Rng, grid, mix, smooth_step
from forgery_lab.forgeries.scenes.textures import fractal_noise, sample


def render_sky(rng: Rng, height: int, width: int, horizon: float) -> Floats:
    """Air and clouds, from the top of the picture down to `horizon` and below it."""
    y, x = grid(height, width)
    up = np.clip(1 - y / max(horizon, 1.0), -0.2, 1)
    evening = rng.random() < 0.25
    top = rgb(0.10, 0.22, 0.55) * np.float32(rng.uniform(0.5, 1.3))
    low = rgb(0.62, 0.72, 0.85) * np.float32(rng.uniform(0.7, 1.1))
    if evening:
        top = rgb(0.10, 0.13, 0.3) * np.float32(rng.uniform(0.4, 1.3))
        low = rgb(0.85, 0.52, 0.32) * np.float32(rng.uniform(0.5, 1.0))
    sky = mix(low, top, smooth_step(up, -0.05, float(rng.uniform(0.5, 1.0))))
    sun_x, sun_y = rng.uniform(-0.2, 1.2) * width, rng.uniform(0.1, 0.9) * horizon
    glow = np.exp(-np.hypot(x - sun_x, (y - sun_y) * 1.3) / (0.3 * width))
    sky = sky + glow[..., None] * rgb(0.5, 0.4, 0.25) * np.float32(rng.uniform(0.1, 1.0))
    if rng.random() < 0.85:
        sky = _clouded(sky, up, rng, evening)
    return sky


def _clouded(sky: Floats, up: Floats, rng: Rng, evening: bool) -> Floats:
    height, width = up.shape
    texture = fractal_noise(rng, 192, 256, float(rng.uniform(1.5, 1.9)), float(rng.uniform(1, 2.5)))
    _, x = grid(height, width)
    depth = 1.0 / (np.maximum(up, 0) + 0.28)
    ty = depth * rng.uniform(40, 90)
    tx = (x / width - 0.5) * depth * rng.uniform(60, 140) + rng.uniform(0, 256)
    density = sample(texture, ty, tx)
    lit = sample(texture, ty - 3.5, tx + 2.5)
    cover = rng.uniform(-0.9, 0.9)
    alpha = smooth_step(density + cover, 0.0, float(rng.uniform(0.7, 1.8))) * smooth_step(
        up, -0.02, 0.15
    )
    shade = np.clip(
        0.85 + 0.28 * (density - lit) - 0.12 * np.maximum(density + cover, 0), 0.25, 1.3
    )
    tint = rgb(1.0, 0.78, 0.62) if evening else rgb(1.0, 0.99, 0.97)
    return mix(sky, shade[..., None] * tint * np.float32(rng.uniform(0.75, 1.05)), alpha * 0.93)
