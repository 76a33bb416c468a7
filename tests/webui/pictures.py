"""Pictures and forms that the tests send."""

import io

import numpy as np
from PIL import Image

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def form(*files: tuple[bytes, str], **fields: str) -> dict:
    return {"file": [(io.BytesIO(data), name) for data, name in files], **fields}


def encode(pixels: np.ndarray, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def picture(level: int = 128, kind: str = "JPEG", width: int = 160, height: int = 128) -> bytes:
    """A soft texture around a grey level: dark scores as authentic, bright as forged."""
    y, x = np.mgrid[:height, :width, :1][:2]
    waves = 6 * np.sin(x / 5) * np.cos(y / 7)
    noise = np.random.default_rng(level).normal(0, 1, (height, width, 3))
    return encode(np.clip(level + waves + noise, 0, 255).astype(np.uint8), kind)
