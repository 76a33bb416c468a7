"""Copies within a picture that were turned, scaled or mirrored, each checked pixel by pixel.

Keypoints are matched with others of the same picture (`keypoints`, `matching`), matches that agree
on one affine map are a group, and a group counts where the map makes the fine detail of one place
equal that of the other, over a compact area (`verification`). Method: Amerini et al., *A SIFT-based
forensic method for copy-move attack detection and transformation recovery*, IEEE TIFS 2011;
verification by the correlation of the warped picture: Pan & Lyu, *Region duplication detection
using image feature matching*, IEEE TIFS 2010.

No network reads this: it is evidence to look at. Things that repeat in the world (two equal chairs,
printed boards) are copies as well.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from forgery_pyfunc.copies import affine_maps, keypoints, matching
from forgery_pyfunc.copies.verification import Verifier

SMALLEST_SIDE = 64
"""Pixels on a side that a picture needs."""

_MOST_PIXELS = 2**18  # that are searched; larger pictures are reduced
_MOST_GROUPS = 8
_FEWEST_MATCHES, _MATCHES_THAT_COUNT = 3, 16
_MOST_UNLIKE = 0.031  # 1 - correlation, times the root of the number of matches
_LEAST_TURN, _LEAST_ENLARGEMENT = 3, 1.04  # that are worth telling; the fit is not exact
_SAME = 0.5  # share of the smaller of two regions in the other


@dataclass(frozen=True, eq=False)
class Copy:
    """Two places of a picture that show the same; which one is the original is not known.

    Attributes:
        source, target: bool[h, w], the two places, on a picture reduced to at most 2¹⁸ pixels;
            `region` enlarges them.
        map: float64[2, 3], from x and y of the source to x and y of the target, in pixels of the
            picture as it is stored.
        correlation: of the fine detail of both places, from -1 to 1.
        matches: places whose keypoints agree on the map, 3 or more.
    """

    source: np.ndarray
    target: np.ndarray
    map: np.ndarray
    correlation: float
    matches: int

    @property
    def mirrored(self) -> bool:
        """Whether the target is a mirror image."""
        return bool(np.linalg.det(self.map[:, :2]) < 0)

    @property
    def scale(self) -> float:
        """Factor from lengths in the source to lengths in the target."""
        return affine_maps.scale_of(self.map)

    @property
    def degrees(self) -> float:
        """Turn from source to target, clockwise, -180 to 180; after mirroring left to right."""
        linear = self.map[:, :2] * ([-1, 1] if self.mirrored else [1, 1])
        turn = np.arctan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1])
        return float(np.rad2deg(turn))

    def in_words(self) -> str:
        """Return what was done to the target: "turned by 12 degrees and enlarged by 1.3"."""
        words = ["mirrored"] if self.mirrored else []
        turn = round(self.degrees)
        if abs(turn) >= _LEAST_TURN:
            way = "" if abs(turn) == 180 else " clockwise" if turn > 0 else " counter-clockwise"
            words.append(f"turned by {abs(turn)} degrees{way}")
        if abs(np.log(self.scale)) > np.log(_LEAST_ENLARGEMENT):
            how = "enlarged by" if self.scale > 1 else "reduced to"
            words.append(f"{how} {self.scale:.2g}")
        if len(words) < 2:
            return "".join(words) or "as it is"
        return f"{', '.join(words[:-1])} and {words[-1]}"


def region(place: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return bool[height, width], the source or target of a copy in a picture of that size."""
    return np.asarray(Image.fromarray(place).resize((width, height), Image.Resampling.NEAREST))


def find_copies(luma: np.ndarray) -> list[Copy]:
    """Return the copies found, the one with most matches first; the same for the same pixels.

    Args:
        luma: uint8[H, W], of a decoded picture; one with a side below `SMALLEST_SIDE` has none.
    """
    if min(luma.shape) < SMALLEST_SIDE:
        return []
    plane = _reduced(luma)
    matches = matching.match(keypoints.find(plane))
    verifier = Verifier(plane)
    found: list[Copy] = []
    for group in matching.groups(matches, _FEWEST_MATCHES, _MOST_GROUPS):
        place = verifier.verify(group.map, group.targets)
        if place is None or place.correlation < _least_correlation(group.size):
            continue
        if verifier.repeats(place):
            continue
        full = affine_maps.in_picture(place.map, plane.shape, luma.shape)
        copy = Copy(place.source, place.target, full, place.correlation, group.size)
        if not any(_is_same(copy, other) for other in found):
            found.append(copy)
    return found


def _reduced(luma: np.ndarray) -> np.ndarray:
    """Return float32[h, w] of at most `_MOST_PIXELS`."""
    image = Image.fromarray(luma)
    factor = (_MOST_PIXELS / luma.size) ** 0.5
    if factor < 1:
        size = [max(round(side * factor), 1) for side in image.size]
        image = image.resize((size[0], size[1]), Image.Resampling.BOX)
    return np.asarray(image, np.float32)


def _least_correlation(matches: int) -> float:
    """Return the correlation that a group of this size must reach: less where more agree."""
    return 1 - _MOST_UNLIKE * min(matches, _MATCHES_THAT_COUNT) ** 0.5


def _is_same(copy: Copy, other: Copy) -> bool:
    """Return whether two copies are of the same two places, in whichever order."""
    pairs = ((copy.source, copy.target), (copy.target, copy.source))
    return any(
        _meet(source, other.source) and _meet(target, other.target) for source, target in pairs
    )


def _meet(one: np.ndarray, other: np.ndarray) -> bool:
    return bool((one & other).sum() > _SAME * min(one.sum(), other.sum()))
