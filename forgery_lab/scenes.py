"""Procedural scenes that look like photographs, for the embedded data set.

Each `render` draws one scene in linear light (terrain, sea, street, leaves, still life, masonry,
cloth ...) and takes a picture of it: lens blur, vignette, a Bayer sensor with shot and read noise,
bilinear demosaicing, tone curve and sharpening, so that neighbouring pixels correlate as a
camera's do. No scene shares anything with another one: each is a source of its own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from forgery_lab.errors import DataError

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
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
    """Bilinear: each colour from its own places on the sensor (RGGB)."""
    height, width = raw.shape
    place = np.zeros((3, height, width), np.float32)
    place[0, 0::2, 0::2] = 1
    place[2, 1::2, 1::2] = 1
    place[1] = 1 - place[0] - place[2]
    out = np.empty((height, width, 3), np.float32)
    for channel in range(3):
        kernel = [0.5, 1.0, 0.5]
        values, weights = raw * place[channel], place[channel]
        for axis in (0, 1):
            values = ndimage.correlate1d(values, kernel, axis)
            weights = ndimage.correlate1d(weights, kernel, axis)
        out[..., channel] = np.where(place[channel] > 0, raw, values / weights)
    return out


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


def _sample(texture: Floats, y: Floats, x: Floats, order: int = 1) -> Floats:
    """Bilinear values of a wrapping texture at any coordinates (in its pixels)."""
    return ndimage.map_coordinates(texture, [y, x], order=order, mode="grid-wrap").astype(
        np.float32
    )


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
    """A colour of paint, fruit or cloth in linear light."""
    hue = rng.uniform(0, 2 * np.pi)
    strength = rng.uniform(0.2, 0.8)
    wheel = 0.5 + 0.5 * np.cos(hue - np.array([0, 2.09, 4.19]))
    return (rng.uniform(0.15, 0.7) * ((1 - strength) * 0.6 + strength * wheel) + 0.02).astype(
        np.float32
    )


def _leafy(rng: Rng) -> Floats:
    base = np.array([[0.07, 0.16, 0.03], [0.12, 0.2, 0.04], [0.04, 0.11, 0.04], [0.2, 0.18, 0.05]])
    return (base[rng.integers(4)] * np.exp(rng.normal(0, 0.2, 3))).astype(np.float32)


def _sky(rng: Rng, height: int, width: int, horizon: float) -> Floats:
    """Air and clouds, from the top of the picture down to `horizon` and below it."""
    y, x = _grid(height, width)
    up = np.clip(1 - y / max(horizon, 1.0), -0.2, 1)
    evening = rng.random() < 0.35
    top = _colour(0.10, 0.22, 0.55) * np.float32(rng.uniform(0.5, 1.3))
    low = _colour(0.62, 0.72, 0.85) * np.float32(rng.uniform(0.7, 1.1))
    if evening:
        top = _colour(0.10, 0.13, 0.3) * np.float32(rng.uniform(0.4, 1.3))
        low = _colour(0.95, 0.5, 0.25) * np.float32(rng.uniform(0.5, 1.0))
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
    slope_y, slope_x = np.gradient(relief)
    gy, gx = _sample(slope_y, y, x), _sample(slope_x, y, x)
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
    wy, wx = distance * rng.uniform(60, 120), (x - width / 2) * distance * rng.uniform(0.4, 1.0)
    tilt = _sample(waves, wy, wx) + 0.6 * _sample(waves, wy * 3.1, wx * 3.1)
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


def _cells(
    rng: Rng, height: int, width: int, count: int
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Voronoi cells: index, distance to the own centre, and distance to the border (pixels)."""
    from scipy.spatial import cKDTree

    points = rng.uniform([-20, -20], [height + 20, width + 20], (count, 2))
    y, x = _grid(height, width)
    warp = 2.0 * _fractal(rng, height, width, 1.5)
    distance, index = cKDTree(points).query(
        np.stack([(y + warp).ravel(), (x - warp).ravel()], axis=1), k=2
    )
    shape = (height, width)
    border = (distance[:, 1] - distance[:, 0]).reshape(shape)
    return (
        index[:, 0].reshape(shape),
        distance[:, 0].reshape(shape).astype(np.float32),
        border.astype(np.float32),
    )


def _pebbles(rng: Rng, height: int, width: int) -> Floats:
    """Gravel, cobbles or dry earth."""
    count = int(np.exp(rng.uniform(np.log(60), np.log(700))))
    index, _, border = _cells(rng, height, width, count)
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


_RENDERERS: dict[str, tuple[Callable[[Rng, int, int], Floats], ...]] = {
    "nat": (_terrain, _sea),
    "txt": (_pebbles, _bricks, _wood, _cloth),
}
CATEGORIES = tuple(_RENDERERS)
