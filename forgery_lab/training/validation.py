"""What a network says of stored examples, and how good that is."""

import math
from dataclasses import dataclass

import keras
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from forgery_lab.examples.feature_store import FeatureStore
from forgery_lab.training import augmentation

PADDING = 8
"""Blocks: maps to be scored are padded to multiples of this, so that few shapes occur."""


@dataclass(frozen=True)
class Scores:
    """What a network says of examples, in their order.

    Attributes:
        image: float64[n] logits.
        blocks: float32[h, w] logits per example, or None for a network without a map.
    """

    image: np.ndarray
    blocks: list[np.ndarray] | None


def predict(model: keras.Model, store: FeatureStore, batch_size: int = 16) -> Scores:
    """Return the network's logits for every example, whole images, in their order."""
    has_map = "blocks" in model.output
    step = PADDING if has_map else 1
    image = np.empty(len(store))
    blocks: list[np.ndarray] = [np.empty(0)] * len(store)
    for positions in _alike(store.index, step, batch_size):
        maps = [store.features(position) for position in positions]
        height, width = (
            step * math.ceil(max(m.shape[axis] for m in maps) / step) for axis in (0, 1)
        )
        batch = np.stack([augmentation.pad(m, height, width) for m in maps])
        answers = model.predict_on_batch(batch)
        image[positions] = answers["image"][:, 0]
        if has_map:
            for position, features, answer in zip(positions, maps, answers["blocks"], strict=True):
                rows, columns = features.shape[:2]
                blocks[position] = answer[:rows, :columns, 0]
    return Scores(image, blocks if has_map else None)


def _alike(index: pd.DataFrame, step: int, batch_size: int) -> list[list[int]]:
    """Return positions in batches whose maps have the same size when padded."""
    rows, columns = -(-index["rows"] // step), -(-index["columns"] // step)
    groups = index.reset_index(drop=True).groupby([rows.to_numpy(), columns.to_numpy()]).indices
    return [
        list(positions[start : start + batch_size])
        for positions in groups.values()
        for start in range(0, len(positions), batch_size)
    ]


def validation_scores(scores: Scores, store: FeatureStore) -> dict[str, float]:
    """Return `val_auc` and `val_loss` of the images, and what is said of blocks where there is.

    `val_block_auc` and `val_block_f1` (best over thresholds) are of the blocks of all forged
    images with masks, where a block is forged from half of its pixels on.
    """
    label = store.index["label"].to_numpy()
    loss = np.where(label == 1, np.logaddexp(0, -scores.image), np.logaddexp(0, scores.image))
    balanced = np.mean([loss[label == side].mean() for side in (0, 1)])
    result = {"val_auc": float(roc_auc_score(label, scores.image)), "val_loss": float(balanced)}
    known = forged_blocks(scores, store)
    if not known:
        return result
    logits, forged = (
        np.concatenate([part.ravel() for part in parts]) for parts in zip(*known, strict=True)
    )
    return result | {
        "val_block_auc": float(roc_auc_score(forged, logits)),
        "val_block_f1": _best_f1(forged, logits),
    }


def forged_blocks(scores: Scores, store: FeatureStore) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return float32[h, w] logits and bool[h, w] truth of each forged image with a mask.

    A block is forged from half of its pixels on. Empty where there is no map, no mask, or one
    kind of block alone.
    """
    if scores.blocks is None:
        return []
    found = []
    for position in np.flatnonzero(store.index["label"] == 1):
        targets = store.targets(int(position))
        if not np.isnan(targets).any():
            found.append((scores.blocks[position], targets >= 0.5))
    some = any(forged.any() for _, forged in found)
    return found if some and not all(forged.all() for _, forged in found) else []


def _best_f1(forged: np.ndarray, logits: np.ndarray) -> float:
    found = np.cumsum(forged[np.argsort(-logits)])
    return float((2 * found / (np.arange(1, len(found) + 1) + forged.sum())).max())
