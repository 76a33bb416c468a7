"""Hills over a height map, the sea, and meadows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forgery_lab.forgeries.scenes.colours import earth_colour, leaf_colour, rgb
from forgery_lab.forgeries.scenes.drawing import Floats, Rng, grid, mix, smooth_step
from forgery_lab.forgeries.scenes.plants import paint_tree
from forgery_lab.forgeries.scenes.sky import render_sky
from forgery_lab.forgeries.scenes.textures import fractal_noise, sample


def render_terrain(rng: Rng, height: int, width: int) -> Floats:
    """Hills seen over a height map by marching columns of rays, with haze, snow or a lake."""
    size = 512
    relief = fractal_noise(rng, size, size, float(rng.uniform(1.75, 2.1)))
    if rng.random() < 0.5:
        relief = 0.9 - 1.1 * np.abs(relief) + 0.15 * relief
    relief = relief * np.float32(rng.uniform(22, 48))
    lake = float(np.percentile(relief, rng.uniform(5, 45))) if rng.random() < 0.5 else -1e9
    ground = np.maximum(relief, lake)
    eye = np.array([rng.uniform(0, size), rng.uniform(0, size)])
    horizon = float(rng.uniform(0.3, 0.55)) * height
    altitude = float(sample(ground, *np.array(eye)[:, None])[0] + rng.uniform(18, 45))
    distance = np.geomspace(9, 460, 300).astype(np.float32)
    angle = (np.linspace(-0.42, 0.42, width) * width / 384).astype(np.float32)
    ray_y = eye[0] + distance[:, None] * np.cos(angle)
    ray_x = eye[1] + distance[:, None] * np.sin(angle)
    focal = width / 0.84 * 384 / width
    seen = horizon - (sample(ground, ray_y, ray_x) - altitude) / distance[:, None] * focal
    upper = np.minimum.accumulate(seen, axis=0)
    depth, below = _first_hits(upper, distance, height)
    y = eye[0] + depth * np.cos(angle)
    x = eye[1] + depth * np.sin(angle)
    sky = render_sky(rng, height, width, horizon)
    return _lit_ground(rng, sky, relief, lake, y, x, depth, below)


def _first_hits(upper: Floats, distance: Floats, height: int) -> tuple[Floats, NDArray[np.bool_]]:
    """For each pixel the distance at which its ray meets the ground, and whether it does."""
    steps, width = upper.shape
    rows = np.arange(height, dtype=np.float32) + 0.5
    index = np.empty((height, width), np.int64)
    for column in range(width):
        index[:, column] = np.searchsorted(-upper[:, column], -rows)
    below = index < steps
    index = np.minimum(index, steps - 1)
    before = np.maximum(index - 1, 0)
    columns = np.arange(width)[None, :]
    high, low = upper[index, columns], upper[before, columns]
    part = np.clip((low - rows[:, None]) / np.maximum(low - high, 1e-3), 0, 1)
    return (distance[before] + part * (distance[index] - distance[before])).astype(
        np.float32
    ), below


def _lit_ground(
    rng: Rng,
    sky: Floats,
    relief: Floats,
    lake: float,
    y: Floats,
    x: Floats,
    depth: Floats,
    below: NDArray[np.bool_],
) -> Floats:
    slopes: list[Floats] = list(np.gradient(relief))
    gy, gx = sample(slopes[0], y, x), sample(slopes[1], y, x)
    level = sample(relief, y, x)
    sun = np.array([rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(0.4, 1.0)])
    sun = sun / np.linalg.norm(sun)
    light = (sun[2] - gy * sun[0] - gx * sun[1]) / np.sqrt(1 + gy**2 + gx**2)
    fine = fractal_noise(rng, 256, 256, 0.8)
    grain = sample(fine, y * 7, x * 7) * np.clip(40 / depth, 0.15, 1.0)
    grain = grain + sample(fine, y * 1.7, x * 1.7)
    steep = smooth_step(np.hypot(gy, gx) + 0.08 * grain, 0.55, 1.0)
    low, rock = leaf_colour(rng) * np.float32(1.1), earth_colour(rng)
    if rng.random() < 0.25:
        low = earth_colour(rng) * rgb(1.2, 1.0, 0.7)
    albedo = mix(
        low * np.exp(0.25 * grain)[..., None], rock * np.exp(0.3 * grain)[..., None], steep
    )
    if rng.random() < 0.4:
        snow = smooth_step(level + 4 * grain, *np.percentile(relief, [70, 85])) * (1 - 0.6 * steep)
        albedo = mix(albedo, rgb(0.85, 0.87, 0.92), snow)
    sunlight = rgb(1.25, 1.12, 0.95) * np.float32(rng.uniform(0.8, 1.3))
    ground = albedo * (np.maximum(light, 0.02)[..., None] * sunlight + rgb(0.2, 0.24, 0.3))
    if lake > -1e8:
        wave = sample(fine, y * 12, x * 5) * 0.05
        water = sky[::-1] * np.float32(0.55) + rgb(0.02, 0.05, 0.06)
        ground = mix(ground, water * (1 + wave)[..., None], smooth_step(lake - level, -0.1, 0.25))
    haze = 1 - np.exp(-depth / float(rng.uniform(180, 900)))
    edge = sky[max(0, int(0.3 * sky.shape[0])) :].mean(axis=(0, 1))
    ground = mix(ground, edge, haze * 0.9)
    return np.where(below[..., None], ground, sky).astype(np.float32)


def render_sea(rng: Rng, height: int, width: int) -> Floats:
    """Sky over water with waves in perspective, sun glitter, sometimes a beach or an island."""
    horizon = float(rng.uniform(0.3, 0.65)) * height
    sky = render_sky(rng, height, width, horizon)
    y, x = grid(height, width)
    down = np.maximum(y - horizon, 0.5)
    distance = 60.0 / down * height / 256
    waves = fractal_noise(rng, 256, 256, float(rng.uniform(1.0, 1.4)), 0.4)
    scale = float(rng.uniform(90, 220))
    wy = distance * scale
    wx = (x / width - 0.5) * distance * scale * 1.1 + 0.37 * wy
    tilt = sample(waves, wy, wx) + 0.7 * sample(waves, wy * 3.3, wx * 3.3)
    tilt += 0.35 * sample(waves, wy * 9.7, wx * 9.7)
    tilt = tilt * np.clip(6 / distance, 0.25, 1.0)
    mirrored = np.clip(2 * horizon - y - 12 * tilt, 0, height - 1).astype(np.int64)
    columns = np.broadcast_to(np.arange(width), (height, width))
    grazing = np.clip(0.35 + 0.4 * np.exp(-down / (0.25 * height)) - 0.12 * tilt, 0.05, 0.95)
    deep = rgb(0.01, 0.06, 0.09) * np.float32(rng.uniform(0.6, 2.5))
    water = mix(
        np.broadcast_to(deep, sky.shape), sky[mirrored, columns], grazing.astype(np.float32)
    )
    glitter = smooth_step(tilt, 1.6, 2.6) * np.exp(-(((x / width - rng.uniform(0, 1)) / 0.25) ** 2))
    water = water + glitter[..., None] * rgb(1.0, 0.9, 0.75) * np.float32(rng.uniform(0.2, 1.2))
    if rng.random() < 0.5:
        ridge = (
            fractal_noise(rng, 1, width, 1.3)[0] * 0.02 * height + rng.uniform(-0.01, 0.06) * height
        )
        land = smooth_step(ridge[None, :] - (horizon - y), -0.7, 0.7) * (y < horizon)
        grain = 1 + 0.25 * fractal_noise(rng, height, width, 0.7)
        sky = mix(sky, mix(leaf_colour(rng), sky.mean(axis=(0, 1)), 0.35) * grain[..., None], land)
    picture = np.where((y > horizon)[..., None], water, sky)
    if rng.random() < 0.4:
        picture = _beach(picture, rng, height, width)
    return picture.astype(np.float32)


def _beach(picture: Floats, rng: Rng, height: int, width: int) -> Floats:
    y, x = grid(height, width)
    edge = height * rng.uniform(0.72, 0.9) + (x - width / 2) * rng.uniform(-0.25, 0.25)
    edge = edge + fractal_noise(rng, 1, width, 1.5)[0][None, :] * 2.5
    sand = rgb(0.55, 0.44, 0.3) * np.float32(rng.uniform(0.7, 1.2))
    grain = (
        1
        + 0.07 * fractal_noise(rng, height, width, 0.5)
        + 0.08 * fractal_noise(rng, height, width, 1.6)
    )
    wet = 0.55 + 0.45 * smooth_step(y - edge, 3, 22)
    picture = mix(picture, sand * (grain * wet)[..., None], smooth_step(y - edge, -1, 1))
    foam = np.exp(-(((y - edge + 1.5) / 2.2) ** 2)) * (
        0.6 + 0.3 * fractal_noise(rng, height, width, 1.0)
    )
    return mix(picture, rgb(0.85, 0.87, 0.88), np.clip(foam, 0, 0.9))


def render_meadow(rng: Rng, height: int, width: int) -> Floats:
    """Grass or a field in perspective, sometimes a path, with trees under a sky."""
    horizon = float(rng.uniform(0.35, 0.6)) * height
    picture = render_sky(rng, height, width, horizon)
    y, x = grid(height, width)
    ridge = fractal_noise(rng, 1, width, 1.4)[0] * 0.012 * height
    woods = smooth_step(y - horizon + 0.05 * height * rng.random() + ridge[None, :], -1, 1)
    grain = fractal_noise(rng, height, width, 0.7)
    far = leaf_colour(rng) * np.float32(0.8) * np.exp(0.35 * grain)[..., None]
    picture = mix(picture, mix(far, picture.mean(axis=(0, 1)), 0.3), woods)
    down = np.maximum(y - horizon, 0.4) / height
    distance = 0.12 / down
    blades = fractal_noise(rng, 256, 256, 0.75)
    turf = sample(blades, distance * 300, (x / width - 0.5) * distance * 900)
    turf = turf * np.clip(0.5 / distance, 0.2, 1) + sample(blades, y * 0.9, x * 2.2) * 0.5
    patch = sample(
        fractal_noise(rng, 128, 128, 1.7), distance * 40, (x / width - 0.5) * distance * 120
    )
    grass = mix(
        leaf_colour(rng), leaf_colour(rng) * rgb(1.6, 1.3, 0.9), smooth_step(patch, -1, 1.5)
    )
    ground = grass * np.float32(1.5) * np.exp(0.28 * turf + 0.12 * patch)[..., None]
    if rng.random() < 0.45:
        bend = rng.uniform(-0.5, 0.5) * (distance - 0.3) + rng.uniform(0.3, 0.7)
        away = np.abs(x / width - bend) / np.maximum(down, 1e-3)
        path = smooth_step(0.3 + 0.03 * patch - away, -0.03, 0.03)
        soil = earth_colour(rng) * np.float32(1.3) * np.exp(0.15 * turf)[..., None]
        ground = mix(ground, soil, path)
    picture = mix(picture, ground, smooth_step(y - horizon, -0.7, 0.7))
    for reach in np.sort(rng.uniform(0.02, 0.5, int(rng.integers(1, 8)))):
        foot = np.array([horizon + reach * (height - horizon), rng.uniform(0, width)])
        paint_tree(picture, rng, foot, float(0.1 + 1.1 * reach) * height)
    return picture
