"""Leaves, flowers and trees."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from forgery_lab.forgeries.scenes.colours import leaf_colour, rgb, vivid_colour
from forgery_lab.forgeries.scenes.drawing import Floats, Rng, grid, mix, smooth_step, window_around
from forgery_lab.forgeries.scenes.textures import fractal_noise


def render_foliage(rng: Rng, height: int, width: int) -> Floats:
    """Leaves over leaves, the nearer the larger and the sharper, sometimes with flowers."""
    base = leaf_colour(rng)
    dark = 1 + 0.3 * ndimage.gaussian_filter(fractal_noise(rng, height, width, 1.6), 3)
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
        colour = vivid_colour(rng) * np.float32(1.8)
        for _ in range(int(rng.integers(2, 9))):
            place = rng.uniform(0.1, 0.9, 2) * (height, width)
            _paint_flower(canvas, rng, place, big * float(rng.uniform(0.6, 1.1)), colour)
    return canvas


def render_flower(rng: Rng, height: int, width: int) -> Floats:
    """Return one or a few large flowers before a garden out of focus."""
    back = leaf_colour(rng) * np.exp(0.9 * fractal_noise(rng, height, width, 2.2))[..., None]
    canvas = (back * np.float32(0.5)).astype(np.float32)
    for _ in range(25):
        place = rng.uniform(0, 1, 2) * (height, width)
        colour = leaf_colour(rng) * np.float32(0.8)
        angle = rng.uniform(0, 2 * np.pi)
        _paint_leaf(canvas, rng, place, rng.uniform(30, 70), rng.uniform(10, 25), angle, colour)
    canvas = ndimage.gaussian_filter(canvas, (5, 5, 0))
    colour = np.minimum(vivid_colour(rng) * np.float32(2.0), 0.95)
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
    _, x = grid(len(rows), canvas.shape[1])
    away = np.abs(x - centre[:, None])
    light = np.float32(0.5) + 0.5 * np.clip((centre[:, None] - x) / 4 + 0.5, 0, 1)
    colour = leaf_colour(rng) * np.float32(1.3) * light[..., None]
    part = canvas[int(place[0]) :]
    part[:] = mix(part, colour, smooth_step(4.2 - away, 0, 1.5))
    for side in (-1, 1):
        where = np.array([place[0] + rng.uniform(40, 110), place[1] + side * 28])
        angle = np.pi / 2 - side * (np.pi / 2 - rng.uniform(0.2, 0.7))
        _paint_leaf(canvas, rng, where, 40, 13, -angle, leaf_colour(rng) * np.float32(1.4))


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
    window, y, x = window_around(canvas, place, radius * 1.2)
    if not y.size:
        return
    away = np.hypot(y, x) / radius
    dots = np.abs(np.sin(y * 1.9 + x) * np.sin(x * 1.7 - 0.6 * y))
    light = 1.1 - 0.5 * away**2 - 0.25 * (y + x) / radius
    core = rgb(0.55, 0.36, 0.05) * np.float32(rng.uniform(0.3, 1.2))
    shaded = core * ((0.5 + 0.7 * dots) * light)[..., None].astype(np.float32)
    canvas[window] = mix(canvas[window], np.maximum(shaded, 0), smooth_step(1 - away, 0, 0.15))


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
    window, y, x = window_around(canvas, place, max(length, breadth) * 1.25)
    if not y.size:
        return
    along = (x * np.cos(angle) + y * np.sin(angle)) / length
    across = (-x * np.sin(angle) + y * np.cos(angle)) / breadth
    across = across + rng.normal(0, 0.15) * (along**2 - 0.3)
    limit = np.maximum(1 - along**2, 0) ** 0.75 * (1 - 0.25 * along)
    soft = float(1.6 / breadth)
    inside = smooth_step(limit - np.abs(across), 0, soft)
    shade = (
        canvas[window] * (1 - 0.45 * smooth_step(limit * 1.2 - np.abs(across), 0, 0.5))[..., None]
    )
    fold = rng.uniform(-0.35, 0.35)
    light = 0.85 + fold * np.sign(across) + 0.25 * rng.normal() * along
    light = light + 0.06 * np.sin(9 * along - 4 * np.abs(across)) - 0.1 * np.abs(across)
    light = light + 0.22 * np.exp(-((across * breadth / 0.9) ** 2))
    painted = colour * np.maximum(light, 0.15)[..., None].astype(np.float32)
    canvas[window] = mix(shade, painted.astype(np.float32), inside)


def paint_tree(canvas: Floats, rng: Rng, foot: Floats, tall: float) -> None:
    """A tree that stands at `foot` (y, x): trunk and a crown lit from one side."""
    centre = np.array([foot[0] - 0.62 * tall, foot[1]])
    window, y, x = window_around(canvas, centre, tall * 0.8)
    if not y.size:
        return
    lean = 0.02 * np.sin(y / tall * 5)
    trunk = smooth_step(0.035 + 0.02 * (y / tall) - np.abs(x / tall - lean), 0, 0.012)
    trunk = trunk * smooth_step(0.62 - y / tall, 0, 0.01) * (y > -0.1 * tall)
    canvas[window] = mix(canvas[window], rgb(0.07, 0.05, 0.035), trunk)
    noise = fractal_noise(rng, max(16, y.shape[0]), max(16, y.shape[1]), 0.95)[
        : y.shape[0], : y.shape[1]
    ]
    lumps = fractal_noise(rng, max(16, y.shape[0]), max(16, y.shape[1]), 1.8)[
        : y.shape[0], : y.shape[1]
    ]
    radius = np.hypot(x / 0.36, (y + 0.05 * tall) / 0.42) / tall
    crown = smooth_step(1 - radius + 0.14 * lumps + 0.1 * noise, 0.0, 0.09)
    light = 0.62 - 0.45 * y / tall + 0.3 * x / tall + 0.22 * lumps + 0.3 * noise
    leaves = leaf_colour(rng) * np.float32(1.3) * np.clip(light, 0.1, 1.8)[..., None]
    canvas[window] = mix(canvas[window], leaves.astype(np.float32), crown)
