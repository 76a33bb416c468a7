"""One forgery: a working picture changed by the tool of its recipe, and what it changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.restoration import inpaint_biharmonic

from benchmarks.sealed import cutouts, gimp, magick, strokes
from benchmarks.sealed.plan import Recipe

VISIBLE = 0.1
"""Opacity from which a pixel counts as forged."""


@dataclass(frozen=True)
class Forged:
    """uint8[H, W, 3] and bool[H, W], and what was drawn, in words."""

    pixels: np.ndarray
    mask: np.ndarray
    detail: str = ""


@dataclass(frozen=True)
class Scene:
    """What a tool works on.

    Attributes:
        recipe: of the forgery.
        host: uint8[H, W, 3], the working picture.
        region: bool[H, W], the marked region of the host; of an object's own picture for a splice.
        layer: uint8[H, W, 3], an object where it is to stand, with what surrounded it; or None.
        alpha: float32[H, W], its opacity.
        offset: from the region to what covers it, x and y in pixels.
    """

    recipe: Recipe
    host: np.ndarray
    region: np.ndarray
    layer: np.ndarray | None = None
    alpha: np.ndarray | None = None
    offset: tuple[float, float] = (0.0, 0.0)

    @property
    def rng(self) -> np.random.Generator:
        """Draws for the forging."""
        return self.recipe.rng("forging")


@dataclass(frozen=True)
class Cut:
    """An object with its surroundings: uint8[h, w, 3], and its outline as float32[h, w]."""

    pixels: np.ndarray
    alpha: np.ndarray

    def placed(self, host: np.ndarray, x: float, y: float) -> tuple[np.ndarray, np.ndarray]:
        """Return layer and opacity of a host's size; the object stands with its foot at a point.

        Where nothing is known around the object the layer is the host itself.
        """
        rows, columns = np.nonzero(self.alpha > 0.5)
        if not len(rows):
            raise ValueError("an object without a pixel")
        left = round(x - (columns.min() + columns.max() + 1) / 2)
        top = round(y - rows.max() - 1)
        layer, alpha = host.copy(), np.zeros(host.shape[:2], np.float32)
        height, width = self.alpha.shape
        ys, xs = slice(max(top, 0), top + height), slice(max(left, 0), left + width)
        into = layer[ys, xs].shape[:2]
        first = max(-top, 0), max(-left, 0)
        window = slice(first[0], first[0] + into[0]), slice(first[1], first[1] + into[1])
        layer[ys, xs], alpha[ys, xs] = self.pixels[window], self.alpha[window]
        return layer, alpha


def cut(picture: np.ndarray, mask: np.ndarray) -> Cut:
    """Return an object of a picture, with a margin around it."""
    rows, columns = np.nonzero(mask)
    box = int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
    left, top, right, bottom = cutouts.widened(box, picture.shape)
    return Cut(picture[top:bottom, left:right], mask[top:bottom, left:right].astype(np.float32))


def transformed(one: Cut, scale: float, turn: float, mirror: bool, kernel: str) -> Cut:
    """Return an object scaled, turned (degrees, clockwise) and mirrored by a tool's kernel.

    Args:
        one: object.
        scale: factor.
        turn: degrees, clockwise.
        mirror: left to right.
        kernel: "ImageMagick Mitchell", … or "OpenCV cubic", ….
    """
    if mirror:
        one = Cut(*(np.ascontiguousarray(plane[:, ::-1]) for plane in (one.pixels, one.alpha)))
    if scale == 1 and turn == 0:
        return one
    tool, name = kernel.split(" ", 1)
    if tool == "OpenCV":
        return _warped(one, scale, turn, name)
    alpha = (one.alpha * 255).astype(np.uint8)
    arguments = ["in", "-virtual-pixel", "edge", "-filter", name.capitalize(), "+distort", "SRT",
                 f"{scale:.4f},{turn:.2f}", "+repage"]  # fmt: skip
    turned = [magick.converted({"in": one}, arguments) for one in (one.pixels, _grey(alpha))]
    opaque = turned[1][..., 0].astype(np.float32) / 255
    border = magick.converted(
        {"in": _grey(np.full_like(alpha, 255))}, [*arguments[:2], "black", *arguments[3:]]
    )
    return Cut(turned[0], opaque * (border[..., 0] > 127))


def _grey(plane: np.ndarray) -> np.ndarray:
    return np.repeat(plane[..., None], 3, axis=2)


def _warped(one: Cut, scale: float, turn: float, name: str) -> Cut:
    flag = {"cubic": cv2.INTER_CUBIC, "area": cv2.INTER_AREA, "Lanczos": cv2.INTER_LANCZOS4}[name]
    resizing = cv2.INTER_CUBIC if flag == cv2.INTER_AREA and scale > 1 else flag
    pixels = cv2.resize(one.pixels, None, fx=scale, fy=scale, interpolation=resizing)
    alpha = cv2.resize(one.alpha, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    height, width = alpha.shape
    if turn:
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -turn, 1.0)
        cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
        size = int(height * sine + width * cosine), int(height * cosine + width * sine)
        matrix[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
        turning = cv2.INTER_CUBIC if flag == cv2.INTER_AREA else flag
        border = cv2.BORDER_REPLICATE
        pixels = cv2.warpAffine(pixels, matrix, size, flags=turning, borderMode=border)
        alpha = cv2.warpAffine(alpha, matrix, size, flags=cv2.INTER_LINEAR)
    return Cut(pixels, np.clip(alpha, 0, 1))


def forge(scene: Scene) -> Forged:
    """Return the forgery of a scene."""
    return FORGING[scene.recipe.kind](scene)


def _grown(mask: np.ndarray, pixels: float) -> np.ndarray:
    outside = (~mask).astype(np.uint8)
    return cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_5) <= max(round(pixels), 1)


def _soft(alpha: np.ndarray, sigma: float) -> np.ndarray:
    """Return an opacity whose edge falls off inwards and outwards."""
    return cv2.GaussianBlur(alpha.astype(np.float32), (0, 0), sigma) if sigma > 0 else alpha


def _blended(host: np.ndarray, layer: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    mixed = host + alpha[..., None] * (layer.astype(np.float32) - host)
    return np.clip(mixed.round(), 0, 255).astype(np.uint8)


def _side(mask: np.ndarray) -> float:
    """Return the side of a square as large as the region."""
    return float(np.sqrt(np.count_nonzero(mask)))


def _objects_on(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    if scene.layer is None or scene.alpha is None:
        raise ValueError(f"{scene.recipe.name}: no object to place")
    return scene.layer, scene.alpha


def _seamless_splice(scene: Scene) -> Forged:
    layer, alpha = _objects_on(scene)
    mask = _grown(alpha > 0.5, _side(alpha > 0.5) * 0.06)
    flag = cv2.MIXED_CLONE if scene.recipe.tool.endswith("mixed") else cv2.NORMAL_CLONE
    return Forged(_seamless(layer, scene.host, mask, flag), _within(mask))


def _within(mask: np.ndarray) -> np.ndarray:
    """Return a mask without the picture's rim, which seamless cloning cannot touch."""
    inner = mask.copy()
    inner[:2] = inner[-2:] = False
    inner[:, :2] = inner[:, -2:] = False
    return inner


def _seamless(source: np.ndarray, host: np.ndarray, mask: np.ndarray, flag: int) -> np.ndarray:
    inner = _within(mask)
    rows, columns = np.nonzero(inner)
    box = slice(rows.min() - 1, rows.max() + 2), slice(columns.min() - 1, columns.max() + 2)
    centre = int(columns.min() + columns.max()) // 2, int(rows.min() + rows.max()) // 2
    white = np.zeros(host.shape[:2], np.uint8)
    white[inner] = 255
    part = np.ascontiguousarray(source[box]), np.ascontiguousarray(white[box])
    cloned = cv2.seamlessClone(part[0], host.copy(), part[1], centre, flag)
    return np.where(_grown(inner, 1)[..., None], cloned, host)


def _colour_gains(
    host: np.ndarray, layer: np.ndarray, alpha: np.ndarray, share: float
) -> np.ndarray:
    """Return a factor per channel that brings an object's mean towards its new surroundings'."""
    inside = alpha > 0.5
    ring = _grown(inside, _side(inside) * 0.4) & ~inside
    gains = (host[ring].mean(axis=0) + 20) / (layer[inside].mean(axis=0) + 20)
    return np.clip(gains, 0.6, 1.5) ** share


def _composite(scene: Scene) -> Forged:
    layer, alpha = _objects_on(scene)
    feather = float(scene.rng.uniform(0.6, 2.5))
    matched: list[str] = []
    if scene.recipe.tool.endswith("matched"):
        gains = _colour_gains(scene.host, layer, alpha, float(scene.rng.uniform(0.3, 0.6)))
        for channel, gain in zip("RGB", gains, strict=True):
            matched += ["-channel", channel, "-evaluate", "multiply", f"{gain:.3f}"]
        matched += ["+channel"]
    shaped = (alpha * 255).astype(np.uint8)
    arguments = ["host", "(", "layer", *matched, ")", "(", "mask", "-blur", f"0x{feather:.2f}", ")",
                 "-composite"]  # fmt: skip
    pictures = {"host": scene.host, "layer": layer, "mask": _grey(shaped)}
    pixels = magick.converted(pictures, arguments)
    return Forged(pixels, _soft(alpha, feather) > VISIBLE, f"feather {feather:.1f}")


def _paste(scene: Scene) -> Forged:
    layer, alpha = _objects_on(scene)
    if scene.recipe.tool.endswith("soft"):
        alpha = _soft(alpha, float(scene.rng.uniform(0.8, 3.0)))
        gains = _colour_gains(scene.host, layer, alpha, float(scene.rng.uniform(0, 0.5)))
        layer = np.clip(layer * gains, 0, 255).astype(np.uint8)
    else:
        alpha = (alpha > 0.5).astype(np.float32)
    picture = Image.fromarray(scene.host)
    picture.paste(Image.fromarray(layer), mask=Image.fromarray((alpha * 255).astype(np.uint8)))
    return Forged(np.asarray(picture), alpha > VISIBLE)


def _copy_move(scene: Scene) -> Forged:
    layer, alpha = _objects_on(scene)
    soft = _soft(alpha, float(scene.rng.uniform(0.6, 1.6)))
    if scene.recipe.shape == "ellipse":
        soft = _soft(alpha, _side(alpha > 0.5) * 0.06)
    return Forged(_blended(scene.host, layer, soft), soft > VISIBLE)


def _moved(picture: np.ndarray, offset: tuple[float, float]) -> np.ndarray:
    """Return the picture moved so that what lay `offset` away lies here."""
    matrix = np.array([[1, 0, -round(offset[0])], [0, 1, -round(offset[1])]], np.float32)
    size = picture.shape[1], picture.shape[0]
    border = cv2.BORDER_REFLECT
    return cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_NEAREST, borderMode=border)


def _heal(scene: Scene) -> Forged:
    mask = _grown(scene.region, _side(scene.region) * 0.05)
    if scene.recipe.tool.startswith("GIMP"):
        return _brushed(scene, mask, "heal")
    source = _moved(scene.host, scene.offset)
    return Forged(_seamless(source, scene.host, mask, cv2.NORMAL_CLONE), _within(mask))


def _brushed(scene: Scene, mask: np.ndarray, tool: str) -> Forged:
    radius = float(np.clip(_side(mask) / scene.rng.uniform(4, 8), 4, 60))
    hardness = float(scene.rng.uniform(0.4, 0.9))
    paths = strokes.over(mask, radius, scene.rng)
    pixels = gimp.painted(scene.host, tool, paths, scene.offset, radius, hardness)
    changed = (pixels != scene.host).any(axis=2)
    closed = ndimage.binary_fill_holes(ndimage.binary_closing(changed, iterations=3))
    return Forged(pixels, np.asarray(closed), f"brush {radius:.0f}, hardness {hardness:.1f}")


def _stamp(scene: Scene) -> Forged:
    mask = _grown(scene.region, _side(scene.region) * 0.05)
    if scene.recipe.tool.startswith("GIMP"):
        return _brushed(scene, mask, "clone")
    radius = float(np.clip(_side(mask) / scene.rng.uniform(3, 6), 4, 80))
    hardness = float(scene.rng.uniform(0.2, 0.7))
    paths = strokes.over(mask, radius, scene.rng)
    pixels, paint = strokes.stamped(scene.host, paths, scene.offset, radius, hardness)
    return Forged(pixels, paint > VISIBLE, f"brush {radius:.0f}, hardness {hardness:.1f}")


def _removal(scene: Scene) -> Forged:
    grow = 0.0 if scene.recipe.shape == "ink" else _side(scene.region) * 0.06 + 1
    mask = _grown(scene.region, grow) if grow else scene.region
    if scene.recipe.tool.endswith("biharmonic"):
        pixels = _biharmonic(scene.host, mask)
        return Forged(pixels, mask)
    flag = cv2.INPAINT_TELEA if scene.recipe.tool.endswith("Telea") else cv2.INPAINT_NS
    radius = int(scene.rng.integers(3, 8))
    pixels = cv2.inpaint(scene.host, mask.astype(np.uint8) * 255, radius, flag)
    return Forged(pixels, mask, f"radius {radius}")


def _biharmonic(host: np.ndarray, mask: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(mask)
    box = int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
    left, top, right, bottom = cutouts.widened(box, host.shape, 0.3)
    window = slice(top, bottom), slice(left, right)
    filled = inpaint_biharmonic(
        host[window], mask[window], split_into_regions=True, channel_axis=-1
    )
    pixels = host.copy()
    pixels[window] = np.clip(filled * 255, 0, 255).round().astype(np.uint8)
    return np.where(mask[..., None], pixels, host)


def _retouch(scene: Scene) -> Forged:
    side = _side(scene.region)
    share = 0.15 if scene.recipe.shape == "ellipse" else 0.008
    alpha = _soft(scene.region.astype(np.float32), max(side * share, 1.0))
    changed, detail = RETOUCHES[scene.recipe.tool](scene.host, scene.region, scene.rng)
    return Forged(_blended(scene.host, changed, alpha), alpha > VISIBLE, detail)


Retouched = tuple[np.ndarray, str]


def _smoothed(host: np.ndarray, region: np.ndarray, rng: np.random.Generator) -> Retouched:
    size = float(np.clip(_side(region) / 25, 2, 9))
    return cv2.bilateralFilter(host, -1, float(rng.uniform(20, 45)), size), f"sigma {size:.1f}"


def _hue(host: np.ndarray, region: np.ndarray, rng: np.random.Generator) -> Retouched:
    hsv = cv2.cvtColor(host, cv2.COLOR_RGB2HSV)
    shift = int(rng.integers(25, 155))
    hsv[..., 0] = (hsv[..., 0].astype(int) + shift) % 180
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), f"hue +{2 * shift} degrees"


def _blurred(host: np.ndarray, region: np.ndarray, rng: np.random.Generator) -> Retouched:
    sigma = float(np.clip(_side(region) / rng.uniform(40, 70), 1.2, 5))
    return magick.converted({"in": host}, ["in", "-blur", f"0x{sigma:.2f}"]), f"sigma {sigma:.1f}"


def _sharpened(host: np.ndarray, region: np.ndarray, rng: np.random.Generator) -> Retouched:
    setting = f"0x{rng.uniform(1, 2.5):.2f}+{rng.uniform(0.9, 2):.2f}+0.02"
    return magick.converted({"in": host}, ["in", "-unsharp", setting]), setting


def _modulated(host: np.ndarray, region: np.ndarray, rng: np.random.Generator) -> Retouched:
    light = rng.choice([rng.uniform(70, 88), rng.uniform(115, 140)])
    setting = f"{light:.0f},{rng.uniform(70, 150):.0f},{rng.uniform(90, 112):.0f}"
    return magick.converted({"in": host}, ["in", "-modulate", setting]), setting


def _levelled(host: np.ndarray, region: np.ndarray, rng: np.random.Generator) -> Retouched:
    gamma = float(rng.choice([rng.uniform(0.6, 0.8), rng.uniform(1.3, 1.7)]))
    table = (255 * (np.arange(256) / 255) ** (1 / gamma)).round().astype(np.uint8)
    return cv2.LUT(host, table), f"gamma {gamma:.2f}"


RETOUCHES: Mapping[str, Callable[[np.ndarray, np.ndarray, np.random.Generator], Retouched]] = {
    "OpenCV bilateral filter": _smoothed,
    "OpenCV hue": _hue,
    "OpenCV gamma": _levelled,
    "ImageMagick blur": _blurred,
    "ImageMagick unsharp": _sharpened,
    "ImageMagick modulate": _modulated,
}
FORGING: Mapping[str, Callable[[Scene], Forged]] = {
    "seamless splice": _seamless_splice,
    "composite": _composite,
    "paste": _paste,
    "copy-move": _copy_move,
    "heal": _heal,
    "stamp": _stamp,
    "removal": _removal,
    "retouch": _retouch,
}
