"""Solids on a table, by the light of one window: rays, shading and soft shadows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from forgery_lab.forgeries.scenes.colours import earth_colour, rgb, vivid_colour
from forgery_lab.forgeries.scenes.drawing import Floats, Rng, grid, mix, smooth_step
from forgery_lab.forgeries.scenes.surfaces import render_cloth, render_pebbles, render_wood
from forgery_lab.forgeries.scenes.textures import enlarged, fractal_noise, sample


@dataclass(frozen=True)
class _Solid:
    """An ellipsoid, an upright cylinder or a box: centre, half sizes, colour and finish."""

    form: str
    centre: Floats
    half: Floats
    colour: Floats
    gloss: float
    bumps: float


def render_still_life(rng: Rng, height: int, width: int) -> Floats:
    """Fruit, vases, boxes and balls on a table, by the light of one window."""
    y, x = grid(height, width)
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
    solids = _arrangement(rng)
    picture, points = _table_and_wall(rng, eye, rays, lamp, solids)
    depth = np.linalg.norm(points - eye, axis=-1)
    for solid in solids:
        window = _window_of(solid, eye, tilt, focal, height, width)
        hit, normal = _intersection(solid, eye, rays[window])
        nearer = hit < depth[window]
        if nearer.any():
            shaded = _shade(rng, solid, eye, rays[window], hit, normal, lamp)
            picture[window] = np.where(nearer[..., None], shaded, picture[window])
            depth[window] = np.where(nearer, hit, depth[window])
    focus = float(rng.uniform(8.2, 9.5))
    far = ndimage.gaussian_filter(picture, (2.2, 2.2, 0))
    return mix(picture, far, smooth_step(np.abs(depth - focus), 1.5, 6.0).astype(np.float32))


def _window_of(
    solid: _Solid, eye: Floats, tilt: float, focal: float, height: int, width: int
) -> tuple[slice, slice]:
    """Return the rows and columns of the picture in which the solid can be seen."""
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


def _arrangement(rng: Rng) -> list[_Solid]:
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
            colour = np.minimum(vivid_colour(rng) * 1.3, 0.8)
            bumps = float(rng.uniform(0.0, 0.12))
            solids.append(
                _Solid(
                    form, place.astype(np.float32), half.astype(np.float32), colour, gloss, bumps
                )
            )
    return solids


def _intersection(solid: _Solid, eye: Floats, rays: Floats) -> tuple[Floats, Floats]:
    """Return distance float32[H, W] along each ray (infinite where missed) and the normal there."""
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


def _shade(
    rng: Rng, solid: _Solid, eye: Floats, rays: Floats, hit: Floats, normal: Floats, lamp: Floats
) -> Floats:
    local = (eye + np.where(np.isfinite(hit), hit, 0)[..., None] * rays - solid.centre) / solid.half
    around = np.arctan2(local[..., 2], local[..., 0])
    skin = fractal_noise(rng, 128, 256, float(rng.uniform(0.8, 1.8)), float(rng.uniform(0.3, 3)))
    mark = sample(skin, local[..., 1] * 50 + 64, around * 256 / (2 * np.pi))
    albedo = solid.colour * np.exp((0.05 + solid.bumps) * 2 * mark)[..., None]
    second = vivid_colour(rng)
    style = rng.random()
    if style < 0.35:
        albedo = mix(albedo, second, smooth_step(local[..., 1] + 0.2 * mark, -0.2, 0.9) * 0.7)
    elif style < 0.55:
        albedo = mix(
            albedo, second, smooth_step(np.sin(local[..., 1] * rng.uniform(5, 20)), 0, 0.2)
        )
    facing = np.clip((normal * lamp).sum(-1) + solid.bumps * mark * 0.6, 0, 1)
    sky = 0.24 + 0.12 * normal[..., 1]
    near_table = 0.45 + 0.55 * smooth_step(local[..., 1], -1.0, -0.3)
    mirrored = rays - 2 * (rays * normal).sum(-1, keepdims=True) * normal
    shine = np.clip((mirrored * lamp).sum(-1), 0, 1)
    spot = smooth_step(shine + 0.01 * mark, 0.965, 0.985) + 0.3 * shine**12
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
    top = (render_wood, render_cloth, render_wood, render_pebbles)[int(rng.integers(4))](
        rng, 256, 256
    )
    top = top / max(float(top.mean()), 1e-3) * np.float32(rng.uniform(0.12, 0.4))
    zoom = float(rng.uniform(28, 50))
    table = np.stack(
        [
            sample(top[..., c], points[..., 2] * zoom + 90, points[..., 0] * zoom + 128)
            for c in range(3)
        ],
        -1,
    )
    plaster = 0.05 * fractal_noise(rng, height, width, 1.5)
    wall = earth_colour(rng) * np.float32(rng.uniform(0.5, 1.5)) * np.exp(plaster)[..., None]
    wall = wall * (0.75 + 0.12 * points[..., 0:1] * np.sign(lamp[0]))
    shadow = enlarged(_shadows(points[::2, ::2], lamp, solids), height, width)
    light = shadow[..., None] * rgb(1.0, 0.95, 0.88) + rgb(0.12, 0.13, 0.15)
    return (np.where(on_table[..., None], table, wall) * light).astype(np.float32), points.astype(
        np.float32
    )


def _shadows(points: Floats, lamp: Floats, solids: list[_Solid]) -> Floats:
    """Return how much light reaches the points: soft shadows, darker where a solid stands."""
    shadow = np.ones(points.shape[:2], np.float32)
    for solid in solids:
        to_centre = solid.centre - points
        along = np.maximum(to_centre @ lamp, 0)[..., None]
        away = np.sqrt((((to_centre - along * lamp) / solid.half) ** 2).sum(-1))
        blur = 0.12 + 0.12 * along[..., 0]
        shadow *= 0.25 + 0.75 * smooth_step((away - 1) / blur + 0.5, 0, 1)
        foot = solid.centre * rgb(1, 0, 1)
        contact = (((points - foot) / (solid.half * np.float32(1.25))) ** 2).sum(-1)
        shadow *= 1 - 0.45 * np.exp(-2.0 * np.maximum(contact - 0.5, 0))
    return shadow
