"""Which images belong together: shared source photographs and near-duplicates.

Sources and images make a bipartite graph; its connected components may not be divided, or only by
dropping images.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from forgery_lab.data.near_duplicates import near_duplicates


@dataclass(frozen=True)
class Links:
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
    labels = component_of_image(links_of(manifest), len(manifest))
    names = manifest["sha256"].astype(str)
    return names.groupby(labels).transform("min").rename("group")


def links_of(manifest: pd.DataFrame) -> Links:
    """Return which sources hold which images of a manifest."""
    ids = [sorted(set(row)) for row in manifest["source_ids"]]
    number_of = {name: i for i, name in enumerate(sorted({i for row in ids for i in row}))}
    image = [row for row, names in enumerate(ids) for _ in names]
    source = [number_of[name] for names in ids for name in names]

    pairs = near_duplicate_pairs(manifest)
    unexplained = [(a, b) for a, b in pairs if not set(ids[a]) & set(ids[b])]
    clusters = _clusters(unexplained, len(ids))
    # An image without any source is a source of its own, unless it belongs to a cluster.
    alone = [row for row, names in enumerate(ids) if not names and row not in clusters]
    offset = len(number_of)
    for row, cluster in clusters.items():
        image.append(row)
        source.append(offset + cluster)
    offset += len(set(clusters.values()))
    image.extend(alone)
    source.extend(range(offset, offset + len(alone)))

    return Links(
        np.array(image, int),
        np.array(source, int),
        offset + len(alone),
        pairs,
        _basis(bool(number_of), _has_hashes(manifest)),
    )


def _basis(has_ids: bool, has_hashes: bool) -> str:
    if has_ids and has_hashes:
        return "source ids in the file names and near-duplicates by perceptual hash"
    if has_ids:
        return "source ids in the file names only: the manifest has no perceptual hashes"
    if has_hashes:
        return "near-duplicates by perceptual hash only: the file names contain no source ids"
    return "nothing: neither source ids nor perceptual hashes, so every image counts as independent"


def _has_hashes(manifest: pd.DataFrame) -> bool:
    return "phash" in manifest and bool((manifest["phash"].fillna("") != "").any())


def near_duplicate_pairs(manifest: pd.DataFrame) -> np.ndarray:
    """Return int[P, 2]: positions of near-duplicates, and of byte-identical images in a chain."""
    pairs: set[tuple[int, int]] = set()
    if _has_hashes(manifest):
        hashed = np.flatnonzero((manifest["phash"].fillna("") != "").to_numpy())
        hashes = manifest["phash"].iloc[hashed].tolist()
        for a, b in near_duplicates(hashes):
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


def component_of_image(links: Links, images: int) -> np.ndarray:
    """Return the number of the component that each image belongs to, int[images]."""
    edges = np.column_stack([links.image, images + links.source])
    return _connected(edges, images + links.sources)[1][:images]
