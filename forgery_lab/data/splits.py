"""Who may learn from what: components of shared sources, splits and folds that keep them apart.

Two images belong together when a source photograph stands in the names of both, or when they are
near-duplicates by perceptual hash. Where such a component is too large for a balanced split
(CASIA 2.0's holds 59 % of the forgeries), METIS cuts it, and the images that straddle the cut are
dropped and counted (Karypis and Kumar, SIAM J. Sci. Comput. 1998).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pymetis
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from forgery_lab.data.manifest import NEAR_DUPLICATE_DISTANCE, near_duplicates
from forgery_lab.errors import DataError

SIDES = ("train", "validation", "test")
SCHEMES = ("source", "random")
LARGE_COMPONENT = 0.05
"""Share of all images above which a component goes to training whole, where balance allows."""

TOLERANCE = {"images": 0.02, "classes": 0.02, "kinds": 0.08}
"""How far a side may be off the whole: its size, its share of forgeries, its share of splices."""

DROPPED, OPEN = -1, -2
"""Sides of an image that a cut dropped, and of one not yet placed."""

LEAK = "share_of_last_sides_forgeries_with_a_source_in_the_first"
"""Key in the report's `disjoint`: 0 for a source-disjoint split."""

MAX_DROPPED = 0.05
"""Share of the forgeries that a cut may drop."""

_CUT_ATTEMPTS = 24
_LEAST_IMAGES_PER_CLASS = 3


@dataclass(frozen=True)
class Splits:
    """A manifest with a column `split` (or `fold`), and the report that proves what it claims."""

    frame: pd.DataFrame
    report: dict[str, Any]


@dataclass(frozen=True)
class _Links:
    """Which sources hold which images: the bipartite graph below every split.

    `image` and `source` are the two ends of each link, int[L]; a near-duplicate cluster that no
    name explains counts as one more source. `pairs` are the near-duplicate pairs, int[P, 2].
    """

    image: np.ndarray
    source: np.ndarray
    sources: int
    pairs: np.ndarray
    basis: str


def components(manifest: pd.DataFrame) -> pd.Series:
    """Return the component of each image, a string Series on the manifest's index.

    A component is named after the first image (by SHA-256) in it, so the name is stable under
    reordering.
    """
    labels = _component_of_image(_links(manifest), len(manifest))
    names = manifest["sha256"].astype(str)
    return names.groupby(labels).transform("min").rename("group")


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
    _require_enough(manifest, len(SIDES))
    links = _links(manifest)
    shares = np.asarray(fractions, float)
    rng = np.random.default_rng(seed)
    if scheme == "random":
        side, cut = _shuffle(manifest, shares, rng), 0
    else:
        side, cut = _partition(manifest, links, shares, rng, large_to=0)
    names = np.array([*SIDES, "dropped"])
    frame = manifest.assign(split=names[side])
    report = {
        "scheme": scheme,
        "seed": seed,
        "fractions": [float(f) for f in fractions],
        **_report(manifest, links, side, list(SIDES), cut),
    }
    report["beyond_tolerance"] = beyond_tolerance(report)
    _require_classes(report["sides"])
    if scheme == "source":
        _require_disjoint(report["disjoint"])
    return Splits(frame, report)


def folds(manifest: pd.DataFrame, k: int, seed: int) -> Splits:
    """Return the manifest with a column `fold`: 0 … k-1, or -1 where a cut dropped the image.

    No source photograph and no near-duplicate lies in two folds.

    Raises:
        DataError: as `assign`, and when `k` is below 2.
    """
    if k < 2:
        raise DataError(f"folds is {k}; allowed: 2 or more")
    _require_enough(manifest, k)
    links = _links(manifest)
    rng = np.random.default_rng(seed)
    side, cut = _partition(manifest, links, np.full(k, 1 / k), rng, large_to=None)
    names = [f"fold {i}" for i in range(k)]
    report = {
        "scheme": "folds",
        "seed": seed,
        "fractions": [1 / k] * k,
        **_report(manifest, links, side, names, cut),
    }
    _require_classes(report["sides"])
    _require_disjoint(report["disjoint"])
    return Splits(manifest.assign(fold=side.astype(np.int8)), report)


def _links(manifest: pd.DataFrame) -> _Links:
    ids = [sorted(set(row)) for row in manifest["source_ids"]]
    known = {name: i for i, name in enumerate(sorted({i for row in ids for i in row}))}
    image = [row for row, names in enumerate(ids) for _ in names]
    source = [known[name] for names in ids for name in names]

    pairs = near_duplicate_pairs(manifest)
    unexplained = [(a, b) for a, b in pairs if not set(ids[a]) & set(ids[b])]
    clusters = _clusters(unexplained, len(ids))
    # An image without any source is a source of its own, unless it belongs to a cluster.
    alone = [row for row, names in enumerate(ids) if not names and row not in clusters]
    offset = len(known)
    for row, cluster in clusters.items():
        image.append(row)
        source.append(offset + cluster)
    offset += len(set(clusters.values()))
    image.extend(alone)
    source.extend(range(offset, offset + len(alone)))

    return _Links(
        np.array(image, int),
        np.array(source, int),
        offset + len(alone),
        pairs,
        _basis(bool(known), _has_hashes(manifest)),
    )


def _basis(has_ids: bool, has_hashes: bool) -> str:
    if has_ids and has_hashes:
        return "source ids in the file names and near-duplicates by perceptual hash"
    if has_ids:
        return "source ids in the file names only: the manifest has no perceptual hashes"
    if has_hashes:
        return "near-duplicates by perceptual hash only: the file names carry no source ids"
    return "nothing: neither source ids nor perceptual hashes, so every image stands alone"


def _has_hashes(manifest: pd.DataFrame) -> bool:
    return "phash" in manifest and bool((manifest["phash"].fillna("") != "").any())


def near_duplicate_pairs(manifest: pd.DataFrame) -> np.ndarray:
    """Return int[P, 2]: positions of near-duplicates, and of byte-identical images in a chain."""
    pairs: set[tuple[int, int]] = set()
    if _has_hashes(manifest):
        hashed = np.flatnonzero((manifest["phash"].fillna("") != "").to_numpy())
        hashes = manifest["phash"].iloc[hashed].tolist()
        for a, b in near_duplicates(hashes, NEAR_DUPLICATE_DISTANCE):
            pairs.add((int(hashed[min(a, b)]), int(hashed[max(a, b)])))
    for rows in manifest.groupby("sha256").indices.values():
        pairs.update((int(a), int(b)) for a, b in zip(sorted(rows), sorted(rows)[1:], strict=False))
    return np.array(sorted(pairs), int).reshape(-1, 2)


def _clusters(pairs: Iterable[tuple[int, int]], images: int) -> dict[int, int]:
    """Return the cluster number of each image that occurs in a pair."""
    ends = np.array(list(pairs), int).reshape(-1, 2)
    if not len(ends):
        return {}
    _, label = _connected(ends, images)
    touched = np.unique(ends)
    _, compact = np.unique(label[touched], return_inverse=True)
    return {int(row): int(cluster) for row, cluster in zip(touched, compact, strict=True)}


def _connected(edges: np.ndarray, vertices: int) -> tuple[int, np.ndarray]:
    ones = np.ones(len(edges), np.int8)
    graph = coo_matrix((ones, (edges[:, 0], edges[:, 1])), shape=(vertices, vertices))
    return connected_components(graph, directed=False)


def _component_of_image(links: _Links, images: int) -> np.ndarray:
    edges = np.column_stack([links.image, images + links.source])
    return _connected(edges, images + links.sources)[1][:images]


def _shuffle(manifest: pd.DataFrame, shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    side = np.empty(len(manifest), int)
    for rows in manifest.groupby("kind", sort=True).indices.values():
        bounds = np.round(np.cumsum(shares) * len(rows)).astype(int)
        side[rng.permutation(rows)] = np.searchsorted(bounds, np.arange(len(rows)), side="right")
    return side


def _partition(
    manifest: pd.DataFrame,
    links: _Links,
    shares: np.ndarray,
    rng: np.random.Generator,
    large_to: int | None,
) -> tuple[np.ndarray, int]:
    """Return the side of each image (or DROPPED) and how many components were cut.

    Components stay whole where that gives a balanced split; otherwise the largest are cut, one
    more at a time, and the first balanced result (or else the best one) is taken.
    """
    strata = pd.get_dummies(manifest["kind"]).to_numpy(float)
    component = _component_of_image(links, len(manifest))
    sizes = np.bincount(component)
    by_size = np.argsort(-sizes, kind="stable")
    cuttable = int((sizes > LARGE_COMPONENT * len(manifest)).sum())
    candidates = []
    for cut in range(cuttable + 1):
        side = np.full(len(manifest), OPEN)
        for large in by_size[:cut]:
            rows = np.flatnonzero(component == large)
            side[rows] = _cut(links, rows, strata, shares, rng)
        whole = _fill(component, strata, side, shares, rng, large_to)
        cost = _cost(whole, strata, manifest["label"].to_numpy(), shares)
        candidates.append((cost, cut, whole))
        if cost <= 1:
            break
    _, cut, best = min(candidates, key=lambda c: (c[0], c[1]))
    return best, cut


def _cut(
    links: _Links,
    rows: np.ndarray,
    strata: np.ndarray,
    shares: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the side of each of `rows`, the images of one component; DROPPED on the cut.

    METIS divides the sources, weighing each by the images it appears in and each pair by the
    images that would be dropped; of several attempts the one with the best balance and the
    fewest dropped images wins.
    """
    position = np.full(int(links.image.max()) + 1, -1)
    position[rows] = np.arange(len(rows))
    mine = position[links.image] >= 0
    image = position[links.image[mine]]
    _, source = np.unique(links.source[mine], return_inverse=True)
    if source.max() + 1 < len(shares):
        return np.full(len(rows), OPEN)
    graph, images_of_edge = _source_graph(image, source)
    degree = np.bincount(image)
    weights = np.bincount(source, weights=12 / degree[image]).astype(int)
    targets = shares[:, None] * strata[rows].sum(0)

    best, best_cost = np.full(len(rows), DROPPED), np.inf
    for _ in range(_CUT_ATTEMPTS):
        options = pymetis.Options(seed=int(rng.integers(2**31)), ufactor=20)
        _, part = pymetis.part_graph(
            len(shares),
            graph,
            eweights=images_of_edge,
            vweights=weights.tolist(),
            tpwgts=shares.tolist(),
            options=options,
        )
        ends = np.asarray(part)[source]
        low, high = np.full(len(rows), len(shares)), np.full(len(rows), -1)
        np.minimum.at(low, image, ends)
        np.maximum.at(high, image, ends)
        side = np.where(low == high, low, DROPPED)
        cost = _imbalance(side, strata[rows], targets) + 2 * (side < 0).sum()
        if cost < best_cost:
            best, best_cost = side, cost
    return best


def _source_graph(image: np.ndarray, source: np.ndarray) -> tuple[pymetis.CSRAdjacency, list[int]]:
    """Return the graph of sources that share an image, and how many images each edge stands for."""
    of_image: dict[int, list[int]] = {}
    for row, vertex in zip(image.tolist(), source.tolist(), strict=True):
        of_image.setdefault(row, []).append(vertex)
    pairs = [pair for ends in of_image.values() for pair in combinations(sorted(ends), 2)]
    ends = np.array(pairs, int).reshape(-1, 2)
    size = int(source.max()) + 1
    one_way = coo_matrix((np.ones(len(ends), int), (ends[:, 0], ends[:, 1])), shape=(size, size))
    graph = (one_way + one_way.T).tocsr()
    adjacency = pymetis.CSRAdjacency(graph.indptr.tolist(), graph.indices.tolist())
    return adjacency, graph.data.tolist()


def _fill(
    component: np.ndarray,
    strata: np.ndarray,
    side: np.ndarray,
    shares: np.ndarray,
    rng: np.random.Generator,
    large_to: int | None,
) -> np.ndarray:
    """Return sides with every component that is still OPEN put where most is missing.

    Large components go first; those above 5 % of all images go to `large_to`, when given.
    """
    side = side.copy()
    kept = side != DROPPED
    targets = shares[:, None] * strata[kept].sum(0)
    have = np.stack([strata[side == s].sum(0) for s in range(len(shares))])
    open_rows = np.flatnonzero(side == OPEN)
    counts = np.zeros((component.max() + 1, strata.shape[1]))
    np.add.at(counts, component[open_rows], strata[open_rows])
    sizes = counts.sum(1)
    order = np.flatnonzero(sizes)
    order = order[np.lexsort((rng.random(len(order)), -sizes[order]))]
    scale = np.maximum(strata[kept].sum(0), 1)
    place = np.full(len(sizes), -1)
    for number in order:
        if large_to is not None and sizes[number] > LARGE_COMPONENT * len(component):
            chosen = large_to
        else:
            # The growth of the squared distance from the targets, relative to side and stratum.
            whole = shares[:, None] * scale
            gap, step = (have - targets) / whole, counts[number] / whole
            growth = ((gap + step) ** 2 - gap**2).sum(1) * shares
            chosen = int(growth.argmin())
        place[number] = chosen
        have[chosen] += counts[number]
    side[open_rows] = place[component[open_rows]]
    return side


def _imbalance(side: np.ndarray, strata: np.ndarray, targets: np.ndarray) -> float:
    have = np.stack([strata[side == s].sum(0) for s in range(len(targets))])
    return float(np.abs(have - targets).sum())


def _cost(side: np.ndarray, strata: np.ndarray, label: np.ndarray, shares: np.ndarray) -> float:
    """Return the worst departure from balance in units of what is tolerated; 1 or less is fine.

    In a small set one image more or less is tolerated whatever its share.
    """
    worst = 0.0
    kept = side >= 0
    forged = label == 1
    overall = forged.mean()
    kinds = strata[forged].mean(0) if forged.any() else strata.mean(0)
    for s, share in enumerate(shares):
        mine = side == s
        if not mine.any() or len(np.unique(label[mine])) < 2:
            return np.inf
        worst = max(
            worst,
            abs(mine.sum() / kept.sum() - share) / max(TOLERANCE["images"], 1.5 / len(label)),
            abs(label[mine].mean() - overall) / max(TOLERANCE["classes"], 1.5 / mine.sum()),
            np.abs(strata[mine & forged].mean(0) - kinds).max()
            / max(TOLERANCE["kinds"], 1.5 / (mine & forged).sum()),
        )
    dropped = (~kept & forged).sum() / max(forged.sum(), 1)
    return max(worst, dropped / MAX_DROPPED)


def _report(
    manifest: pd.DataFrame, links: _Links, side: np.ndarray, names: list[str], cut: int
) -> dict[str, Any]:
    label = manifest["label"].to_numpy()
    kind = manifest["kind"].to_numpy(str)
    sizes = np.sort(np.bincount(_component_of_image(links, len(manifest))))[::-1]
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
    whole, said = report["whole"], []
    kept = report["images"] - report["dropped"]["images"]
    for (name, side), share in zip(report["sides"].items(), report["fractions"], strict=True):
        kinds, every = side["kinds_of_forgeries"], whole["kinds_of_forgeries"]
        found = {
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
        said += [
            f"{name} has a share {what} of {mine:.1%} instead of {wanted:.1%}"
            for part, values in found.items()
            for what, mine, wanted, number in values
            if abs(mine - wanted) > max(TOLERANCE[part], 1.5 / max(number, 1))
        ]
    if report["dropped"]["share_of_forgeries"] > MAX_DROPPED:
        share = report["dropped"]["share_of_forgeries"]
        said.append(f"{share:.1%} of the forgeries were dropped, more than {MAX_DROPPED:.0%}")
    return said


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


def _disjointness(links: _Links, side: np.ndarray, label: np.ndarray) -> dict[str, Any]:
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


def _require_enough(manifest: pd.DataFrame, sides: int) -> None:
    for value, name in ((0, "authentic"), (1, "forged")):
        number = int((manifest["label"] == value).sum())
        if number == 0:
            raise DataError(f"the data set has no {name} image, and a split needs both classes")
        if number < max(_LEAST_IMAGES_PER_CLASS, sides):
            raise DataError(
                f"the data set is too small to split: {number} {name} images for {sides} sides"
            )


def _require_classes(sides: dict[str, dict[str, Any]]) -> None:
    for name, side in sides.items():
        for kind in ("authentic", "forged"):
            if side[kind] == 0:
                raise DataError(
                    f"the split leaves no {kind} image in {name}: too few independent sources "
                    "for a source-disjoint split (if all images share one source, none exists)"
                )


def _require_disjoint(proof: dict[str, Any]) -> None:
    shared = proof["sources_on_two_sides"] + proof["near_duplicate_pairs_on_two_sides"]
    if shared:
        raise RuntimeError(f"the split is not source-disjoint: {proof}")
