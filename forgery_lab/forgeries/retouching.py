"""What people do to a whole picture, forged or not: tone, light, sharpness, grain, geometry, frame.

None of it is a forgery in the sense of this project, but each changes the traces that a forgery
is known by, some of them not everywhere alike. A network that never saw them calls them forged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage

from forgery_lab.forgeries.pictures import Floats, Mask, Pixels

COMMON: Mapping[str, int] = {"vignetted": 3, "toned": 2, "sharpened": 2}
"""How many times as often as the others these edits are drawn; vignettes are the hardest."""
GRAIN = (1.0, 6.0)
"""Standard deviation of grain in grey levels, drawn evenly in logarithm."""
TONED, STRAIGHTENED, FRAMED = 0.75, 0.2, 0.08
"""How often a whole-picture edit has tone, geometry and a frame; tone also where it has neither."""
TURN = 1.5
"""Standard deviation of the angle by which a picture is turned, in degrees."""
KEYSTONE = 0.06
"""How far, at most, a corner moves when perspective is straightened, as a share of the side."""
FRAME = (0.02, 0.12)
"""What a frame adds to both sides, as a share; half of that on each."""


@dataclass(frozen=True)
class Straightening:
    """How a picture is turned and its perspective straightened.

    Attributes:
        angle: in radians.
        keystone: how far each corner moves inwards, across and down, as shares of the sides; from
            the upper left one clockwise.
    """

    angle: float
    keystone: tuple[tuple[float, float], ...]

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Straightening:
        """Return a random turn, a random keystone, or both."""
        turned, straightened = [(True, False), (False, True), (True, True)][rng.integers(3)]
        angle = float(np.deg2rad(rng.normal(0, TURN))) if turned else 0.0
        inset = rng.uniform(0, KEYSTONE if straightened else 0, (4, 2)).tolist()
        return cls(angle, tuple((across, down) for across, down in inset))

    def corners(self, width: int, height: int) -> NDArray[np.float64]:
        """Return where the result's corners lie in the picture, float64[4, 2], all inside it."""
        signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
        half = np.array([width, height]) / 2
        corners = signs * (1 - 2 * np.array(self.keystone)) * half
        sine, cosine = np.sin(self.angle), np.cos(self.angle)
        turned = corners @ np.array([[cosine, sine], [-sine, cosine]])
        return half + turned / max(np.abs(turned / half).max(), 1.0)


@dataclass(frozen=True)
class WholeEdit:
    """What is done to a whole picture, forged or not.

    Attributes:
        tones: seed of `edited`, or None.
        straightening: how it is straightened, or None.
        frame: what a frame adds, as a share, and its grey level; or None.
    """

    tones: int | None = None
    straightening: Straightening | None = None
    frame: tuple[float, int] | None = None

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> WholeEdit:
        """Return a random edit; one of the three at least."""
        toned, straightened, framed = rng.random(3) < (TONED, STRAIGHTENED, FRAMED)
        tones = int(rng.integers(2**32)) if toned or not (straightened or framed) else None
        straightening = Straightening.drawn(rng) if straightened else None
        level = (0, 255, int(rng.integers(256)))[rng.integers(3)]
        return cls(tones, straightening, (float(rng.uniform(*FRAME)), level) if framed else None)

    def apply(self, picture: Pixels, mask: Mask | None, largest: int) -> tuple[Pixels, Mask | None]:
        """Return the edited picture and the mask moved along; a frame stays within `largest`."""
        if self.tones is not None:
            picture = edited(picture, self.tones)
        if self.straightening is not None:
            picture = _straightened(picture, self.straightening, Image.Resampling.BICUBIC)
            if mask is not None:
                mask = _straightened(mask, self.straightening, Image.Resampling.NEAREST)
        if self.frame is not None:
            height, width = picture.shape[:2]
            added = min(self.frame[0], max(largest / max(height, width) - 1, 0))
            widths = [(round(side * added / 2),) * 2 for side in (height, width)]
            picture = np.pad(picture, [*widths, (0, 0)], constant_values=self.frame[1])
            mask = None if mask is None else np.pad(mask, widths)
        return picture, mask


def edited(picture: Pixels, seed: int) -> Pixels:
    """Return the picture uint8[H, W, 3] after one or two edits that `seed` draws."""
    rng = np.random.default_rng(seed)
    odds = np.array([COMMON.get(name, 1) for name in EDITS], float)
    number = int(rng.integers(1, 3))
    for name in rng.choice(list(EDITS), size=number, replace=False, p=odds / odds.sum()):
        picture = EDITS[str(name)](picture, rng)
    return picture


def _straightened(
    picture: Pixels | Mask, straightening: Straightening, kernel: Image.Resampling
) -> NDArray[Any]:
    """Return what lies between the corners of the straightened picture, as large as it is."""
    height, width = picture.shape[:2]
    ends = [(0, 0), (width, 0), (width, height), (0, height)]
    equations: list[list[float]] = []
    for (x, y), (u, v) in zip(ends, straightening.corners(width, height), strict=True):
        equations.append([x, y, 1, 0, 0, 0, -u * x, -u * y, u])
        equations.append([0, 0, 0, x, y, 1, -v * x, -v * y, v])
    system = np.array(equations)
    coefficients = np.linalg.solve(system[:, :8], system[:, 8]).tolist()
    image = Image.fromarray(picture)
    return np.asarray(
        image.transform((width, height), Image.Transform.PERSPECTIVE, coefficients, kernel)
    )


def _toned(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Gamma, contrast, gain per channel and saturation."""
    levels = (picture / np.float32(255)) ** np.float32(np.exp(rng.normal(0, 0.2)))
    levels = (levels - 0.5) * np.float32(rng.uniform(0.8, 1.5)) + 0.5
    levels *= np.exp(rng.normal(0, 0.04, 3)).astype(np.float32)
    grey = levels.mean(axis=2, keepdims=True)
    return _whole(255 * (grey + np.float32(rng.uniform(0.5, 1.5)) * (levels - grey)))


def _sharpened(picture: Pixels, rng: np.random.Generator) -> Pixels:
    mask = ImageFilter.UnsharpMask(rng.uniform(0.5, 2.5), int(rng.integers(40, 220)), 0)
    return np.asarray(Image.fromarray(picture).filter(mask))


def _softened(picture: Pixels, rng: np.random.Generator) -> Pixels:
    blur = ImageFilter.GaussianBlur(rng.uniform(0.4, 1.2))
    return np.asarray(Image.fromarray(picture).filter(blur))


def _vignetted(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Darker, or lighter, the farther from a point near the middle, or along the edges alone.

    Lines of equal light are superellipses, from circles to nearly the frame.
    """
    middle, strength = rng.uniform(-0.2, 0.2, 2), rng.uniform(-0.3, 1.0)
    roundness = 2 if rng.random() < 0.6 else rng.uniform(2, 8)
    axes = np.exp(rng.normal(0, 0.15, 2))
    down, across = (
        np.abs(axis - np.float32(place)) / np.float32(length)
        for axis, place, length in zip(_axes(picture), middle, axes, strict=True)
    )
    distance = (down**roundness + across**roundness) ** np.float32(1 / roundness)
    distance /= distance.max()
    fall = np.float32(strength) * distance ** np.float32(np.exp(rng.uniform(0, np.log(8))))
    return _whole(picture * (1 - fall)[..., np.newaxis])


def _lit(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Light that grows from one side to the other, of one colour or of another at each end."""
    down, across = _axes(picture)
    angle = rng.uniform(0, 2 * np.pi)
    ramp = (np.float32(np.sin(angle)) * down + np.float32(np.cos(angle)) * across)[..., np.newaxis]
    ramp /= np.abs(ramp).max()
    colour = rng.normal(0, 0.06, 3) if rng.random() < 0.5 else np.zeros(3)
    strength = rng.uniform(0.1, 0.5) + colour
    return _whole(picture * (1 + strength.astype(np.float32) * ramp))


def _filtered(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """A colour laid over the picture, in part, as filters of phones do; sometimes by lightness."""
    share, levels = np.float32(rng.uniform(0.05, 0.4)), picture.astype(np.float32)
    dark, light = rng.uniform(0, 255, (2, 3)).astype(np.float32)
    if rng.random() < 0.5:
        return _whole((1 - share) * levels + share * light)
    lightness = levels.mean(axis=2, keepdims=True) / 255
    return _whole((1 - share) * levels + share * (dark + lightness * (light - dark)))


def _greyed(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Black and white by a random mix of the channels; one time in three sepia."""
    mixed = picture @ rng.dirichlet([3, 6, 2]).astype(np.float32)
    grey = (mixed - 128) * np.float32(rng.uniform(0.9, 1.4)) + 128
    tint = np.array([1.07, 0.95, 0.74]) if rng.random() < 1 / 3 else np.ones(3)
    return _whole(grey[..., np.newaxis] * tint.astype(np.float32))


def _denoised(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """A median of 3×3, or a guided filter that spares edges: He et al., TPAMI 2013."""
    if rng.random() < 0.4:
        return np.asarray(Image.fromarray(picture).filter(ImageFilter.MedianFilter(3)))
    levels, side = picture.astype(np.float32), int(rng.choice([3, 5, 7]))
    mean = ndimage.uniform_filter(levels, (side, side, 1))
    variance = ndimage.uniform_filter(levels**2, (side, side, 1)) - mean**2
    kept = variance / (variance + np.float32(np.exp(rng.uniform(np.log(20), np.log(300)))))
    smooth = mean + np.clip(kept, 0, 1) * (levels - mean)
    return _whole(levels + np.float32(rng.uniform(0.5, 1)) * (smooth - levels))


def _tone_mapped(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Lightness of large areas drawn together, and detail raised, as HDR programs do."""
    levels = picture.astype(np.float32) + 1
    lightness = levels.mean(axis=2)
    small = Image.fromarray(lightness).resize((48, 48), Image.Resampling.BOX)
    wide = ndimage.gaussian_filter(np.asarray(small), rng.uniform(3, 9))
    around = Image.fromarray(wide).resize(picture.shape[1::-1], Image.Resampling.BICUBIC)
    base = np.clip(np.asarray(around), 1, 256)
    evened = (128 / base) ** np.float32(rng.uniform(0.2, 0.6))
    detail = (lightness / base) ** np.float32(rng.uniform(0, 0.4))
    return _whole(levels * np.clip(evened * detail, 0.2, 4)[..., np.newaxis])


def _grainy(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Gaussian grain, of one colour or of three, as fine as pixels or coarser."""
    height, width = picture.shape[:2]
    coarseness, colours = int(rng.choice([1, 1, 2])), int(rng.choice([1, 3]))
    size = (-(-height // coarseness), -(-width // coarseness), colours)
    deviation = np.float32(np.exp(rng.uniform(*np.log(GRAIN))))
    grain = deviation * rng.standard_normal(size, np.float32)
    return _whole(picture + grain.repeat(coarseness, 0).repeat(coarseness, 1)[:height, :width])


def _axes(picture: Pixels) -> tuple[Floats, Floats]:
    """Return the places of rows, float32[H, 1], and of columns, float32[1, W], from -1 to 1."""
    height, width = picture.shape[:2]
    down, across = (np.linspace(-1, 1, side, dtype=np.float32) for side in (height, width))
    return down[:, np.newaxis], across[np.newaxis]


def _whole(levels: Floats) -> Pixels:
    return np.clip(levels + 0.5, 0, 255).astype(np.uint8)


EDITS: Mapping[str, Callable[[Pixels, np.random.Generator], Pixels]] = {
    "toned": _toned,
    "sharpened": _sharpened,
    "softened": _softened,
    "vignetted": _vignetted,
    "grainy": _grainy,
    "lit": _lit,
    "filtered": _filtered,
    "greyed": _greyed,
    "denoised": _denoised,
    "tone-mapped": _tone_mapped,
}
"""Every one keeps the place of every pixel."""
