"""A part made to fit its host: scaled, turned, matched in colour and in sharpness."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image
from scipy import ndimage

from forgery_lab.forgeries.cutting import Part, box_around
from forgery_lab.forgeries.outlines import AREAS
from forgery_lab.forgeries.pictures import Floats, Mask, Operation, Pixels

_RIM = 4
"""Pixels by which a part grows before it is turned, so that a soft edge stays within it."""
_UPRIGHT = 30
"""Degrees up to which what stood on the lower edge of its picture still does."""


@dataclass(frozen=True)
class Geometry:
    """How a part is scaled, turned and mirrored.

    Attributes:
        scale: factor of both sides, as far as the host has room.
        degrees: of the turn, clockwise.
        shear: columns that a row moves to the right of the one above it.
        mirror: whether left and right change places.
    """

    scale: float = 1.0
    degrees: float = 0.0
    shear: float = 0.0
    mirror: bool = False

    @classmethod
    def slight(cls, rng: np.random.Generator, natural_scale: float = 1.0) -> Geometry:
        """Return what makes a part fit: about the natural scale, seldom more than a small turn."""
        return cls(
            natural_scale * float(np.exp(rng.normal(0, 0.18))),
            float(rng.normal(0, 9)) if rng.random() < 0.45 else 0.0,
            float(rng.normal(0, 0.08)) if rng.random() < 0.15 else 0.0,
            bool(rng.random() < 0.4),
        )

    @classmethod
    def free(cls, rng: np.random.Generator) -> Geometry:
        """Return a scale of 0.5 to 2, a turn of up to 180 degrees and a flip: at least one of them.

        Three turns in ten are by a multiple of 90 degrees; with a flip, 180 of them give the part
        upside down.
        """
        names = ("scale", "turn", "mirror")
        chosen = rng.choice(names, size=int(rng.integers(1, 4)), replace=False, p=[0.4, 0.35, 0.25])
        right = bool(rng.random() < 0.3)
        degrees = float(rng.choice([-90, 90, 180]) if right else rng.uniform(-180, 180))
        scale = float(np.exp(rng.uniform(np.log(0.5), np.log(2.0))))
        return cls(
            scale if "scale" in chosen else 1.0,
            degrees if "turn" in chosen else 0.0,
            mirror="mirror" in chosen,
        )


def transformed(part: Part, host: Pixels, geometry: Geometry, operations: list[Operation]) -> Part:
    """Scaled, turned, mirrored and sheared, and made to fit into the host."""
    if geometry == Geometry():
        return part
    height, width = part.alpha.shape
    room = host.shape[0] * host.shape[1] / max(1.0, float(part.alpha.sum()))
    grown_y, grown_x = _turned_size(height, width, geometry)
    largest = min(0.8 * host.shape[0] / grown_y, 0.8 * host.shape[1] / grown_x)
    largest = min(largest, float(np.sqrt(AREAS[1] * room)))
    smallest = max(float(np.sqrt(AREAS[0] * room)), 12.0 / min(height, width))
    scale = float(np.clip(geometry.scale, min(smallest, largest), largest))
    if abs(scale - 1) < 0.06 and smallest <= 1 <= largest:
        scale = 1.0
    pixels, alpha = part.pixels, part.alpha
    if geometry.mirror:
        pixels, alpha = pixels[:, ::-1], alpha[:, ::-1]
        operations.append({"name": "mirror"})
    if scale != 1.0:
        size = (max(4, round(width * scale)), max(4, round(height * scale)))
        pixels, alpha = _resized(pixels, size), _resized(alpha, size)
        operations.append({"name": "scale", "factor": round(scale, 4)})
    if geometry.degrees or geometry.shear:
        pixels, alpha = _turned(pixels, alpha, geometry)
        degrees, shear = round(geometry.degrees, 2), round(geometry.shear, 3)
        operations.append({"name": "turn", "degrees": degrees, "shear": shear})
    limit_y, limit_x = host.shape[0] - 2, host.shape[1] - 2
    alpha = alpha[:limit_y, :limit_x].clip(0, 1)
    grounded = part.grounded and abs(geometry.degrees) < _UPRIGHT
    return replace(part, pixels=pixels[:limit_y, :limit_x], alpha=alpha, grounded=grounded)


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


def _turned_size(height: int, width: int, geometry: Geometry) -> tuple[int, int]:
    """Return the height and width of the box around a turned and sheared one."""
    turn = np.deg2rad(geometry.degrees)
    down, right = abs(np.cos(turn)), abs(np.sin(turn))
    grown_x = width * down + height * right + abs(geometry.shear) * height
    return int(np.ceil(height * down + width * right)), int(np.ceil(grown_x))


def _turned(pixels: Floats, alpha: Floats, geometry: Geometry) -> tuple[Floats, Floats]:
    """Rotation about the centre and a horizontal shear, bicubic; by right angles without loss."""
    if geometry.degrees % 90 == 0 and not geometry.shear:
        quarters = -int(geometry.degrees // 90)
        return np.rot90(pixels, quarters), np.rot90(alpha, quarters)
    pixels = np.pad(pixels, [(_RIM, _RIM), (_RIM, _RIM), (0, 0)], mode="edge")
    alpha = np.pad(alpha, _RIM)
    height, width = alpha.shape
    grown_y, grown_x = _turned_size(height, width, geometry)
    turn = np.deg2rad(geometry.degrees)
    forward = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.array(
        [[1.0, geometry.shear], [0.0, 1.0]]
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
