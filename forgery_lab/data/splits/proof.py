"""The report of a split, which proves what the split claims, and what refuses a bad one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from forgery_lab.data.splits.graph import Links, component_of_image
from forgery_lab.data.splits.partition import MAX_DROPPED, TOLERANCE
from forgery_lab.errors import DataError

_LEAST_IMAGES_PER_CLASS = 3


@dataclass(frozen=True)
class Composition:
    """What a side, or the whole, holds; `share` is that of the images that were not dropped."""

    images: int
    share: float
    authentic: int
    forged: int
    share_forged: float
    by_kind: dict[str, int]
    kinds_of_forgeries: dict[str, float]


@dataclass(frozen=True)
class Dropped:
    """The images that straddle a cut."""

    images: int
    share_of_forgeries: float
    by_kind: dict[str, int]


@dataclass(frozen=True)
class Components:
    """The components of images that belong together; `largest` are the sizes of the first five."""

    number: int
    largest: tuple[int, ...]
    cut_by_metis: int


@dataclass(frozen=True)
class Disjointness:
    """What an auditor would count: sources and pairs that stand on more than one side.

    The last share, of forgeries of the last side, is 0 for a source-disjoint split.
    """

    sources_checked: int
    sources_on_two_sides: int
    near_duplicate_pairs_checked: int
    near_duplicate_pairs_on_two_sides: int
    share_of_last_sides_forgeries_with_a_source_in_the_first: float


@dataclass(frozen=True)
class SplitReport:
    """What the sides of a split hold, how far they are disjoint, and what was dropped.

    Attributes:
        scheme, seed, fractions: what was asked for.
        basis: what ties images together, in words.
        images: number of all.
        whole: all images.
        sides: images of each side, by its name.
        dropped: images of no side.
        components: of images that belong together.
        disjoint: the proof.
    """

    scheme: str
    seed: int
    fractions: tuple[float, ...]
    basis: str
    images: int
    whole: Composition
    sides: dict[str, Composition]
    dropped: Dropped
    components: Components
    disjoint: Disjointness

    def beyond_tolerance(self) -> list[str]:
        """Return what is further off the whole than `TOLERANCE`, in words.

        In a small set one image more or less is tolerated whatever its share.
        """
        whole = self.whole
        deviations: list[str] = []
        kept = self.images - self.dropped.images
        for (name, side), share in zip(self.sides.items(), self.fractions, strict=True):
            kinds, every = side.kinds_of_forgeries, whole.kinds_of_forgeries
            shares = {
                "images": [("of the images", side.share, share, kept)],
                "classes": [("of forgeries", side.share_forged, whole.share_forged, side.images)],
                "kinds": [
                    (
                        f"of {kind} among the forgeries",
                        kinds.get(kind, 0.0),
                        every[kind],
                        side.forged,
                    )
                    for kind in every
                ],
            }
            deviations += [
                f"{name} has a share {of} of {actual:.1%} instead of {expected:.1%}"
                for part, values in shares.items()
                for of, actual, expected, number in values
                if abs(actual - expected) > max(TOLERANCE[part], 1.5 / max(number, 1))
            ]
        if self.dropped.share_of_forgeries > MAX_DROPPED:
            share = self.dropped.share_of_forgeries
            deviations.append(
                f"{share:.1%} of the forgeries were dropped, more than {MAX_DROPPED:.0%}"
            )
        return deviations

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, ready for JSON."""
        return {**asdict(self), "beyond_tolerance": self.beyond_tolerance()}


@dataclass(frozen=True)
class Request:
    """What a split was asked for: its scheme, seed, names of the sides and their shares."""

    scheme: str
    seed: int
    names: tuple[str, ...]
    fractions: tuple[float, ...]


def report_of(
    request: Request, manifest: pd.DataFrame, links: Links, side: np.ndarray, cut: int
) -> SplitReport:
    """Return the report of a split by the number of each image's side, -1 where it was dropped."""
    label = manifest["label"].to_numpy()
    kind = manifest["kind"].to_numpy(str)
    sizes = np.sort(np.bincount(component_of_image(links, len(manifest))))[::-1]
    dropped = side < 0
    return SplitReport(
        scheme=request.scheme,
        seed=request.seed,
        fractions=request.fractions,
        basis=links.basis,
        images=len(manifest),
        whole=_composition(label, kind, len(label)),
        sides={
            name: _composition(label[side == s], kind[side == s], int((~dropped).sum()))
            for s, name in enumerate(request.names)
        },
        dropped=Dropped(
            images=int(dropped.sum()),
            share_of_forgeries=_ratio((dropped & (label == 1)).sum(), (label == 1).sum()),
            by_kind=_counts(kind[dropped]),
        ),
        components=Components(
            number=len(sizes),
            largest=tuple(int(size) for size in sizes[:5]),
            cut_by_metis=cut,
        ),
        disjoint=_disjointness(links, side, label),
    )


def _composition(label: np.ndarray, kind: np.ndarray, whole: int) -> Composition:
    forged = kind[label == 1]
    return Composition(
        images=len(label),
        share=_ratio(len(label), whole),
        authentic=int((label == 0).sum()),
        forged=int((label == 1).sum()),
        share_forged=_ratio((label == 1).sum(), len(label)),
        by_kind=_counts(kind),
        kinds_of_forgeries={k: _ratio(n, len(forged)) for k, n in _counts(forged).items()},
    )


def _disjointness(links: Links, side: np.ndarray, label: np.ndarray) -> Disjointness:
    kept = side[links.image] >= 0
    image, source = links.image[kept], links.source[kept]
    low, high = np.full(links.sources, np.iinfo(int).max), np.full(links.sources, -1)
    np.minimum.at(low, source, side[image])
    np.maximum.at(high, source, side[image])
    shared = (high >= 0) & (low != high)
    ends = side[links.pairs] if len(links.pairs) else np.zeros((0, 2), int)
    both_kept = (ends >= 0).all(1)

    last = side.max()
    learnt = np.zeros(links.sources, bool)
    learnt[links.source[side[links.image] == 0]] = True
    leaking = np.zeros(len(side), bool)
    leaking[links.image[learnt[links.source]]] = True
    judged = (side == last) & (label == 1)
    return Disjointness(
        sources_checked=int((high >= 0).sum()),
        sources_on_two_sides=int(shared.sum()),
        near_duplicate_pairs_checked=int(both_kept.sum()),
        near_duplicate_pairs_on_two_sides=int((both_kept & (ends[:, 0] != ends[:, 1])).sum()),
        share_of_last_sides_forgeries_with_a_source_in_the_first=_ratio(
            (judged & leaking).sum(), judged.sum()
        ),
    )


def _counts(values: np.ndarray) -> dict[str, int]:
    names, numbers = np.unique(values.astype(str), return_counts=True)
    return {str(name): int(number) for name, number in zip(names, numbers, strict=True)}


def _ratio(part: Any, whole: Any) -> float:
    return round(float(part) / float(whole), 4) if whole else 0.0


def require_enough(manifest: pd.DataFrame, sides: int) -> None:
    """Raise `DataError` where a class has too few images for so many sides."""
    for value, name in ((0, "authentic"), (1, "forged")):
        number = int((manifest["label"] == value).sum())
        if number == 0:
            raise DataError(f"the data set has no {name} image, and a split needs both classes")
        if number < max(_LEAST_IMAGES_PER_CLASS, sides):
            raise DataError(
                f"the data set is too small to split: {number} {name} images for {sides} sides"
            )


def require_classes(sides: dict[str, Composition]) -> None:
    """Raise `DataError` where a side of the report lacks a class."""
    for name, side in sides.items():
        for kind, number in (("authentic", side.authentic), ("forged", side.forged)):
            if number == 0:
                raise DataError(
                    f"the split leaves no {kind} image in {name}: too few independent sources "
                    "for a source-disjoint split (if all images share one source, none exists)"
                )


def require_disjoint(proof: Disjointness) -> None:
    """Raise `RuntimeError` where the report shows a source or near-duplicates on two sides."""
    shared = proof.sources_on_two_sides + proof.near_duplicate_pairs_on_two_sides
    if shared:
        raise RuntimeError(f"the split is not source-disjoint: {proof}")
