"""Masonry, cloth, wood and stones, seen from near."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from forgery_lab.forgeries.scenes.colours import earth_colour, rgb, vivid_colour
from forgery_lab.forgeries.scenes.drawing import Floats, Rng, grid, mix, smooth_step
from forgery_lab.forgeries.scenes.textures import enlarged, fractal_noise, sample


def _lit_relief(rng: Rng, bumps: Floats, albedo: Floats, strength: float) -> Floats:
    """Return a surface with bumps, lit from the side."""
    angle = rng.uniform(0, 2 * np.pi)
    gy, gx = np.gradient(bumps * np.float32(strength))
    facing = 1.0 - gy * np.sin(angle) - gx * np.cos(angle)
    light = np.clip(facing / np.sqrt(1 + gy**2 + gx**2), 0.12, 2.0)
    height, width = bumps.shape
    y, x = grid(height, width)
    slant = (
        1 + rng.uniform(-0.3, 0.3) * (x / width - 0.5) + rng.uniform(-0.3, 0.3) * (y / height - 0.5)
    )
    return (albedo * (light * slant)[..., None]).astype(np.float32)


def _voronoi_cells(
    rng: Rng, height: int, width: int, count: int
) -> tuple[NDArray[np.int64], Floats]:
    """Voronoi cells: index int64[H, W] and distance to the border in pixels float32[H, W]."""
    points = rng.uniform([-20, -20], [height + 20, width + 20], (count, 2))
    half_height, half_width = -(-height // 2), -(-width // 2)
    y, x = grid(half_height, half_width)
    warp = 2.0 * fractal_noise(rng, half_height, half_width, 1.5)
    places = np.stack([(2 * y + warp).ravel(), (2 * x - warp).ravel()], axis=1)
    distance, index = cKDTree(points).query(places, k=2)
    border = (distance[:, 1] - distance[:, 0]).reshape(half_height, half_width)
    nearest = index[:, 0].reshape(half_height, half_width)
    nearest = nearest.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
    return nearest, enlarged(border, height, width)


def render_pebbles(rng: Rng, height: int, width: int) -> Floats:
    """Gravel, cobbles or dry earth."""
    count = int(np.exp(rng.uniform(np.log(60), np.log(700))))
    index, border = _voronoi_cells(rng, height, width, count)
    radius = np.sqrt(height * width / count)
    dome = np.sqrt(np.clip(border / radius, 0, 0.6))
    tints = np.exp(rng.normal(0, 0.35, (count, 1)) + rng.normal(0, 0.08, (count, 3)))
    albedo = earth_colour(rng) * tints[index].astype(np.float32)
    grain = fractal_noise(rng, height, width, 0.7)
    albedo = albedo * np.exp(0.18 * grain)[..., None]
    gap = 0.15 + 0.85 * smooth_step(border, 0.0, 0.22 * float(radius))
    return _lit_relief(rng, dome * radius * 0.4 + 0.25 * grain, albedo * gap[..., None], 1.0)


def render_bricks(rng: Rng, height: int, width: int) -> Floats:
    """Return a wall of bricks or blocks, seen a little from the side."""
    rows = rng.uniform(7, 16)
    y, x = grid(height, width)
    squeeze = 1 + rng.uniform(-0.35, 0.35) * (x / width - 0.5)
    v = (y - height / 2) / height * rows * squeeze + 40
    u = x / height * rows * rng.uniform(0.35, 0.5) * (1 + 0.5 * (squeeze - 1)) + 40
    wobble = 0.02 * fractal_noise(rng, height, width, 1.8)
    row = np.floor(v + wobble)
    u = u + 0.5 * (row % 2)
    column = np.floor(u + wobble)
    edge = np.minimum.reduce([v + wobble - row, 1 - (v + wobble - row)])
    side = np.minimum(u + wobble - column, 1 - (u + wobble - column)) * 2.2
    inside = smooth_step(np.minimum(edge, side), 0.03, 0.12)
    key = ((row * 57 + column * 131) % 509).astype(np.int64)
    tints = np.exp(rng.normal(0, 0.22, (509, 1)) + rng.normal(0, 0.05, (509, 3))).astype(np.float32)
    grain = fractal_noise(rng, height, width, 0.9)
    stain = np.exp(0.2 * fractal_noise(rng, height, width, 1.9))[..., None]
    brick = earth_colour(rng) * tints[key] * np.exp(0.13 * grain)[..., None]
    mortar = rgb(0.35, 0.33, 0.3) * np.exp(0.1 * grain)[..., None]
    return _lit_relief(rng, inside * 1.6 + 0.35 * grain, mix(mortar, brick, inside) * stain, 0.5)


def render_wood(rng: Rng, height: int, width: int) -> Floats:
    """Planks with rings and fibres."""
    y, x = grid(height, width)
    boards = int(rng.integers(2, 7))
    board = np.floor(y / height * boards)
    shift = rng.uniform(0, 500, boards + 1).astype(np.float32)[board.astype(np.int64)]
    bend = fractal_noise(rng, height, width, 2.0, 4.0)
    radius = (y + 14 * bend + shift * 3) * rng.uniform(0.12, 0.4) + 0.004 * x * rng.normal()
    rings = 0.5 + 0.5 * np.sin(radius + 0.8 * np.sin(radius * 0.37))
    fibre = fractal_noise(rng, height, width, 0.8, 12.0)
    base = earth_colour(rng, 0.15) * rgb(1.1, 0.95, 0.75)
    tone = np.exp(-0.5 * rings**3 + 0.13 * fibre + 0.3 * np.sin(shift))
    gap = smooth_step(np.abs(y / height * boards - np.round(y / height * boards)), 0.004, 0.02)
    return _lit_relief(
        rng, 0.5 * fibre + rings + 3 * gap, base * (tone * (0.2 + 0.8 * gap))[..., None], 0.2
    )


def render_cloth(rng: Rng, height: int, width: int) -> Floats:
    """Woven cloth with a pattern that repeats, and folds."""
    y, x = grid(height, width)
    folds = fractal_noise(rng, height, width, 2.3) * rng.uniform(2, 9)
    angle = rng.uniform(0, np.pi)
    u = x * np.cos(angle) + y * np.sin(angle) + folds
    v = -x * np.sin(angle) + y * np.cos(angle) + 0.6 * folds
    period = rng.uniform(26, 80)
    motif = fractal_noise(rng, 64, 64, float(rng.uniform(1.3, 2.2)))
    motif = motif + motif[:, ::-1] + (motif + motif[:, ::-1])[::-1]
    pattern = sample(motif, v / period * 64, u / period * 64)
    colours = np.stack([vivid_colour(rng) for _ in range(4)])
    level = np.digitize(pattern, np.quantile(motif, sorted(rng.uniform(0.1, 0.9, 3))))
    thread = np.sin(u * 2.4) * 0.16 + np.sin(v * 2.4) * 0.16
    albedo = ndimage.gaussian_filter(colours[level], (0.6, 0.6, 0)) * (1 + thread)[..., None]
    grain = np.exp(0.08 * fractal_noise(rng, height, width, 0.4))[..., None]
    return _lit_relief(rng, folds, albedo * grain, 0.5)
