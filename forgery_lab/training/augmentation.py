"""Crops and mirror images of feature maps, as those of the picture would give them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forgery_lab.errors import DataError
from forgery_lab.training.losses import UNKNOWN
from forgery_pyfunc.features import FAMILIES

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
class Mirror:
    """How a feature map changes when its image is mirrored along one axis.

    Attributes:
        axis: 0 upside down, 1 left to right.
        order: int[C], which channel of the map each channel becomes.
        sign: float32[C], what it is multiplied by.
    """

    axis: int
    order: np.ndarray
    sign: np.ndarray

    def of_features(self, features: np.ndarray) -> np.ndarray:
        """Return the features [h, w, C] of the mirrored image."""
        return np.flip(features, self.axis)[..., self.order] * self.sign

    def of_targets(self, targets: np.ndarray) -> np.ndarray:
        """Return the targets [h, w] of the mirrored image."""
        return np.flip(targets, self.axis)


def mirrors(channels: Sequence[str]) -> tuple[Mirror, Mirror]:
    """Return how maps of these channels change, left to right and upside down.

    Args:
        channels: names, "family:channel".

    Raises:
        DataError: a channel is of a family without a mirror rule.
    """
    return _mirror(channels, 1), _mirror(channels, 0)


def _mirror(channels: Sequence[str], axis: int) -> Mirror:
    places = {name: number for number, name in enumerate(channels)}
    order, sign = np.arange(len(channels)), np.ones(len(channels), np.float32)
    for name, number in places.items():
        family, _, channel = name.partition(":")
        rule = FAMILIES[family].mirror if family in FAMILIES else None
        if rule is None:
            raise DataError(f"no mirror rule is defined for feature family {family}")
        source, sign[number] = rule(channel, axis)
        order[number] = places[f"{family}:{source}"]
    return Mirror(axis, order, sign)


def window(
    features: np.ndarray,
    targets: np.ndarray,
    label: int,
    size: int,
    mirrors: Sequence[Mirror],
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
        mirrors: each is used at every second crop.
        rng: where the randomness comes from.
    """
    top, left = _corner(targets, label, size, rng)
    crop = np.s_[top : top + size, left : left + size]
    seen, truth = features[crop].astype(np.float32), targets[crop].astype(np.float32)
    for mirror in mirrors:
        if rng.random() < 0.5:
            seen, truth = mirror.of_features(seen), mirror.of_targets(truth)
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
