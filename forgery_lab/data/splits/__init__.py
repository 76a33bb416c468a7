"""Who may learn from what: splits and folds that keep apart what shares a source.

Two images belong together when a source photograph stands in the names of both, or when they are
near-duplicates by perceptual hash. Where such a component is too large for a balanced split
(CASIA 2.0's holds 59 % of the forgeries), METIS cuts it, and the images that straddle the cut are
dropped and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forgery_lab.data.splits.graph import links_of
from forgery_lab.data.splits.partition import partition, shuffle
from forgery_lab.data.splits.proof import (
    Request,
    SplitReport,
    report_of,
    require_classes,
    require_disjoint,
    require_enough,
)
from forgery_lab.errors import DataError

SIDES = ("train", "validation", "test")

SCHEMES = ("source", "random")


@dataclass(frozen=True)
class Splits:
    """A manifest with a column `split` (or `fold`), and the report that proves what it claims."""

    frame: pd.DataFrame
    report: SplitReport


def assign(manifest: pd.DataFrame, scheme: str, fractions: Sequence[float], seed: int) -> Splits:
    """Return the manifest with a column `split`: train, validation, test or dropped.

    `random` (protocol A) ignores sources, as most papers do; its report says how many test
    forgeries share a source with a training image. `source` (protocols B and C) puts no source
    photograph and no near-duplicate on two sides. Both are stratified by class and kind.

    Raises:
        DataError: an unknown scheme, bad fractions, too few images, one source for everything,
            or a class that would vanish from a side.
    """
    if scheme not in SCHEMES:
        raise DataError(f"split scheme {scheme!r} is unknown; allowed: {', '.join(SCHEMES)}")
    if len(fractions) != len(SIDES) or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise DataError(
            f"split fractions are {list(fractions)}; allowed: three positive numbers "
            "(train, validation, test) that sum to 1"
        )
    require_enough(manifest, len(SIDES))
    links = links_of(manifest)
    shares = np.asarray(fractions, float)
    rng = np.random.default_rng(seed)
    if scheme == "random":
        side, cut = shuffle(manifest, shares, rng), 0
    else:
        side, cut = partition(manifest, links, shares, rng, large_to=0)
    names = np.array([*SIDES, "dropped"])
    frame = manifest.assign(split=names[side])
    request = Request(scheme, seed, SIDES, tuple(float(f) for f in fractions))
    report = report_of(request, manifest, links, side, cut)
    require_classes(report.sides)
    if scheme == "source":
        require_disjoint(report.disjoint)
    return Splits(frame, report)


def folds(manifest: pd.DataFrame, k: int, seed: int) -> Splits:
    """Return the manifest with a column `fold`: 0 … k-1, or -1 where a cut dropped the image.

    No source photograph and no near-duplicate lies in two folds.

    Raises:
        DataError: as `assign`, and when `k` is below 2.
    """
    if k < 2:
        raise DataError(f"folds is {k}; allowed: 2 or more")
    require_enough(manifest, k)
    links = links_of(manifest)
    rng = np.random.default_rng(seed)
    side, cut = partition(manifest, links, np.full(k, 1 / k), rng, large_to=None)
    names = tuple(f"fold {i}" for i in range(k))
    report = report_of(Request("folds", seed, names, (1 / k,) * k), manifest, links, side, cut)
    require_classes(report.sides)
    require_disjoint(report.disjoint)
    return Splits(manifest.assign(fold=side.astype(np.int8)), report)
