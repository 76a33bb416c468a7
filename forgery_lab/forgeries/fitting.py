"""A part made to fit its host: scaled, turned, matched in colour and in sharpness."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image
from scipy import ndimage

from forgery_lab.forgeries.cutting import Part, box_around
from forgery_lab.forgeries.outlines import AREAS
from forgery_lab.forgeries.pictures import Floats, Mask, Operation, Pixels


def transformed(
    part: Part,
    host: Pixels,
    rng: np.random.Generator,
    operations: list[Operation],
    natural_scale: float,
) -> Part:
    """Scaled, turned, mirrored and sometimes sheared, and made to fit into the host."""
    height, width = part.alpha.shape
    room = host.shape[0] * host.shape[1] / max(1.0, float(part.alpha.sum()))
    largest = min(0.8 * host.shape[0] / height, 0.8 * host.shape[1] / width)
    largest = min(largest, float(np.sqrt(AREAS[1] * room)))
    smallest = max(float(np.sqrt(AREAS[0] * room)), 12.0 / min(height, width))
    scale = natural_scale * float(np.exp(rng.normal(0, 0.18)))
    scale = float(np.clip(scale, min(smallest, largest), largest))
    if abs(scale - 1) < 0.06 and smallest <= 1 <= largest:
        scale = 1.0
    angle = float(rng.normal(0, 9)) if rng.random() < 0.45 else 0.0
    shear = float(rng.normal(0, 0.08)) if rng.random() < 0.15 else 0.0
    mirror = bool(rng.random() < 0.4)
    pixels, alpha = part.pixels, part.alpha
    if mirror:
        pixels, alpha = pixels[:, ::-1], alpha[:, ::-1]
        operations.append({"name": "mirror"})
    if scale != 1.0:
        size = (max(4, round(width * scale)), max(4, round(height * scale)))
        pixels, alpha = _resized(pixels, size), _resized(alpha, size)
        operations.append({"name": "scale", "factor": round(scale, 4)})
    if angle or shear:
        pixels, alpha = _turned(pixels, alpha, angle, shear)
        operations.append({"name": "turn", "degrees": round(angle, 2), "shear": round(shear, 3)})
    limit_y, limit_x = host.shape[0] - 2, host.shape[1] - 2
    alpha = alpha[:limit_y, :limit_x].clip(0, 1)
    return replace(part, pixels=pixels[:limit_y, :limit_x], alpha=alpha)


def _resized(array: Floats, size: tuple[int, int]) -> Floats:
    """Lanczos with antialiasing, per channel in float32."""
    planes = array[..., None] if array.ndim == 2 else array
    resized = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(planes[..., c])).resize(
                size, Image.Resampling.LANCZOS
            )
        )
        for c in range(planes.shape[2])
    ]
    return resized[0] if array.ndim == 2 else np.stack(resized, axis=-1)


def _turned(pixels: Floats, alpha: Floats, angle: float, shear: float) -> tuple[Floats, Floats]:
    """Rotation about the centre in degrees and a horizontal shear, bicubic."""
    height, width = alpha.shape
    turn = np.deg2rad(angle)
    grown_x = int(
        np.ceil(abs(width * np.cos(turn)) + abs(height * np.sin(turn)) + abs(shear) * height)
    )
    grown_y = int(np.ceil(abs(height * np.cos(turn)) + abs(width * np.sin(turn))))
    forward = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.array(
        [[1.0, shear], [0.0, 1.0]]
    )
    back = np.linalg.inv(forward)
    centre = np.array([width / 2, height / 2]) - back @ np.array([grown_x / 2, grown_y / 2])
    data = (back[0, 0], back[0, 1], centre[0], back[1, 0], back[1, 1], centre[1])

    def warp(plane: Floats) -> Floats:
        image = Image.fromarray(np.ascontiguousarray(plane))
        return np.asarray(
            image.transform(
                (grown_x, grown_y), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC
            )
        )

    return np.stack([warp(pixels[..., c]) for c in range(3)], axis=-1), warp(alpha).clip(0, 1)


def matched_to_host(
    part: Part,
    host: Pixels,
    corner: tuple[int, int],
    rng: np.random.Generator,
    operations: list[Operation],
) -> Part:
    """Brightness, contrast and colour drawn towards the host's around there; softened to it."""
    height, width = part.alpha.shape
    box = box_around(corner, (height, width), host.shape[:2], grow=max(height, width) // 2)
    around = host[box][::3, ::3].reshape(-1, 3).astype(np.float32)
    inside = part.pixels[::2, ::2][part.alpha[::2, ::2] > 0.5]
    inside = inside if len(inside) else part.pixels.reshape(-1, 3)
    strength = float(rng.uniform(0.15, 0.75))
    gain = (around.std(axis=0) + 8) / (inside.std(axis=0) + 8)
    gain = np.clip(gain, 0.75, 1.3) ** (0.5 * strength)
    target = inside.mean(axis=0) * (1 - 0.6 * strength) + around.mean(axis=0) * 0.6 * strength
    pixels = (part.pixels - inside.mean(axis=0)) * gain + target
    operations.append(
        {
            "name": "match_colour",
            "strength": round(strength, 3),
            "gain": [round(float(g), 3) for g in gain],
            "shift": [round(float(s), 2) for s in target - inside.mean(axis=0)],
        }
    )
    sigma = _softening(part.pixels, part.alpha > 0.5, host[box])
    if sigma > 0.25 and rng.random() < 0.7:
        pixels = ndimage.gaussian_filter(pixels, (sigma, sigma, 0))
        operations.append({"name": "soften", "sigma": round(sigma, 3)})
    return replace(part, pixels=pixels)


def _softening(pixels: Floats, inside: Mask, around: Pixels) -> float:
    """The blur, in pixels, that brings the part's fine detail near that of the surroundings."""
    fine = np.abs(np.diff(pixels[..., 1], axis=1))[inside[:, 1:]]
    coarse = np.abs(np.diff(around[..., 1].astype(np.float32), axis=1))
    ratio = float((fine.mean() if fine.size else 1.0) / (coarse.mean() + 0.5))
    return float(np.clip(0.45 * (ratio - 1.2), 0.0, 1.1))
