"""Procedural scenes that look like photographs, for the embedded data set.

Each `render` draws one scene in linear light (terrain, sea, street, leaves, still life, masonry,
cloth ...) and takes a picture of it: lens blur, vignette, a Bayer sensor with shot and read noise,
bilinear demosaicing, tone curve and sharpening, so that neighbouring pixels correlate as a
camera's do. No scene shares anything with another one: each is a source of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft, ndimage
from scipy.spatial import cKDTree

from forgery_lab.errors import DataError

Pixels = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]
Rng = np.random.Generator


def render(category: str, rng: Rng, height: int = 256, width: int = 384) -> Pixels:
    """A picture uint8[height, width, 3] of a new scene of one of `CATEGORIES`.

    Raises:
        DataError: unknown category or a side below 64 pixels.
    """
    if category not in _RENDERERS:
        raise DataError(f"category: got {category!r}, allowed are {', '.join(CATEGORIES)}")
    if min(height, width) < 64:
        raise DataError(f"size: got {width}x{height} pixels, each side must have at least 64")
    renderers = _RENDERERS[category]
    scene = renderers[int(rng.integers(len(renderers)))]
    return photograph(scene(rng, height, width), rng)


def photograph(light: Floats, rng: Rng) -> Pixels:
    """The picture uint8[H, W, 3] that a small camera takes of `light`, linear float32[H, W, 3]."""
    height, width = light.shape[:2]
    sigma = float(rng.uniform(0.35, 0.75))
    light = ndimage.gaussian_filter(light, (sigma, sigma, 0))
    y, x = _grid(height, width)
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


# Building blocks ------------------------------------------------------------------------------


def _grid(height: int, width: int) -> tuple[Floats, Floats]:
    y, x = np.mgrid[0:height, 0:width]
    return y.astype(np.float32) + 0.5, x.astype(np.float32) + 0.5


def _fractal(rng: Rng, height: int, width: int, slope: float, stretch: float = 1.0) -> Floats:
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


def _sample(texture: Floats, y: Floats, x: Floats) -> Floats:
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


def _enlarged(field: Floats, height: int, width: int) -> Floats:
    image = Image.fromarray(np.ascontiguousarray(field, np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def _colour(*values: float) -> Floats:
    return np.array(values, np.float32)


def _mix(a: Floats, b: Floats, t: Floats | float) -> Floats:
    weight = np.asarray(t, np.float32)
    if weight.ndim == 2:
        weight = weight[..., None]
    return (a + (b - a) * weight).astype(np.float32)


def _smooth(value: Floats, low: float, high: float) -> Floats:
    t = np.clip((value - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def _earthy(rng: Rng, spread: float = 0.25) -> Floats:
    """A colour of stone, wood or earth in linear light."""
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


def _bright(rng: Rng) -> Floats:
    """A colour of paint, fruit, petals or cloth in linear light: often warm, seldom garish."""
    hues = [[0.6, 0.08, 0.05], [0.7, 0.28, 0.05], [0.75, 0.55, 0.1], [0.7, 0.66, 0.6]]
    hues += [[0.2, 0.35, 0.08], [0.1, 0.2, 0.45], [0.45, 0.12, 0.35], [0.6, 0.3, 0.32]]
    odds = [0.2, 0.16, 0.14, 0.16, 0.1, 0.1, 0.06, 0.08]
    hue = np.array(hues)[rng.choice(8, p=odds)]
    grey = hue.mean() + (hue - hue.mean()) * rng.uniform(0.5, 1.1)
    return (grey * np.exp(rng.normal(0, 0.12, 3) + rng.normal(-0.15, 0.3))).astype(np.float32)


def _leafy(rng: Rng) -> Floats:
    base = np.array([[0.07, 0.16, 0.03], [0.12, 0.2, 0.04], [0.04, 0.11, 0.04], [0.2, 0.18, 0.05]])
    return (base[rng.integers(4)] * np.exp(rng.normal(0, 0.2, 3))).astype(np.float32)


def _sky(rng: Rng, height: int, width: int, horizon: float) -> Floats:
    """Air and clouds, from the top of the picture down to `horizon` and below it."""
    y, x = _grid(height, width)
    up = np.clip(1 - y / max(horizon, 1.0), -0.2, 1)
    evening = rng.random() < 0.25
    top = _colour(0.10, 0.22, 0.55) * np.float32(rng.uniform(0.5, 1.3))
    low = _colour(0.62, 0.72, 0.85) * np.float32(rng.uniform(0.7, 1.1))
    if evening:
        top = _colour(0.10, 0.13, 0.3) * np.float32(rng.uniform(0.4, 1.3))
        low = _colour(0.85, 0.52, 0.32) * np.float32(rng.uniform(0.5, 1.0))
    sky = _mix(low, top, _smooth(up, -0.05, float(rng.uniform(0.5, 1.0))))
    sun_x, sun_y = rng.uniform(-0.2, 1.2) * width, rng.uniform(0.1, 0.9) * horizon
    glow = np.exp(-np.hypot(x - sun_x, (y - sun_y) * 1.3) / (0.3 * width))
    sky = sky + glow[..., None] * _colour(0.5, 0.4, 0.25) * np.float32(rng.uniform(0.1, 1.0))
    if rng.random() < 0.85:
        sky = _clouded(sky, up, rng, evening)
    return sky


def _clouded(sky: Floats, up: Floats, rng: Rng, evening: bool) -> Floats:
    height, width = up.shape
    texture = _fractal(rng, 192, 256, float(rng.uniform(1.5, 1.9)), float(rng.uniform(1, 2.5)))
    _, x = _grid(height, width)
    depth = 1.0 / (np.maximum(up, 0) + 0.28)
    ty = depth * rng.uniform(40, 90)
    tx = (x / width - 0.5) * depth * rng.uniform(60, 140) + rng.uniform(0, 256)
    density = _sample(texture, ty, tx)
    lit = _sample(texture, ty - 3.5, tx + 2.5)
    cover = rng.uniform(-0.9, 0.9)
    alpha = _smooth(density + cover, 0.0, float(rng.uniform(0.7, 1.8))) * _smooth(up, -0.02, 0.15)
    shade = np.clip(
        0.85 + 0.28 * (density - lit) - 0.12 * np.maximum(density + cover, 0), 0.25, 1.3
    )
    tint = _colour(1.0, 0.78, 0.62) if evening else _colour(1.0, 0.99, 0.97)
    return _mix(sky, shade[..., None] * tint * np.float32(rng.uniform(0.75, 1.05)), alpha * 0.93)


# Landscapes -----------------------------------------------------------------------------------


def _terrain(rng: Rng, height: int, width: int) -> Floats:
    """Hills seen over a height map by marching columns of rays, with haze, snow or a lake."""
    size = 512
    relief = _fractal(rng, size, size, float(rng.uniform(1.75, 2.1)))
    if rng.random() < 0.5:
        relief = 0.9 - 1.1 * np.abs(relief) + 0.15 * relief
    relief = relief * np.float32(rng.uniform(22, 48))
    lake = float(np.percentile(relief, rng.uniform(5, 45))) if rng.random() < 0.5 else -1e9
    ground = np.maximum(relief, lake)
    eye = np.array([rng.uniform(0, size), rng.uniform(0, size)])
    horizon = float(rng.uniform(0.3, 0.55)) * height
    altitude = float(_sample(ground, *np.array(eye)[:, None])[0] + rng.uniform(18, 45))
    distance = np.geomspace(9, 460, 300).astype(np.float32)
    angle = (np.linspace(-0.42, 0.42, width) * width / 384).astype(np.float32)
    ray_y = eye[0] + distance[:, None] * np.cos(angle)
    ray_x = eye[1] + distance[:, None] * np.sin(angle)
    focal = width / 0.84 * 384 / width
    seen = horizon - (_sample(ground, ray_y, ray_x) - altitude) / distance[:, None] * focal
    upper = np.minimum.accumulate(seen, axis=0)
    depth, below = _first_hits(upper, distance, height)
    y = eye[0] + depth * np.cos(angle)
    x = eye[1] + depth * np.sin(angle)
    sky = _sky(rng, height, width, horizon)
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
    gy, gx = _sample(slopes[0], y, x), _sample(slopes[1], y, x)
    level = _sample(relief, y, x)
    sun = np.array([rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(0.4, 1.0)])
    sun = sun / np.linalg.norm(sun)
    light = (sun[2] - gy * sun[0] - gx * sun[1]) / np.sqrt(1 + gy**2 + gx**2)
    fine = _fractal(rng, 256, 256, 0.8)
    grain = _sample(fine, y * 7, x * 7) * np.clip(40 / depth, 0.15, 1.0)
    grain = grain + _sample(fine, y * 1.7, x * 1.7)
    steep = _smooth(np.hypot(gy, gx) + 0.08 * grain, 0.55, 1.0)
    low, rock = _leafy(rng) * np.float32(1.1), _earthy(rng)
    if rng.random() < 0.25:
        low = _earthy(rng) * _colour(1.2, 1.0, 0.7)
    albedo = _mix(
        low * np.exp(0.25 * grain)[..., None], rock * np.exp(0.3 * grain)[..., None], steep
    )
    if rng.random() < 0.4:
        snow = _smooth(level + 4 * grain, *np.percentile(relief, [70, 85])) * (1 - 0.6 * steep)
        albedo = _mix(albedo, _colour(0.85, 0.87, 0.92), snow)
    sunlight = _colour(1.25, 1.12, 0.95) * np.float32(rng.uniform(0.8, 1.3))
    ground = albedo * (np.maximum(light, 0.02)[..., None] * sunlight + _colour(0.2, 0.24, 0.3))
    if lake > -1e8:
        wave = _sample(fine, y * 12, x * 5) * 0.05
        water = sky[::-1] * np.float32(0.55) + _colour(0.02, 0.05, 0.06)
        ground = _mix(ground, water * (1 + wave)[..., None], _smooth(lake - level, -0.1, 0.25))
    haze = 1 - np.exp(-depth / float(rng.uniform(180, 900)))
    edge = sky[max(0, int(0.3 * sky.shape[0])) :].mean(axis=(0, 1))
    ground = _mix(ground, edge, haze * 0.9)
    return np.where(below[..., None], ground, sky).astype(np.float32)


def _sea(rng: Rng, height: int, width: int) -> Floats:
    """Sky over water with waves in perspective, sun glitter, sometimes a beach or an island."""
    horizon = float(rng.uniform(0.3, 0.65)) * height
    sky = _sky(rng, height, width, horizon)
    y, x = _grid(height, width)
    down = np.maximum(y - horizon, 0.5)
    distance = 60.0 / down * height / 256
    waves = _fractal(rng, 256, 256, float(rng.uniform(1.0, 1.4)), 0.4)
    scale = float(rng.uniform(90, 220))
    wy = distance * scale
    wx = (x / width - 0.5) * distance * scale * 1.1 + 0.37 * wy
    tilt = _sample(waves, wy, wx) + 0.7 * _sample(waves, wy * 3.3, wx * 3.3)
    tilt += 0.35 * _sample(waves, wy * 9.7, wx * 9.7)
    tilt = tilt * np.clip(6 / distance, 0.25, 1.0)
    mirrored = np.clip(2 * horizon - y - 12 * tilt, 0, height - 1).astype(np.int64)
    columns = np.broadcast_to(np.arange(width), (height, width))
    grazing = np.clip(0.35 + 0.4 * np.exp(-down / (0.25 * height)) - 0.12 * tilt, 0.05, 0.95)
    deep = _colour(0.01, 0.06, 0.09) * np.float32(rng.uniform(0.6, 2.5))
    water = _mix(
        np.broadcast_to(deep, sky.shape), sky[mirrored, columns], grazing.astype(np.float32)
    )
    glitter = _smooth(tilt, 1.6, 2.6) * np.exp(-(((x / width - rng.uniform(0, 1)) / 0.25) ** 2))
    water = water + glitter[..., None] * _colour(1.0, 0.9, 0.75) * np.float32(rng.uniform(0.2, 1.2))
    if rng.random() < 0.5:
        ridge = _fractal(rng, 1, width, 1.3)[0] * 0.02 * height + rng.uniform(-0.01, 0.06) * height
        land = _smooth(ridge[None, :] - (horizon - y), -0.7, 0.7) * (y < horizon)
        grain = 1 + 0.25 * _fractal(rng, height, width, 0.7)
        sky = _mix(sky, _mix(_leafy(rng), sky.mean(axis=(0, 1)), 0.35) * grain[..., None], land)
    picture = np.where((y > horizon)[..., None], water, sky)
    if rng.random() < 0.4:
        picture = _beach(picture, rng, height, width)
    return picture.astype(np.float32)


def _beach(picture: Floats, rng: Rng, height: int, width: int) -> Floats:
    y, x = _grid(height, width)
    edge = height * rng.uniform(0.72, 0.9) + (x - width / 2) * rng.uniform(-0.25, 0.25)
    edge = edge + _fractal(rng, 1, width, 1.5)[0][None, :] * 2.5
    sand = _colour(0.55, 0.44, 0.3) * np.float32(rng.uniform(0.7, 1.2))
    grain = 1 + 0.07 * _fractal(rng, height, width, 0.5) + 0.08 * _fractal(rng, height, width, 1.6)
    wet = 0.55 + 0.45 * _smooth(y - edge, 3, 22)
    picture = _mix(picture, sand * (grain * wet)[..., None], _smooth(y - edge, -1, 1))
    foam = np.exp(-(((y - edge + 1.5) / 2.2) ** 2)) * (
        0.6 + 0.3 * _fractal(rng, height, width, 1.0)
    )
    return _mix(picture, _colour(0.85, 0.87, 0.88), np.clip(foam, 0, 0.9))


# Masonry, cloth and other surfaces --------------------------------------------------------------


def _relief_lit(rng: Rng, bumps: Floats, albedo: Floats, strength: float) -> Floats:
    """A surface with bumps, lit from the side."""
    angle = rng.uniform(0, 2 * np.pi)
    gy, gx = np.gradient(bumps * np.float32(strength))
    facing = 1.0 - gy * np.sin(angle) - gx * np.cos(angle)
    light = np.clip(facing / np.sqrt(1 + gy**2 + gx**2), 0.12, 2.0)
    height, width = bumps.shape
    y, x = _grid(height, width)
    slant = (
        1 + rng.uniform(-0.3, 0.3) * (x / width - 0.5) + rng.uniform(-0.3, 0.3) * (y / height - 0.5)
    )
    return (albedo * (light * slant)[..., None]).astype(np.float32)


def _cells(rng: Rng, height: int, width: int, count: int) -> tuple[NDArray[np.int64], Floats]:
    """Voronoi cells: index int64[H, W] and distance to the border in pixels float32[H, W]."""
    points = rng.uniform([-20, -20], [height + 20, width + 20], (count, 2))
    half_height, half_width = -(-height // 2), -(-width // 2)
    y, x = _grid(half_height, half_width)
    warp = 2.0 * _fractal(rng, half_height, half_width, 1.5)
    places = np.stack([(2 * y + warp).ravel(), (2 * x - warp).ravel()], axis=1)
    distance, index = cKDTree(points).query(places, k=2)
    border = (distance[:, 1] - distance[:, 0]).reshape(half_height, half_width)
    nearest = index[:, 0].reshape(half_height, half_width)
    nearest = nearest.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
    return nearest, _enlarged(border, height, width)


def _pebbles(rng: Rng, height: int, width: int) -> Floats:
    """Gravel, cobbles or dry earth."""
    count = int(np.exp(rng.uniform(np.log(60), np.log(700))))
    index, border = _cells(rng, height, width, count)
    radius = np.sqrt(height * width / count)
    dome = np.sqrt(np.clip(border / radius, 0, 0.6))
    tints = np.exp(rng.normal(0, 0.35, (count, 1)) + rng.normal(0, 0.08, (count, 3)))
    albedo = _earthy(rng) * tints[index].astype(np.float32)
    grain = _fractal(rng, height, width, 0.7)
    albedo = albedo * np.exp(0.18 * grain)[..., None]
    gap = 0.15 + 0.85 * _smooth(border, 0.0, 0.22 * float(radius))
    return _relief_lit(rng, dome * radius * 0.4 + 0.25 * grain, albedo * gap[..., None], 1.0)


def _bricks(rng: Rng, height: int, width: int) -> Floats:
    """A wall of bricks or blocks, seen a little from the side."""
    rows = rng.uniform(7, 16)
    y, x = _grid(height, width)
    squeeze = 1 + rng.uniform(-0.35, 0.35) * (x / width - 0.5)
    v = (y - height / 2) / height * rows * squeeze + 40
    u = x / height * rows * rng.uniform(0.35, 0.5) * (1 + 0.5 * (squeeze - 1)) + 40
    wobble = 0.02 * _fractal(rng, height, width, 1.8)
    row = np.floor(v + wobble)
    u = u + 0.5 * (row % 2)
    column = np.floor(u + wobble)
    edge = np.minimum.reduce([v + wobble - row, 1 - (v + wobble - row)])
    side = np.minimum(u + wobble - column, 1 - (u + wobble - column)) * 2.2
    inside = _smooth(np.minimum(edge, side), 0.03, 0.12)
    key = ((row * 57 + column * 131) % 509).astype(np.int64)
    tints = np.exp(rng.normal(0, 0.22, (509, 1)) + rng.normal(0, 0.05, (509, 3))).astype(np.float32)
    grain = _fractal(rng, height, width, 0.9)
    stain = np.exp(0.2 * _fractal(rng, height, width, 1.9))[..., None]
    brick = _earthy(rng) * tints[key] * np.exp(0.13 * grain)[..., None]
    mortar = _colour(0.35, 0.33, 0.3) * np.exp(0.1 * grain)[..., None]
    return _relief_lit(rng, inside * 1.6 + 0.35 * grain, _mix(mortar, brick, inside) * stain, 0.5)


def _wood(rng: Rng, height: int, width: int) -> Floats:
    """Planks with rings and fibres."""
    y, x = _grid(height, width)
    boards = int(rng.integers(2, 7))
    board = np.floor(y / height * boards)
    shift = rng.uniform(0, 500, boards + 1).astype(np.float32)[board.astype(np.int64)]
    bend = _fractal(rng, height, width, 2.0, 4.0)
    radius = (y + 14 * bend + shift * 3) * rng.uniform(0.12, 0.4) + 0.004 * x * rng.normal()
    rings = 0.5 + 0.5 * np.sin(radius + 0.8 * np.sin(radius * 0.37))
    fibre = _fractal(rng, height, width, 0.8, 12.0)
    base = _earthy(rng, 0.15) * _colour(1.1, 0.95, 0.75)
    tone = np.exp(-0.5 * rings**3 + 0.13 * fibre + 0.3 * np.sin(shift))
    gap = _smooth(np.abs(y / height * boards - np.round(y / height * boards)), 0.004, 0.02)
    return _relief_lit(
        rng, 0.5 * fibre + rings + 3 * gap, base * (tone * (0.2 + 0.8 * gap))[..., None], 0.2
    )


def _cloth(rng: Rng, height: int, width: int) -> Floats:
    """Woven cloth with a pattern that repeats, and folds."""
    y, x = _grid(height, width)
    folds = _fractal(rng, height, width, 2.3) * rng.uniform(2, 9)
    angle = rng.uniform(0, np.pi)
    u = x * np.cos(angle) + y * np.sin(angle) + folds
    v = -x * np.sin(angle) + y * np.cos(angle) + 0.6 * folds
    period = rng.uniform(26, 80)
    motif = _fractal(rng, 64, 64, float(rng.uniform(1.3, 2.2)))
    motif = motif + motif[:, ::-1] + (motif + motif[:, ::-1])[::-1]
    pattern = _sample(motif, v / period * 64, u / period * 64)
    colours = np.stack([_bright(rng) for _ in range(4)])
    level = np.digitize(pattern, np.quantile(motif, sorted(rng.uniform(0.1, 0.9, 3))))
    thread = np.sin(u * 2.4) * 0.16 + np.sin(v * 2.4) * 0.16
    albedo = ndimage.gaussian_filter(colours[level], (0.6, 0.6, 0)) * (1 + thread)[..., None]
    grain = np.exp(0.08 * _fractal(rng, height, width, 0.4))[..., None]
    return _relief_lit(rng, folds, albedo * grain, 0.5)


# Plants ---------------------------------------------------------------------------------------


def _foliage(rng: Rng, height: int, width: int) -> Floats:
    """Leaves over leaves, the nearer the larger and the sharper, sometimes with flowers."""
    base = _leafy(rng)
    dark = 1 + 0.3 * ndimage.gaussian_filter(_fractal(rng, height, width, 1.6), 3)
    canvas = (base * np.float32(0.12) * dark[..., None]).astype(np.float32)
    big = float(rng.uniform(14, 38)) * height / 256
    slender = float(rng.uniform(0.25, 0.55))
    for layer, (count, blur) in enumerate(((110, 2.0), (90, 0.8), (45, 0.0))):
        for _ in range(int(count * min(1.6, (26 / big) ** 1.2))):
            size = big * (0.6 + 0.25 * layer) * float(np.exp(rng.normal(0, 0.2)))
            colour = base * np.float32(0.45 + 0.4 * layer) * np.exp(rng.normal(0, 0.15, 3))
            place = rng.uniform(-0.05, 1.05, 2) * (height, width)
            _paint_leaf(canvas, rng, place, size, size * slender, rng.uniform(0, 2 * np.pi), colour)
        if blur:
            canvas = ndimage.gaussian_filter(canvas, (blur, blur, 0))
    if rng.random() < 0.5:
        colour = _bright(rng) * np.float32(1.8)
        for _ in range(int(rng.integers(2, 9))):
            place = rng.uniform(0.1, 0.9, 2) * (height, width)
            _paint_flower(canvas, rng, place, big * float(rng.uniform(0.6, 1.1)), colour)
    return canvas


def _flower(rng: Rng, height: int, width: int) -> Floats:
    """One or a few large flowers before a garden out of focus."""
    back = _leafy(rng) * np.exp(0.9 * _fractal(rng, height, width, 2.2))[..., None]
    canvas = (back * np.float32(0.5)).astype(np.float32)
    for _ in range(25):
        place = rng.uniform(0, 1, 2) * (height, width)
        colour = _leafy(rng) * np.float32(0.8)
        angle = rng.uniform(0, 2 * np.pi)
        _paint_leaf(canvas, rng, place, rng.uniform(30, 70), rng.uniform(10, 25), angle, colour)
    canvas = ndimage.gaussian_filter(canvas, (5, 5, 0))
    colour = np.minimum(_bright(rng) * np.float32(2.0), 0.95)
    count = int(rng.choice([1, 1, 2, 3]))
    for number in range(count):
        across = (number + rng.uniform(0.3, 0.7)) / count
        place = np.array([rng.uniform(0.35, 0.6) * height, across * width])
        _paint_stem(canvas, rng, place, height)
        _paint_flower(canvas, rng, place, rng.uniform(0.2, 0.34) * height / count**0.5, colour)
    return canvas


def _paint_stem(canvas: Floats, rng: Rng, place: Floats, height: int) -> None:
    bend = rng.uniform(-30, 30)
    rows = np.arange(int(place[0]), canvas.shape[0], dtype=np.float32)
    centre = place[1] + bend * ((rows - place[0]) / height) ** 2
    _, x = _grid(len(rows), canvas.shape[1])
    away = np.abs(x - centre[:, None])
    light = np.float32(0.5) + 0.5 * np.clip((centre[:, None] - x) / 4 + 0.5, 0, 1)
    colour = _leafy(rng) * np.float32(1.3) * light[..., None]
    part = canvas[int(place[0]) :]
    part[:] = _mix(part, colour, _smooth(4.2 - away, 0, 1.5))
    for side in (-1, 1):
        where = np.array([place[0] + rng.uniform(40, 110), place[1] + side * 28])
        angle = np.pi / 2 - side * (np.pi / 2 - rng.uniform(0.2, 0.7))
        _paint_leaf(canvas, rng, where, 40, 13, -angle, _leafy(rng) * np.float32(1.4))


def _paint_flower(canvas: Floats, rng: Rng, place: Floats, radius: float, colour: Floats) -> None:
    """Rings of petals, the outer ones first, and a disc of florets."""
    petals = int(rng.integers(5, 18))
    slender = float(np.clip(2.4 / petals, 0.16, 0.42))
    squeeze = float(rng.uniform(0.75, 1.0))
    for ring in range(int(rng.integers(1, 4))):
        length = radius * (1 - 0.24 * ring)
        for petal in range(petals):
            angle = 2 * np.pi * (petal + 0.5 * ring) / petals + rng.normal(0, 0.06)
            offset = np.array([np.sin(angle) * squeeze, np.cos(angle)]) * length * 0.55
            tint = colour * np.exp(rng.normal(0, 0.07)) * np.float32(0.8 + 0.12 * ring)
            _paint_leaf(canvas, rng, place + offset, length * 0.5, length * slender, angle, tint)
    _paint_disc(canvas, rng, place, radius * float(rng.uniform(0.16, 0.3)))


def _paint_disc(canvas: Floats, rng: Rng, place: Floats, radius: float) -> None:
    window, y, x = _window(canvas, place, radius * 1.2)
    if not y.size:
        return
    away = np.hypot(y, x) / radius
    dots = np.abs(np.sin(y * 1.9 + x) * np.sin(x * 1.7 - 0.6 * y))
    light = 1.1 - 0.5 * away**2 - 0.25 * (y + x) / radius
    core = _colour(0.55, 0.36, 0.05) * np.float32(rng.uniform(0.3, 1.2))
    shaded = core * ((0.5 + 0.7 * dots) * light)[..., None].astype(np.float32)
    canvas[window] = _mix(canvas[window], np.maximum(shaded, 0), _smooth(1 - away, 0, 0.15))


def _paint_leaf(
    canvas: Floats,
    rng: Rng,
    place: Floats,
    length: float,
    breadth: float,
    angle: float,
    colour: Floats,
) -> None:
    """A leaf or petal with its midrib, veins and a shadow below, into `canvas`."""
    window, y, x = _window(canvas, place, max(length, breadth) * 1.25)
    if not y.size:
        return
    along = (x * np.cos(angle) + y * np.sin(angle)) / length
    across = (-x * np.sin(angle) + y * np.cos(angle)) / breadth
    across = across + rng.normal(0, 0.15) * (along**2 - 0.3)
    limit = np.maximum(1 - along**2, 0) ** 0.75 * (1 - 0.25 * along)
    soft = float(1.6 / breadth)
    inside = _smooth(limit - np.abs(across), 0, soft)
    shade = canvas[window] * (1 - 0.45 * _smooth(limit * 1.2 - np.abs(across), 0, 0.5))[..., None]
    fold = rng.uniform(-0.35, 0.35)
    light = 0.85 + fold * np.sign(across) + 0.25 * rng.normal() * along
    light = light + 0.06 * np.sin(9 * along - 4 * np.abs(across)) - 0.1 * np.abs(across)
    light = light + 0.22 * np.exp(-((across * breadth / 0.9) ** 2))
    painted = colour * np.maximum(light, 0.15)[..., None].astype(np.float32)
    canvas[window] = _mix(shade, painted.astype(np.float32), inside)


def _window(
    canvas: Floats, place: Floats, reach: float
) -> tuple[tuple[slice, slice], Floats, Floats]:
    """The part of the canvas within `reach` of a place, and coordinates about it."""
    top, bottom = max(0, int(place[0] - reach)), min(canvas.shape[0], int(place[0] + reach) + 1)
    left, right = max(0, int(place[1] - reach)), min(canvas.shape[1], int(place[1] + reach) + 1)
    window = (slice(top, max(top, bottom)), slice(left, max(left, right)))
    y, x = np.mgrid[window]
    return window, (y - place[0]).astype(np.float32), (x - place[1]).astype(np.float32)


# Buildings and streets ------------------------------------------------------------------------


def _facade(rng: Rng, height: int, width: int) -> Floats:
    """A house front with rows of windows, in perspective, under a sky and above a street."""
    y, x = _grid(height, width)
    slant = float(rng.uniform(-0.55, 0.55))
    squeeze = 1 + slant * (x / width - 0.5)
    horizon = height * rng.uniform(0.7, 0.85)
    v = (y - horizon) / squeeze / height
    u = (x / width - 0.5) / squeeze * width / height
    roof = -float(rng.uniform(0.4, 0.9))
    floors, bays = float(rng.uniform(3.5, 8)), float(rng.uniform(3, 7))
    wall = _wall_of(rng, u, v, height, width)
    cell_y, cell_x = v * floors + 40, u * bays + 40.5
    row, column = np.floor(cell_y), np.floor(cell_x)
    wide, tall = float(rng.uniform(0.4, 0.75)), float(rng.uniform(0.5, 0.75))
    dx, dy = np.abs(cell_x - column - 0.5) / (wide / 2), (cell_y - row - 0.5) / (tall / 2)
    inside = np.maximum(dx, np.abs(dy))
    key = ((row * 31 + column * 17) % 211).astype(np.int64)
    glass = _glass(rng, key, dx, dy, height, width)
    frame = np.minimum(np.abs(dx - 0.02), np.abs(dy - float(rng.uniform(-0.3, 0.1))))
    bars = np.maximum(_smooth(0.07 - frame, 0, 0.05), _smooth(inside, 0.84, 0.9))
    window = _mix(glass, np.broadcast_to(_colour(0.6, 0.58, 0.53), glass.shape), bars)
    ledge = _smooth(1.25 - dx, 0, 0.1) * _smooth(0.12 - np.abs(dy - 1.1), 0, 0.06)
    wall = wall * (1 - 0.4 * _smooth(0.12 - np.abs(dy - 1.32), 0, 0.1) * (dx < 1.2))[..., None]
    wall = _mix(wall, _colour(0.55, 0.52, 0.47), ledge)
    front = _mix(window, wall, _smooth(inside, 0.97, 1.03))
    light = float(rng.uniform(0.5, 1.2)) + 0.2 * v
    front = front * light[..., None]
    cornice = _smooth(0.05 - np.abs(v - roof), 0, 0.01) * (0.5 + 0.4 * np.sin(v * 260))
    front = _mix(front, _colour(0.45, 0.42, 0.38), np.clip(cornice, 0, 0.8))
    picture = _mix(_sky(rng, height, width, horizon), front, _smooth((v - roof) * height, 2, 4))
    return _street(picture, rng, y, v)


def _wall_of(rng: Rng, u: Floats, v: Floats, height: int, width: int) -> Floats:
    stain = 0.12 * _fractal(rng, height, width, 1.9) + 0.06 * _fractal(rng, height, width, 0.6)
    base = _earthy(rng) * np.float32(rng.uniform(0.8, 1.4)) * np.exp(stain)[..., None]
    if rng.random() < 0.5:
        courses = v * float(rng.uniform(40, 70))
        joint = np.minimum(courses % 1, 1 - courses % 1)
        stones = (u * 30 + 0.5 * (np.floor(courses) % 2)) % 1
        gap = np.minimum(joint, np.minimum(stones, 1 - stones) * 1.6)
        base = base * (0.7 + 0.3 * _smooth(gap, 0.0, 0.2))[..., None]
    return base.astype(np.float32)


def _glass(
    rng: Rng, key: NDArray[np.int64], dx: Floats, dy: Floats, height: int, width: int
) -> Floats:
    """Panes that reflect clouds, with curtains or lamps behind some."""
    tones = np.exp(rng.normal(-3.3, 0.6, (211, 1))) * _colour(0.85, 0.95, 1.1)
    mirror = _fractal(rng, height, width, 2.0)
    glass = tones[key] + np.clip(0.05 * mirror + 0.02 - 0.04 * dy, 0, 1)[..., None]
    drawn = rng.uniform(-1.2, 1.4, 211)[key] - dy
    curtain = _smooth(drawn, 0, 0.05) * (rng.random(211) < 0.45)[key]
    cloth = _colour(0.4, 0.38, 0.33) * (1 + 0.2 * np.sin(dx * 14))[..., None]
    glass = _mix(glass.astype(np.float32), cloth.astype(np.float32), curtain)
    lamp = (rng.random(211) < rng.uniform(-0.15, 0.12))[key] * 0.6
    return _mix(glass, _colour(0.9, 0.65, 0.3), lamp.astype(np.float32))


def _street(picture: Floats, rng: Rng, y: Floats, v: Floats) -> Floats:
    height, width = y.shape
    grain = 0.12 * _fractal(rng, height, width, 0.6) + 0.1 * _fractal(rng, height, width, 1.6)
    road = _colour(0.17, 0.17, 0.18) * np.exp(grain)[..., None]
    edge = 0.02 + 0.02 * _smooth(v, 0.02, 0.06)
    pavement = _colour(0.4, 0.38, 0.35) * np.exp(grain)[..., None]
    ground = _mix(pavement, road, _smooth(v - edge, 0.015, 0.022))
    picture = _mix(picture, ground, _smooth(v * height, -0.5, 0.5))
    if rng.random() < 0.5:
        for _ in range(int(rng.integers(1, 4))):
            where = np.array([0.0, rng.uniform(0, 1) * width])
            below = np.flatnonzero(v[:, int(min(where[1], width - 1))] > 0)
            where[0] = float(below[0]) + 2 if len(below) else height - 2.0
            _paint_tree(picture, rng, where, float(rng.uniform(0.25, 0.6)) * height)
    return picture.astype(np.float32)


def _paint_tree(canvas: Floats, rng: Rng, foot: Floats, tall: float) -> None:
    """A tree that stands at `foot` (y, x): trunk and a crown lit from one side."""
    centre = np.array([foot[0] - 0.62 * tall, foot[1]])
    window, y, x = _window(canvas, centre, tall * 0.8)
    if not y.size:
        return
    lean = 0.02 * np.sin(y / tall * 5)
    trunk = _smooth(0.035 + 0.02 * (y / tall) - np.abs(x / tall - lean), 0, 0.012)
    trunk = trunk * _smooth(0.62 - y / tall, 0, 0.01) * (y > -0.1 * tall)
    canvas[window] = _mix(canvas[window], _colour(0.07, 0.05, 0.035), trunk)
    noise = _fractal(rng, max(16, y.shape[0]), max(16, y.shape[1]), 0.95)[
        : y.shape[0], : y.shape[1]
    ]
    lumps = _fractal(rng, max(16, y.shape[0]), max(16, y.shape[1]), 1.8)[: y.shape[0], : y.shape[1]]
    radius = np.hypot(x / 0.36, (y + 0.05 * tall) / 0.42) / tall
    crown = _smooth(1 - radius + 0.14 * lumps + 0.1 * noise, 0.0, 0.09)
    light = 0.62 - 0.45 * y / tall + 0.3 * x / tall + 0.22 * lumps + 0.3 * noise
    leaves = _leafy(rng) * np.float32(1.3) * np.clip(light, 0.1, 1.8)[..., None]
    canvas[window] = _mix(canvas[window], leaves.astype(np.float32), crown)


def _meadow(rng: Rng, height: int, width: int) -> Floats:
    """Grass or a field in perspective, sometimes a path, with trees under a sky."""
    horizon = float(rng.uniform(0.35, 0.6)) * height
    picture = _sky(rng, height, width, horizon)
    y, x = _grid(height, width)
    ridge = _fractal(rng, 1, width, 1.4)[0] * 0.012 * height
    woods = _smooth(y - horizon + 0.05 * height * rng.random() + ridge[None, :], -1, 1)
    grain = _fractal(rng, height, width, 0.7)
    far = _leafy(rng) * np.float32(0.8) * np.exp(0.35 * grain)[..., None]
    picture = _mix(picture, _mix(far, picture.mean(axis=(0, 1)), 0.3), woods)
    down = np.maximum(y - horizon, 0.4) / height
    distance = 0.12 / down
    blades = _fractal(rng, 256, 256, 0.75)
    turf = _sample(blades, distance * 300, (x / width - 0.5) * distance * 900)
    turf = turf * np.clip(0.5 / distance, 0.2, 1) + _sample(blades, y * 0.9, x * 2.2) * 0.5
    patch = _sample(_fractal(rng, 128, 128, 1.7), distance * 40, (x / width - 0.5) * distance * 120)
    grass = _mix(_leafy(rng), _leafy(rng) * _colour(1.6, 1.3, 0.9), _smooth(patch, -1, 1.5))
    ground = grass * np.float32(1.5) * np.exp(0.28 * turf + 0.12 * patch)[..., None]
    if rng.random() < 0.45:
        bend = rng.uniform(-0.5, 0.5) * (distance - 0.3) + rng.uniform(0.3, 0.7)
        away = np.abs(x / width - bend) / np.maximum(down, 1e-3)
        path = _smooth(0.3 + 0.03 * patch - away, -0.03, 0.03)
        soil = _earthy(rng) * np.float32(1.3) * np.exp(0.15 * turf)[..., None]
        ground = _mix(ground, soil, path)
    picture = _mix(picture, ground, _smooth(y - horizon, -0.7, 0.7))
    for reach in np.sort(rng.uniform(0.02, 0.5, int(rng.integers(1, 8)))):
        foot = np.array([horizon + reach * (height - horizon), rng.uniform(0, width)])
        _paint_tree(picture, rng, foot, float(0.1 + 1.1 * reach) * height)
    return picture


def _night(rng: Rng, height: int, width: int) -> Floats:
    """Lamps out of focus over a dark street that reflects them."""
    y, _ = _grid(height, width)
    horizon = height * rng.uniform(0.5, 0.8)
    glow = np.exp(-np.abs(y - horizon) / (0.25 * height))[..., None]
    picture = _colour(0.006, 0.008, 0.016) + glow * _colour(0.035, 0.022, 0.016)
    picture = picture * np.exp(0.5 * _fractal(rng, height, width, 1.8))[..., None]
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
            window, dy, dx = _window(picture, where, size * stretch * 1.2)
            if dy.size:
                away = np.hypot(dy / stretch, dx) / size
                disc = _smooth(1 - away, 0, 0.12) * (0.75 + 0.35 * away**3) * power
                picture[window] += (disc[..., None] * lamp).astype(np.float32)
    return picture.astype(np.float32)


# Still lifes ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Solid:
    """An ellipsoid, an upright cylinder or a box: centre, half sizes, colour and finish."""

    form: str
    centre: Floats
    half: Floats
    colour: Floats
    gloss: float
    bumps: float


def _still_life(rng: Rng, height: int, width: int) -> Floats:
    """Fruit, vases, boxes and balls on a table, by the light of one window."""
    y, x = _grid(height, width)
    tilt = float(rng.uniform(0.18, 0.5))
    focal = float(rng.uniform(1.3, 1.9)) * max(height, width)
    down, across = (y - 0.5 * height) / focal, (x - 0.5 * width) / focal
    rays = np.stack(
        [across, -down * np.cos(tilt) - np.sin(tilt), np.cos(tilt) - down * np.sin(tilt)], -1
    )
    rays = (rays / np.linalg.norm(rays, axis=-1, keepdims=True)).astype(np.float32)
    eye = np.array([0, 1.0 + 9 * np.sin(tilt), -9 * np.cos(tilt)], np.float32)
    lamp = np.array([rng.choice([-1, 1]) * rng.uniform(0.4, 1.0), rng.uniform(0.7, 1.4), -0.5])
    lamp = (lamp / np.linalg.norm(lamp)).astype(np.float32)
    solids = _arranged(rng)
    picture, points = _table_and_wall(rng, eye, rays, lamp, solids)
    depth = np.linalg.norm(points - eye, axis=-1)
    for solid in solids:
        window = _reach(solid, eye, tilt, focal, height, width)
        hit, normal = _hit(solid, eye, rays[window])
        nearer = hit < depth[window]
        if nearer.any():
            shaded = _shaded(rng, solid, eye, rays[window], hit, normal, lamp)
            picture[window] = np.where(nearer[..., None], shaded, picture[window])
            depth[window] = np.where(nearer, hit, depth[window])
    focus = float(rng.uniform(8.2, 9.5))
    far = ndimage.gaussian_filter(picture, (2.2, 2.2, 0))
    return _mix(picture, far, _smooth(np.abs(depth - focus), 1.5, 6.0).astype(np.float32))


def _reach(
    solid: _Solid, eye: Floats, tilt: float, focal: float, height: int, width: int
) -> tuple[slice, slice]:
    """The rows and columns of the picture in which the solid can be seen."""
    x, y, z = (float(value) for value in solid.centre - eye)
    ahead = -y * np.sin(tilt) + z * np.cos(tilt)
    down = (-y * np.cos(tilt) - z * np.sin(tilt)) / ahead
    radius = float(np.linalg.norm(solid.half)) / ahead * 1.15
    return (
        slice(
            int(np.clip((down - radius) * focal + height / 2, 0, height)),
            int(np.clip((down + radius) * focal + height / 2 + 1, 0, height)),
        ),
        slice(
            int(np.clip((x / ahead - radius) * focal + width / 2, 0, width)),
            int(np.clip((x / ahead + radius) * focal + width / 2 + 1, 0, width)),
        ),
    )


def _arranged(rng: Rng) -> list[_Solid]:
    """Solids that stand on the table beside each other."""
    solids: list[_Solid] = []
    for _ in range(60):
        if len(solids) == 6:
            break
        form = str(rng.choice(["ball", "ball", "ball", "cylinder", "box"]))
        size = float(rng.uniform(0.35, 0.8))
        ratio = {"ball": rng.uniform(0.85, 1.05), "cylinder": rng.uniform(0.8, 2.2)}.get(
            form, rng.uniform(0.4, 1.6)
        )
        half = np.array(
            [size, size * ratio, size * (rng.uniform(0.6, 1.2) if form == "box" else 1)]
        )
        place = np.array([rng.uniform(-2.3, 2.3), half[1], rng.uniform(-1.0, 1.6)])
        clear = all(
            np.hypot(*(place - s.centre)[[0, 2]])
            > 1.02 * (max(half[0], half[2]) + max(s.half[0], s.half[2]))
            for s in solids
        )
        if clear:
            gloss = float(rng.choice([0.04, 0.2, 0.5]))
            colour = np.minimum(_bright(rng) * 1.3, 0.8)
            bumps = float(rng.uniform(0.0, 0.12))
            solids.append(
                _Solid(
                    form, place.astype(np.float32), half.astype(np.float32), colour, gloss, bumps
                )
            )
    return solids


def _hit(solid: _Solid, eye: Floats, rays: Floats) -> tuple[Floats, Floats]:
    """Distance float32[H, W] along each ray (infinite where missed) and the normal there."""
    start = (eye - solid.centre) / solid.half
    step = rays / solid.half
    if solid.form == "box":
        with np.errstate(divide="ignore"):
            inverse = 1.0 / np.where(np.abs(step) < 1e-7, 1e-7, step)
        near = np.minimum((-1 - start) * inverse, (1 - start) * inverse)
        distant = np.maximum((-1 - start) * inverse, (1 - start) * inverse).min(axis=-1)
        axis = near.argmax(axis=-1)
        hit = near.max(axis=-1)
        normal = np.zeros_like(rays)
        np.put_along_axis(
            normal, axis[..., None], -np.sign(np.take_along_axis(step, axis[..., None], -1)), -1
        )
        return np.where((hit < distant) & (hit > 0), hit, np.inf).astype(np.float32), normal
    axes = [0, 2] if solid.form == "cylinder" else [0, 1, 2]
    a = (step[..., axes] ** 2).sum(-1)
    b = (step[..., axes] * start[axes]).sum(-1)
    c = float((start[axes] ** 2).sum() - 1)
    root = b * b - a * c
    hit = (-b - np.sqrt(np.maximum(root, 0))) / np.maximum(a, 1e-9)
    local = start + hit[..., None] * step
    normal = np.zeros_like(rays)
    normal[..., axes] = local[..., axes] / solid.half[axes]
    missed = root <= 0
    if solid.form == "cylinder":
        lid = (1 - start[1]) / np.where(step[..., 1] == 0, 1e-7, step[..., 1])
        on_lid = start + lid[..., None] * step
        capped = ((on_lid[..., 0] ** 2 + on_lid[..., 2] ** 2) < 1) & (lid > 0)
        missed |= np.abs(local[..., 1]) > 1
        hit = np.where(capped, lid, hit)
        normal[capped] = (0, 1, 0)
        missed &= ~capped
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
    return np.where(missed | (hit <= 0), np.inf, hit).astype(np.float32), normal.astype(np.float32)


def _shaded(
    rng: Rng, solid: _Solid, eye: Floats, rays: Floats, hit: Floats, normal: Floats, lamp: Floats
) -> Floats:
    local = (eye + np.where(np.isfinite(hit), hit, 0)[..., None] * rays - solid.centre) / solid.half
    around = np.arctan2(local[..., 2], local[..., 0])
    skin = _fractal(rng, 128, 256, float(rng.uniform(0.8, 1.8)), float(rng.uniform(0.3, 3)))
    mark = _sample(skin, local[..., 1] * 50 + 64, around * 256 / (2 * np.pi))
    albedo = solid.colour * np.exp((0.05 + solid.bumps) * 2 * mark)[..., None]
    second = _bright(rng)
    style = rng.random()
    if style < 0.35:
        albedo = _mix(albedo, second, _smooth(local[..., 1] + 0.2 * mark, -0.2, 0.9) * 0.7)
    elif style < 0.55:
        albedo = _mix(albedo, second, _smooth(np.sin(local[..., 1] * rng.uniform(5, 20)), 0, 0.2))
    facing = np.clip((normal * lamp).sum(-1) + solid.bumps * mark * 0.6, 0, 1)
    sky = 0.24 + 0.12 * normal[..., 1]
    near_table = 0.45 + 0.55 * _smooth(local[..., 1], -1.0, -0.3)
    mirrored = rays - 2 * (rays * normal).sum(-1, keepdims=True) * normal
    shine = np.clip((mirrored * lamp).sum(-1), 0, 1)
    spot = _smooth(shine + 0.01 * mark, 0.965, 0.985) + 0.3 * shine**12
    rim = (1 - np.abs((rays * normal).sum(-1))) ** 4 * 0.25
    light = albedo * ((facing * 0.95 + sky) * near_table)[..., None]
    return (light + (solid.gloss * (spot + rim))[..., None]).astype(np.float32)


def _table_and_wall(
    rng: Rng, eye: Floats, rays: Floats, lamp: Floats, solids: list[_Solid]
) -> tuple[Floats, Floats]:
    """The light of the background, with soft shadows, and the points seen float32[H, W, 3]."""
    height, width = rays.shape[:2]
    to_table = eye[1] / np.maximum(-rays[..., 1], 1e-4)
    depth_wall = float(rng.uniform(3.5, 6.5))
    to_wall = (depth_wall - eye[2]) / np.maximum(rays[..., 2], 1e-4)
    on_table = to_table < to_wall
    points = eye + np.where(on_table, to_table, to_wall)[..., None] * rays
    top = (_wood, _cloth, _wood, _pebbles)[int(rng.integers(4))](rng, 256, 256)
    top = top / max(float(top.mean()), 1e-3) * np.float32(rng.uniform(0.12, 0.4))
    zoom = float(rng.uniform(28, 50))
    table = np.stack(
        [
            _sample(top[..., c], points[..., 2] * zoom + 90, points[..., 0] * zoom + 128)
            for c in range(3)
        ],
        -1,
    )
    plaster = 0.05 * _fractal(rng, height, width, 1.5)
    wall = _earthy(rng) * np.float32(rng.uniform(0.5, 1.5)) * np.exp(plaster)[..., None]
    wall = wall * (0.75 + 0.12 * points[..., 0:1] * np.sign(lamp[0]))
    shadow = _enlarged(_shadows(points[::2, ::2], lamp, solids), height, width)
    light = shadow[..., None] * _colour(1.0, 0.95, 0.88) + _colour(0.12, 0.13, 0.15)
    return (np.where(on_table[..., None], table, wall) * light).astype(np.float32), points.astype(
        np.float32
    )


def _shadows(points: Floats, lamp: Floats, solids: list[_Solid]) -> Floats:
    """How much light reaches the points: soft shadows, darker where a solid stands."""
    shadow = np.ones(points.shape[:2], np.float32)
    for solid in solids:
        to_centre = solid.centre - points
        along = np.maximum(to_centre @ lamp, 0)[..., None]
        away = np.sqrt((((to_centre - along * lamp) / solid.half) ** 2).sum(-1))
        blur = 0.12 + 0.12 * along[..., 0]
        shadow *= 0.25 + 0.75 * _smooth((away - 1) / blur + 0.5, 0, 1)
        foot = solid.centre * _colour(1, 0, 1)
        contact = (((points - foot) / (solid.half * np.float32(1.25))) ** 2).sum(-1)
        shadow *= 1 - 0.45 * np.exp(-2.0 * np.maximum(contact - 0.5, 0))
    return shadow


_RENDERERS: dict[str, tuple[Callable[[Rng, int, int], Floats], ...]] = {
    "nat": (_terrain, _sea, _meadow),
    "sec": (_meadow, _sea, _night),
    "arc": (_facade,),
    "pla": (_foliage, _flower),
    "ind": (_still_life,),
    "txt": (_pebbles, _bricks, _wood, _cloth),
}
CATEGORIES = tuple(_RENDERERS)
