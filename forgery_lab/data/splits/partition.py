"""Images put on sides: at random, or so that no source stands on two of them.

Components stay whole where that gives a balanced split. Otherwise METIS cuts the largest, and the
images that straddle the cut are dropped (Karypis and Kumar, SIAM J. Sci. Comput. 1998).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pymetis
from scipy.sparse import coo_matrix

from forgery_lab.data.splits.graph import Links, component_of_image

LARGE_COMPONENT = 0.05
"""Share of all images above which a component goes to training whole, where balance allows."""

TOLERANCE = {"images": 0.02, "classes": 0.02, "kinds": 0.08}
"""How far a side may be off the whole: its size, its share of forgeries, its share of splices."""

DROPPED, OPEN = -1, -2
"""Sides of an image that a cut dropped, and of one not yet placed."""

MAX_DROPPED = 0.05
"""Share of the forgeries that a cut may drop."""

_CUT_ATTEMPTS = 24


def shuffle(manifest: pd.DataFrame, shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the side of each image, drawn kind by kind whatever their sources."""
    side = np.empty(len(manifest), int)
    for rows in manifest.groupby("kind", sort=True).indices.values():
        bounds = np.round(np.cumsum(shares) * len(rows)).astype(int)
        side[rng.permutation(rows)] = np.searchsorted(bounds, np.arange(len(rows)), side="right")
    return side


def partition(
    manifest: pd.DataFrame,
    links: Links,
    shares: np.ndarray,
    rng: np.random.Generator,
    large_to: int | None,
) -> tuple[np.ndarray, int]:
    """Return the side of each image (or DROPPED) and how many components were cut.

    Components stay whole where that gives a balanced split; otherwise the largest are cut, one
    more at a time, and the first balanced result (or else the best one) is taken.
    """
    strata = pd.get_dummies(manifest["kind"]).to_numpy(float)
    component = component_of_image(links, len(manifest))
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
    links: Links,
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
    in_component = position[links.image] >= 0
    image = position[links.image[in_component]]
    _, source = np.unique(links.source[in_component], return_inverse=True)
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
        inside = side == s
        if not inside.any() or len(np.unique(label[inside])) < 2:
            return np.inf
        worst = max(
            worst,
            abs(inside.sum() / kept.sum() - share) / max(TOLERANCE["images"], 1.5 / len(label)),
            abs(label[inside].mean() - overall) / max(TOLERANCE["classes"], 1.5 / inside.sum()),
            np.abs(strata[inside & forged].mean(0) - kinds).max()
            / max(TOLERANCE["kinds"], 1.5 / (inside & forged).sum()),
        )
    dropped = (~kept & forged).sum() / max(forged.sum(), 1)
    return max(worst, dropped / MAX_DROPPED)
