"""Crops and flips of feature maps that are what crops and flips of the image would give."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forgery_lab.losses import UNKNOWN

FORGED_CROPS = 0.7
"""Share of a forgery's crops that are laid over a forged block; the others fall anywhere."""

ENOUGH = 4.0
"""Blocks: a crop of a forgery with less forged area, and less than a quarter of the image's
whole forged area, is neither a good example of a forgery nor authentic."""


@dataclass(frozen=True)
class Window:
    """A crop to learn from.

    Attributes:
        features: float32[size, size, C]; NaN outside the image.
        targets: float32[size, size] forged fraction; `losses.UNKNOWN` outside and where unknown.
        label: 0 or 1, of the crop.
        certainty: 0 where the label of the crop cannot be told, else 1.
    """

    features: np.ndarray
    targets: np.ndarray
    label: int
    certainty: float


@dataclass(frozen=True)
class Flip:
    """How the channels change when the image is mirrored: taken from `order`, times `sign`."""

    order: np.ndarray
    sign: np.ndarray


def flips(channels: Sequence[str]) -> tuple[Flip, ...]:
    """Return how the channels change when the image is mirrored left to right, and upside down."""
    return ()


def window(
    features: np.ndarray,
    targets: np.ndarray,
    label: int,
    size: int,
    mirrors: Sequence[Flip],
    rng: np.random.Generator,
) -> Window:
    """Return a random crop of an image's feature map, mirrored at random.

    The crop of a forgery without forged blocks is authentic. Where the mask is unknown, every
    crop keeps the label of the image.

    Args:
        features: float16[h, w, C].
        targets: float16[h, w]; NaN where unknown.
        label: of the image.
        size: rows and columns of the crop, in blocks.
        mirrors: from `flips`; none to mirror nothing.
        rng: where the randomness comes from.
    """
    top, left = _corner(targets, label, size, rng)
    crop = np.s_[top : top + size, left : left + size]
    seen, truth = features[crop].astype(np.float32), targets[crop].astype(np.float32)
    for axis, mirror in zip((1, 0), mirrors, strict=False):
        if rng.random() < 0.5:
            seen = np.flip(seen, axis)[..., mirror.order] * mirror.sign
            truth = np.flip(truth, axis)
    label, certainty = _label(truth, float(np.nansum(targets, dtype=np.float64)), label)
    truth = pad(truth[..., np.newaxis], size, size)[..., 0]
    return Window(pad(seen, size, size), np.nan_to_num(truth, nan=UNKNOWN), label, certainty)


def _corner(
    targets: np.ndarray, label: int, size: int, rng: np.random.Generator
) -> tuple[int, int]:
    room = [max(length - size, 0) for length in targets.shape]
    if label == 1 and any(room) and rng.random() < FORGED_CROPS:
        forged = np.argwhere(targets > 0.5)
        if len(forged):
            centre = forged[rng.integers(len(forged))]
            corner = centre - rng.integers(size, size=2)
            top, left = np.clip(corner, 0, room)
            return int(top), int(left)
    top, left = (rng.integers(most + 1) for most in room)
    return int(top), int(left)


def _label(truth: np.ndarray, whole: float, label: int) -> tuple[int, float]:
    if label == 0 or np.isnan(truth).all():
        return label, 1.0
    forged = float(truth.sum())
    if forged == 0:
        return 0, 1.0
    return 1, float(forged >= min(ENOUGH, whole / 4))


def pad(features: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return float32[height, width, C]: the map in the upper left corner, NaN elsewhere."""
    padded = np.full((height, width, features.shape[2]), np.nan, np.float32)
    padded[: features.shape[0], : features.shape[1]] = features
    return padded
