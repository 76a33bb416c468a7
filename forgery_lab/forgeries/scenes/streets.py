"""House fronts by day, and lamps out of focus by night."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forgery_lab.forgeries.scenes.colours import earth_colour, rgb
from forgery_lab.forgeries.scenes.drawing import Floats, Rng, grid, mix, smooth_step, window_around
from forgery_lab.forgeries.scenes.plants import paint_tree
from forgery_lab.forgeries.scenes.sky import render_sky
from forgery_lab.forgeries.scenes.textures import fractal_noise


def render_facade(rng: Rng, height: int, width: int) -> Floats:
    """Return a house front with rows of windows, in perspective, under a sky and above a street."""
    y, x = grid(height, width)
    slant = float(rng.uniform(-0.55, 0.55))
    squeeze = 1 + slant * (x / width - 0.5)
    horizon = height * rng.uniform(0.7, 0.85)
    v = (y - horizon) / squeeze / height
    u = (x / width - 0.5) / squeeze * width / height
    roof = -float(rng.uniform(0.4, 0.9))
    floors, bays = float(rng.uniform(3.5, 8)), float(rng.uniform(3, 7))
    wall = _wall(rng, u, v, height, width)
    cell_y, cell_x = v * floors + 40, u * bays + 40.5
    row, column = np.floor(cell_y), np.floor(cell_x)
    wide, tall = float(rng.uniform(0.4, 0.75)), float(rng.uniform(0.5, 0.75))
    dx, dy = np.abs(cell_x - column - 0.5) / (wide / 2), (cell_y - row - 0.5) / (tall / 2)
    inside = np.maximum(dx, np.abs(dy))
    key = ((row * 31 + column * 17) % 211).astype(np.int64)
    glass = _glass(rng, key, dx, dy, height, width)
    frame = np.minimum(np.abs(dx - 0.02), np.abs(dy - float(rng.uniform(-0.3, 0.1))))
    bars = np.maximum(smooth_step(0.07 - frame, 0, 0.05), smooth_step(inside, 0.84, 0.9))
    window = mix(glass, np.broadcast_to(rgb(0.6, 0.58, 0.53), glass.shape), bars)
    ledge = smooth_step(1.25 - dx, 0, 0.1) * smooth_step(0.12 - np.abs(dy - 1.1), 0, 0.06)
    wall = wall * (1 - 0.4 * smooth_step(0.12 - np.abs(dy - 1.32), 0, 0.1) * (dx < 1.2))[..., None]
    wall = mix(wall, rgb(0.55, 0.52, 0.47), ledge)
    front = mix(window, wall, smooth_step(inside, 0.97, 1.03))
    light = float(rng.uniform(0.5, 1.2)) + 0.2 * v
    front = front * light[..., None]
    cornice = smooth_step(0.05 - np.abs(v - roof), 0, 0.01) * (0.5 + 0.4 * np.sin(v * 260))
    front = mix(front, rgb(0.45, 0.42, 0.38), np.clip(cornice, 0, 0.8))
    picture = mix(
        render_sky(rng, height, width, horizon), front, smooth_step((v - roof) * height, 2, 4)
    )
    return _street(picture, rng, y, v)


def _wall(rng: Rng, u: Floats, v: Floats, height: int, width: int) -> Floats:
    stain = 0.12 * fractal_noise(rng, height, width, 1.9) + 0.06 * fractal_noise(
        rng, height, width, 0.6
    )
    base = earth_colour(rng) * np.float32(rng.uniform(0.8, 1.4)) * np.exp(stain)[..., None]
    if rng.random() < 0.5:
        courses = v * float(rng.uniform(40, 70))
        joint = np.minimum(courses % 1, 1 - courses % 1)
        stones = (u * 30 + 0.5 * (np.floor(courses) % 2)) % 1
        gap = np.minimum(joint, np.minimum(stones, 1 - stones) * 1.6)
        base = base * (0.7 + 0.3 * smooth_step(gap, 0.0, 0.2))[..., None]
    return base.astype(np.float32)


def _glass(
    rng: Rng, key: NDArray[np.int64], dx: Floats, dy: Floats, height: int, width: int
) -> Floats:
    """Panes that reflect clouds, with curtains or lamps behind some."""
    tones = np.exp(rng.normal(-3.3, 0.6, (211, 1))) * rgb(0.85, 0.95, 1.1)
    mirror = fractal_noise(rng, height, width, 2.0)
    glass = tones[key] + np.clip(0.05 * mirror + 0.02 - 0.04 * dy, 0, 1)[..., None]
    drawn = rng.uniform(-1.2, 1.4, 211)[key] - dy
    curtain = smooth_step(drawn, 0, 0.05) * (rng.random(211) < 0.45)[key]
    cloth = rgb(0.4, 0.38, 0.33) * (1 + 0.2 * np.sin(dx * 14))[..., None]
    glass = mix(glass.astype(np.float32), cloth.astype(np.float32), curtain)
    lamp = (rng.random(211) < rng.uniform(-0.15, 0.12))[key] * 0.6
    return mix(glass, rgb(0.9, 0.65, 0.3), lamp.astype(np.float32))


def _street(picture: Floats, rng: Rng, y: Floats, v: Floats) -> Floats:
    height, width = y.shape
    grain = 0.12 * fractal_noise(rng, height, width, 0.6) + 0.1 * fractal_noise(
        rng, height, width, 1.6
    )
    road = rgb(0.17, 0.17, 0.18) * np.exp(grain)[..., None]
    edge = 0.02 + 0.02 * smooth_step(v, 0.02, 0.06)
    pavement = rgb(0.4, 0.38, 0.35) * np.exp(grain)[..., None]
    ground = mix(pavement, road, smooth_step(v - edge, 0.015, 0.022))
    picture = mix(picture, ground, smooth_step(v * height, -0.5, 0.5))
    if rng.random() < 0.5:
        for _ in range(int(rng.integers(1, 4))):
            where = np.array([0.0, rng.uniform(0, 1) * width])
            below = np.flatnonzero(v[:, int(min(where[1], width - 1))] > 0)
            where[0] = float(below[0]) + 2 if len(below) else height - 2.0
            paint_tree(picture, rng, where, float(rng.uniform(0.25, 0.6)) * height)
    return picture.astype(np.float32)


def render_night(rng: Rng, height: int, width: int) -> Floats:
    """Lamps out of focus over a dark street that reflects them."""
    y, _ = grid(height, width)
    horizon = height * rng.uniform(0.5, 0.8)
    glow = np.exp(-np.abs(y - horizon) / (0.25 * height))[..., None]
    picture = rgb(0.006, 0.008, 0.016) + glow * rgb(0.035, 0.022, 0.016)
    picture = picture * np.exp(0.5 * fractal_noise(rng, height, width, 1.8))[..., None]
    radius = float(rng.uniform(5, 17)) * height / 256
    for _ in range(int(rng.integers(25, 80))):
        place = np.array([horizon - abs(rng.normal(0, 0.2)) * height, rng.uniform(0, width)])
        colour = np.array(
            [[1, 0.6, 0.2], [1, 0.85, 0.6], [1, 0.1, 0.05], [0.3, 0.6, 1], [0.2, 0.9, 0.5]]
        )
        lamp = colour[rng.choice(5, p=[0.4, 0.3, 0.15, 0.1, 0.05])] * np.exp(rng.normal(-1.1, 0.6))
        size = radius * float(np.exp(rng.normal(0, 0.2)))
        for where, stretch, power in ((place, 1.0, 1.0), (2 * horizon - place, 2.6, 0.25)):
            where = np.array([where[0], place[1]])
            window, dy, dx = window_around(picture, where, size * stretch * 1.2)
            if dy.size:
                away = np.hypot(dy / stretch, dx) / size
                disc = smooth_step(1 - away, 0, 0.12) * (0.75 + 0.35 * away**3) * power
                picture[window] += (disc[..., None] * lamp).astype(np.float32)
    return picture.astype(np.float32)
