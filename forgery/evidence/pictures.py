"""Maps and photographs as pictures for a page: turned upright, reduced, encoded, as data URIs."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngImageFile

from forgery_pyfunc.imaging.jpeg_encoder import encode

MAX_SIDE = 1280
"""Pixels: larger pictures are reduced to this for display; all analysis uses the full size."""

MASK_LEVEL = 128
"""Level of the common scale from which a pixel belongs to the mask: one half."""

MAP_COLOURS = (
    (0, 255, 214, 80, 0),
    (30, 255, 214, 80, 0),
    (45, 255, 190, 60, 60),
    (60, 255, 120, 30, 140),
    (80, 232, 48, 60, 200),
    (100, 176, 0, 96, 230),
)
"""Percent of the common scale → red, green, blue, opacity, 0 to 255; interpolated in between."""


def to_jpeg(pixels: np.ndarray) -> bytes:
    """Return a JPEG of uint8[H, W, 3] or uint8[H, W], at most 1280 pixels on a side."""
    return encode(np.asarray(_reduced(Image.fromarray(pixels))), quality=88)


def on_common_scale(levels: np.ndarray, probability: float) -> np.ndarray:
    """Return uint8[h, w], levels that mean the same in the maps of all pictures.

    A heat map says where within a picture the evidence is; times the probability that the picture
    was altered, the map of one without signs stays low everywhere.

    Args:
        levels: uint8[H, W], a record's heat map; more than 1280 pixels on a side are reduced.
        probability: of the same record.
    """
    table = np.rint(np.arange(256) * probability).astype(np.uint8)
    return table[np.asarray(_reduced(Image.fromarray(levels)))]


def heat_overlay(levels: np.ndarray) -> bytes:
    """Return a transparent PNG that lays levels of the common scale over a picture, as colours."""
    anchors = np.array(MAP_COLOURS, float)
    steps = np.linspace(0, 100, 256)
    palette = [np.interp(steps, anchors[:, 0], anchors[:, channel]) for channel in range(1, 5)]
    return _paletted(levels, np.stack(palette, axis=1).astype(np.uint8))


def mask_overlay(levels: np.ndarray) -> bytes:
    """Return a transparent PNG that covers where the common scale is at one half or more."""
    palette = np.zeros((256, 4), np.uint8)
    palette[MASK_LEVEL:] = (226, 32, 88, 190)
    return _paletted(levels, palette)


def laid_over(picture: Image.Image, overlay: bytes) -> Image.Image:
    """Return an RGB picture with one of the overlays on it, enlarged to its size."""
    with PngImageFile(io.BytesIO(overlay)) as stored:
        layer = stored.convert("RGBA").resize(picture.size)
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def data_uri(data: bytes) -> str:
    """Return the bytes of a JPEG or PNG as a data URI."""
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def of_data_uri(uri: str) -> bytes:
    """Return the bytes that a data URI holds."""
    return base64.b64decode(uri.partition(";base64,")[2])


def decode_levels(png: str) -> np.ndarray:
    """Return uint8[H, W] from the base64 PNG of a record's `heatmap`."""
    # The plug-in itself: Image.open() refuses what is larger than Pillow's own, fixed limit.
    with PngImageFile(io.BytesIO(base64.b64decode(png))) as stored:
        return np.asarray(stored.convert("L"))


def stretched(levels: np.ndarray, top: float = 99.5) -> np.ndarray:
    """Return uint8 levels stretched so that the given percentile becomes white."""
    white = max(float(np.percentile(levels, top)), 8.0)
    table = np.clip(np.arange(256) * (255 / white), 0, 255).astype(np.uint8)
    return table[levels]


def enlarged(cells: np.ndarray, cell: int) -> np.ndarray:
    """Return uint8[h * cell, w * cell] from a map uint8[h, w] with a value per cell of pixels."""
    return cells.repeat(cell, axis=0).repeat(cell, axis=1)


def contact_sheet(maps: Sequence[np.ndarray], labels: Sequence[str], scale: int) -> np.ndarray:
    """Return uint8[H, W], nine maps uint8[h, w] of one shape in three rows, each with its label."""
    height, width = maps[0].shape
    side = 3
    factor = max(1, min(scale, MAX_SIDE // side // max(height, width)))
    sheet = Image.new("L", (side * width * factor, side * height * factor))
    pen = ImageDraw.Draw(sheet)
    size = max(10, sheet.width // 40)
    for place, (cells, label) in enumerate(zip(maps, labels, strict=True)):
        x, y = place % side * width * factor, place // side * height * factor
        sheet.paste(Image.fromarray(enlarged(cells, factor)), (x, y))
        box = pen.textbbox((x + 3, y + 2), label, font_size=size)
        pen.rectangle((x, y, box[2] + 3, box[3] + 3), fill=0)
        pen.text((x + 3, y + 2), label, fill=255, font_size=size)
    return np.asarray(sheet)


def _reduced(image: Image.Image) -> Image.Image:
    factor = MAX_SIDE / max(image.size)
    if factor >= 1:
        return image
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.BOX)


def _paletted(levels: np.ndarray, palette: np.ndarray) -> bytes:
    image = _reduced(Image.fromarray(levels)).convert("L")
    indexed = Image.frombytes("P", image.size, image.tobytes())
    indexed.putpalette(palette[:, :3].tobytes(), "RGB")
    buffer = io.BytesIO()
    indexed.save(buffer, "PNG", transparency=palette[:, 3].tobytes(), compress_level=6)
    return buffer.getvalue()
