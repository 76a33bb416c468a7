"""How people pass such pictures on: cut out, scanned from paper, scaled, and encoded."""

from __future__ import annotations

import io

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFilter

_LEAST_SIDE = 200
_ATTEMPTS = 5
_BLANK = 6.0  # standard deviation of the luma


def cut(picture: Image.Image, rng: Generator) -> Image.Image:
    """Return a rectangle of a picture, as a snipping tool takes it, of a third to nine tenths.

    Nobody passes on a blank one, so that one of several is taken, or else the whole picture.
    """
    for _ in range(_ATTEMPTS):
        part = _rectangle(picture, rng)
        if np.asarray(part.convert("L")).std() > _BLANK:
            return part
    return picture


def _rectangle(picture: Image.Image, rng: Generator) -> Image.Image:
    width, height = (int(side * rng.uniform(0.33, 0.9)) for side in picture.size)
    width = max(width, min(_LEAST_SIDE, picture.width))
    height = max(height, min(_LEAST_SIDE, picture.height))
    left = int(rng.integers(picture.width - width + 1))
    top = int(rng.integers(picture.height - height + 1))
    return picture.crop((left, top, left + width, top + height))


def scanned(page: Image.Image, rng: Generator) -> Image.Image:
    """Return a page as a flat-bed scanner or copier gives it: askew, soft, on grainy paper."""
    tone = tuple(int(level) for level in np.array([252, 250, 242]) - rng.integers(0, 22))
    askew = page.rotate(rng.normal(0, 0.8), Image.Resampling.BICUBIC, fillcolor=(255, 255, 255))
    soft = askew.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.1))))
    ink = np.asarray(soft, np.float32) / 255 * np.array(tone, np.float32)
    height, width = ink.shape[:2]
    slope = 1 - rng.uniform(0, 0.12) * np.linspace(0, 1, width)[None, :, None]
    fibre = Image.fromarray(
        rng.normal(128, 40, (height // 3 + 1, width // 3 + 1)).clip(0, 255).astype(np.uint8)
    ).resize((width, height), Image.Resampling.BICUBIC)
    grain = (np.asarray(fibre, np.float32) - 128)[..., None] * rng.uniform(0.02, 0.12)
    noise = rng.normal(0, rng.uniform(0.5, 4), (height, width, 1))
    paper = Image.fromarray((ink * slope + grain + noise).clip(0, 255).astype(np.uint8))
    kind = rng.random()
    if kind < 0.15:  # a fax or a copy in black and white
        return paper.convert("L").point(lambda level: 255 * (level > 150)).convert("RGB")
    return paper.convert("L").convert("RGB") if kind < 0.4 else paper


def encoded(picture: Image.Image, rng: Generator) -> tuple[bytes, str, str]:
    """Return the bytes of a picture as it is shared, the file's ending, and how that was done."""
    steps = []
    if rng.random() < 0.4:
        factor = float(rng.uniform(0.35, 0.95))
        factor = min(1.0, max(factor, _LEAST_SIDE / min(picture.size)))
        width, height = (round(side * factor) for side in picture.size)
        picture = picture.resize((width, height), _KERNELS[rng.integers(len(_KERNELS))])
        steps.append(f"scaled {factor:.2f}")
    if rng.random() < 0.2:  # it was shared before
        quality = int(rng.integers(60, 96))
        picture = Image.open(io.BytesIO(_jpeg(picture, quality, rng))).convert("RGB")
        steps.append(f"JPEG {quality}")
    kind, file = rng.random(), io.BytesIO()
    if kind < 0.30:
        picture.save(file, "PNG")
        return file.getvalue(), ".png", "; ".join([*steps, "PNG"])
    if kind < 0.36:
        picture.quantize(256).save(file, "PNG")
        return file.getvalue(), ".png", "; ".join([*steps, "PNG of 256 colours"])
    quality = int(rng.integers(60, 96))
    if kind < 0.48:
        picture.save(file, "WEBP", quality=quality)
        return file.getvalue(), ".webp", "; ".join([*steps, f"WebP {quality}"])
    return _jpeg(picture, quality, rng), ".jpg", "; ".join([*steps, f"JPEG {quality}"])


_KERNELS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)


def _jpeg(picture: Image.Image, quality: int, rng: Generator) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality, subsampling=int(rng.choice([0, 2, 2])))
    return file.getvalue()
