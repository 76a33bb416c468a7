"""The report of a split, which proves what the split claims, and what refuses a bad one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from forgery_lab.data.splits.graph import Links, component_of_image
from forgery_lab.data.splits.partition import MAX_DROPPED, TOLERANCE
from forgery_lab.errors import DataError

LEAK = "share_of_last_sides_forgeries_with_a_source_in_the_first"
"""Key in the report's `disjoint`: 0 for a source-disjoint split."""

_LEAST_IMAGES_PER_CLASS = 3


def report_of(
    manifest: pd.DataFrame, links: Links, side: np.ndarray, names: list[str], cut: int
) -> dict[str, Any]:
    """Return what the sides hold, how far they are disjoint, and what was dropped."""
    label = manifest["label"].to_numpy()
    kind = manifest["kind"].to_numpy(str)
    sizes = np.sort(np.bincount(component_of_image(links, len(manifest))))[::-1]
    dropped = side < 0
    return {
        "basis": links.basis,
        "images": len(manifest),
        "whole": _composition(label, kind, len(label)),
        "sides": {
            name: _composition(label[side == s], kind[side == s], int((~dropped).sum()))
            for s, name in enumerate(names)
        },
        "dropped": {
            "images": int(dropped.sum()),
            "share_of_forgeries": _ratio((dropped & (label == 1)).sum(), (label == 1).sum()),
            "by_kind": _counts(kind[dropped]),
        },
        "components": {
            "number": len(sizes),
            "largest": [int(size) for size in sizes[:5]],
            "cut_by_metis": cut,
        },
        "disjoint": _disjointness(links, side, label),
    }


def beyond_tolerance(report: dict[str, Any]) -> list[str]:
    """Return what is further off the whole than `TOLERANCE`, in words, by the report of a split.

    In a small set one image more or less is tolerated whatever its share.
    """
    whole: dict[str, Any] = report["whole"]
    deviations: list[str] = []
    kept = report["images"] - report["dropped"]["images"]
    for (name, side), share in zip(report["sides"].items(), report["fractions"], strict=True):
        kinds, every = side["kinds_of_forgeries"], whole["kinds_of_forgeries"]
        shares = {
            "images": [("of the images", side["share"], share, kept)],
            "classes": [
                ("of forgeries", side["share_forged"], whole["share_forged"], side["images"])
            ],
            "kinds": [
                (
                    f"of {kind} among the forgeries",
                    kinds.get(kind, 0.0),
                    every[kind],
                    side["forged"],
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
    if report["dropped"]["share_of_forgeries"] > MAX_DROPPED:
        share = report["dropped"]["share_of_forgeries"]
        deviations.append(f"{share:.1%} of the forgeries were dropped, more than {MAX_DROPPED:.0%}")
    return deviations


def _composition(label: np.ndarray, kind: np.ndarray, whole: int) -> dict[str, Any]:
    forged = kind[label == 1]
    return {
        "images": len(label),
        "share": _ratio(len(label), whole),
        "authentic": int((label == 0).sum()),
        "forged": int((label == 1).sum()),
        "share_forged": _ratio((label == 1).sum(), len(label)),
        "by_kind": _counts(kind),
        "kinds_of_forgeries": {k: _ratio(n, len(forged)) for k, n in _counts(forged).items()},
    }


def _disjointness(links: Links, side: np.ndarray, label: np.ndarray) -> dict[str, Any]:
    """Return what an auditor would count: sources and pairs that stand on more than one side."""
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
    return {
        "sources_checked": int((high >= 0).sum()),
        "sources_on_two_sides": int(shared.sum()),
        "near_duplicate_pairs_checked": int(both_kept.sum()),
        "near_duplicate_pairs_on_two_sides": int((both_kept & (ends[:, 0] != ends[:, 1])).sum()),
        LEAK: _ratio((judged & leaking).sum(), judged.sum()),
    }


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


def require_classes(sides: dict[str, dict[str, Any]]) -> None:
    """Raise `DataError` where a side of the report lacks a class."""
    for name, side in sides.items():
        for kind in ("authentic", "forged"):
            if side[kind] == 0:
                raise DataError(
                    f"the split leaves no {kind} image in {name}: too few independent sources "
                    "for a source-disjoint split (if all images share one source, none exists)"
                )


def require_disjoint(proof: dict[str, Any]) -> None:
    """Raise `RuntimeError` where the report shows a source or near-duplicates on two sides."""
    shared = proof["sources_on_two_sides"] + proof["near_duplicate_pairs_on_two_sides"]
    if shared:
        raise RuntimeError(f"the split is not source-disjoint: {proof}")
