"""The preview that a camera embeds in EXIF, compared with the picture."""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from pydantic import BaseModel, Field

from forgery.evidence import pictures
from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging import decoding
from forgery_pyfunc.imaging.decoding import DecodedImage, oriented
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.imaging.reader import Reader

_LIMITS = Limits(2**20, 2**20)
_SAME_PICTURE = 0.82
_SIDE = 64
_ZOOMS = (0.9, 0.95, 1.0, 1.05, 1.1, 1.2)
_TURNED = {1: "rotated by 90°", 2: "upside down", 3: "rotated by 90°"}


class Thumbnail(BaseModel):
    """The small preview that a camera embeds, compared with the picture."""

    image: str = Field(description="data URI, JPEG")
    differs: bool
    comment: str


@dataclass(frozen=True, eq=False)
class Comparison:
    """A preview without the bars around it, uint8[h, w, 3], against the image.

    `likeness`: correlation of the preview's middle with the best place of the image, 1 for the
    same picture. `turns`: quarter turns, counter-clockwise, that make the image stand as the
    preview does; 0 where they differ.
    """

    preview: np.ndarray
    likeness: float
    turns: int

    @property
    def differs(self) -> bool:
        """Whether the preview shows another picture or a much larger part of it."""
        return self.likeness < _SAME_PICTURE

    @property
    def explanation(self) -> str:
        """What the comparison shows, in a sentence."""
        if self.differs:
            return (
                "The embedded preview shows a different picture, or much more of this one: the "
                "image was changed afterwards."
            )
        if self.turns:
            return (
                f"The embedded preview shows the same picture {_TURNED[self.turns]}: the image was "
                "rotated afterwards."
            )
        return "The embedded preview shows the same picture."


def read_thumbnail(
    stored: bytes, image: DecodedImage, reader: Reader = decoding
) -> Thumbnail | None:
    """Return the embedded thumbnail, None where there is none that can be read."""
    comparison = compare_thumbnail(stored, image, reader)
    if comparison is None:
        return None
    upright = np.ascontiguousarray(oriented(comparison.preview, image.orientation))
    return Thumbnail(
        image=pictures.data_uri(pictures.to_jpeg(upright)),
        differs=comparison.differs,
        comment=comparison.explanation,
    )


def compare_thumbnail(
    stored: bytes, image: DecodedImage, reader: Reader = decoding
) -> Comparison | None:
    """Return the EXIF thumbnail against the image, None where there is none that can be read.

    Cameras put black bars around a preview of another shape, cut a little off, and programs that
    turn a picture often leave its preview as it was: none of that makes it another picture.
    """
    if not stored:
        return None
    try:
        preview = reader.decode(stored, _LIMITS).pixels
    except ImageError:
        return None
    luma = _small(image.luma, 4.0).astype(np.uint8)
    comparisons = [_compare(preview, luma, turns) for turns in range(4)]
    best = max(comparisons, key=lambda each: each.likeness + (0.05 if each.turns == 0 else 0))
    return comparisons[0] if best.differs else best


def _compare(preview: np.ndarray, luma: np.ndarray, turns: int) -> Comparison:
    """Return the preview against luma that is turned; bars around a picture of its shape go."""
    luma = np.ascontiguousarray(np.rot90(luma, turns))
    height, width = preview.shape[:2]
    scale = min(width / luma.shape[1], height / luma.shape[0])
    size = max(1, round(luma.shape[1] * scale)), max(1, round(luma.shape[0] * scale))
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    inner = preview[top : top + size[1], left : left + size[0]]
    template = _middle(_small(inner.mean(2).astype(np.uint8), 1.0))
    best = max(_best_correlation(_small(luma, zoom), template) for zoom in _ZOOMS)
    return Comparison(inner, best, turns)


def _small(luma: np.ndarray, zoom: float) -> np.ndarray:
    """Return float64 of about 64 pixels on the longer side, times `zoom`."""
    factor = zoom * _SIDE / max(luma.shape)
    size = max(1, round(luma.shape[1] * factor)), max(1, round(luma.shape[0] * factor))
    return np.asarray(Image.fromarray(luma).resize(size, Image.Resampling.BOX), np.float64)


def _middle(plane: np.ndarray) -> np.ndarray:
    """Return the middle three quarters of each side."""
    rows, columns = (length // 8 for length in plane.shape)
    return plane[rows : plane.shape[0] - rows, columns : plane.shape[1] - columns]


def _best_correlation(plane: np.ndarray, template: np.ndarray) -> float:
    """Return the highest correlation of a template with any part of a plane; 1 if both plain."""
    if plane.shape[0] < template.shape[0] or plane.shape[1] < template.shape[1]:
        return 0.0
    parts = np.lib.stride_tricks.sliding_window_view(plane, template.shape).reshape(
        -1, template.size
    )
    parts = parts - parts.mean(1, keepdims=True)
    wanted = template.ravel() - template.mean()
    spread = np.sqrt((parts**2).sum(1) * (wanted**2).sum())
    plain = template.size  # a grey level of deviation in both
    if (wanted**2).sum() < plain:
        return 1.0 if ((parts**2).sum(1) < plain).any() else 0.0
    return float((parts @ wanted / np.maximum(spread, plain)).max())
