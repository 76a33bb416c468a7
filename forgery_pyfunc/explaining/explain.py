"""From an image and its logits to the explanation of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from forgery_pyfunc.explaining import copied, grain
from forgery_pyfunc.explaining.contributions import contributions
from forgery_pyfunc.explaining.saves import Levels
from forgery_pyfunc.explanation import (
    SPEAKS,
    STRONG,
    Box,
    Contribution,
    Copy,
    Explanation,
    Kind,
    Marked,
    Noise,
    Saves,
)
from forgery_pyfunc.features import FAMILIES, blocks
from forgery_pyfunc.imaging.decoding import DecodedImage

CUT = 0.5
"""Of the map, from which a block is marked."""

_KINDS: dict[str, Kind] = {
    "copymove": "copy",
    "double_jpeg": "compression",
    "dct": "compression",
    "residual": "noise",
    "ela": "noise",
}


@dataclass(frozen=True, eq=False)
class Judged:
    """An image, and what the network was shown of it and answered.

    Attributes:
        image: the part inside of uniform borders.
        families: in the order of the features.
        features: float32[h, w, C].
        logit: calibrated log odds of the image.
        probabilities: float[h, w], the map; None where the network has none.
    """

    image: DecodedImage
    families: Sequence[str]
    features: np.ndarray
    logit: float
    probabilities: np.ndarray | None

    def of(self, family: str) -> np.ndarray:
        """Return the features of one family, float32[h, w, its channels]."""
        ends = np.cumsum([len(FAMILIES[name].channels) for name in self.families])
        parts = np.split(self.features, ends[:-1], axis=2)
        return parts[list(self.families).index(family)]


def explain(
    judged: Judged, network: Callable[[np.ndarray], float], shown: Callable[[Box], Box]
) -> Explanation:
    """Return why an image has its logit.

    Args:
        judged: the image.
        network: gives the calibrated log odds of any features.
        shown: from a box in the pixels of `judged.image` to one of the picture as displayed.
    """
    numbers = {name: len(FAMILIES[name].channels) for name in judged.families}
    base, added = contributions(judged.features, numbers, judged.logit, network)
    speaking = {name for name, logit in added.items() if logit >= SPEAKS}
    marked = np.zeros(judged.image.luma.shape, bool)
    if judged.probabilities is not None:
        marked = judged.probabilities >= CUT
    copies: tuple[Copy, ...] = ()
    saves = noise = None
    if marked.any():
        if "copymove" in speaking:
            pairs = copied.find(judged.image, marked)
            copies = tuple(_copy(pair, judged.image, shown) for pair in pairs)
        if speaking & {"double_jpeg", "dct", "residual"}:
            saves = _saves(judged.image, marked)
        if "residual" in judged.families and "residual" in speaking:
            noise = _noise(judged.of("residual"), marked)
    return Explanation(
        logit=judged.logit,
        base=base,
        contributions=tuple(Contribution(name, logit) for name, logit in added.items()),
        kind=_kind(added, copies),
        marked=Marked(float(marked.mean()), shown(_around(marked))) if marked.any() else None,
        copies=copies,
        saves=saves,
        noise=noise,
    )


def _kind(added: dict[str, float], copies: Sequence[Copy]) -> Kind | None:
    """Return what most of the evidence is.

    A copy outweighs the rest, be it found or strongly felt by its family: its earlier saves and its
    grain differ from what is around it, too, so the other families may well say more.
    """
    if copies or added.get("copymove", 0.0) >= STRONG:
        return "copy"
    leading = max(added, key=lambda name: added[name])
    return _KINDS[leading] if added[leading] > 0 else None


def _around(marked: np.ndarray) -> Box:
    """Return the box, in pixels, around the blocks of a mask."""
    rows, columns = (np.flatnonzero(marked.any(axis)) for axis in (1, 0))
    size = blocks.SIZE
    return Box(
        size * int(columns[0]),
        size * int(rows[0]),
        size * int(columns[-1] + 1),
        size * int(rows[-1] + 1),
    )


def _copy(pair: copied.Pair, image: DecodedImage, shown: Callable[[Box], Box]) -> Copy:
    """Return a pair of places as boxes; both lose what one has outside of the image."""
    box = _around(pair.place)
    left, right = max(box.left, -pair.right), min(box.right, image.width - pair.right)
    top, bottom = max(box.top, -pair.down), min(box.bottom, image.height - pair.down)
    one = Box(left, top, right, bottom)
    other = Box(left + pair.right, top + pair.down, right + pair.right, bottom + pair.down)
    return Copy(shown(one), shown(other), pair.likeness)


def _saves(image: DecodedImage, marked: np.ndarray) -> Saves | None:
    rest, part = Levels.of(image, ~marked), Levels.of(image, marked)
    if rest is None or part is None:
        return None
    of_rest, of_part = rest.earlier_save(), part.earlier_save()
    if of_rest is None and of_part is None:
        return None
    return Saves(
        of_rest.quality if of_rest else None,
        of_part.quality if of_part else None,
        of_rest.evidence if of_rest else None,
        part.evidence_of(of_rest) if of_rest else None,
    )


def _noise(features: np.ndarray, marked: np.ndarray) -> Noise | None:
    strength, error = grain.grain_ratio(features, marked), grain.error_ratio(features, marked)
    return None if strength is None or error is None else Noise(strength, *error)
