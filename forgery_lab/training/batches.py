"""What a training step reads: crops of stored features, mirrored and padded, in batches."""

from typing import Any

import numpy as np
import pandas as pd

from forgery_lab.examples.feature_store import FeatureStore
from forgery_lab.training import augmentation
from forgery_lab.training.settings import TrainingSettings

Batch = tuple[np.ndarray, dict[str, Any], dict[str, Any]]
"""Features, targets by output, and sample weights by output."""


WIDER = 2
"""How often the side of a usual window fits into that of a large one; its square fewer large
windows make a batch, which so takes a step as long as the others."""


class Windows:
    """Batches of one epoch: crops with flips, padded with NaN, targets and class weights.

    The order, the draw taken of each image, crops and flips depend on seed and epoch alone, but
    for images whose hardest draw is taken. Some of the images that do not fit into a window are
    read through larger ones, in batches of their own: there the network sees how different the
    parts of a large picture are from each other.

    Args:
        store: of the examples.
        settings: of the training.
        outputs: of the network.
        epoch: counted from 0.
        hardness: float[examples]; of the draws of an image the one with the highest is taken, one
            of several equal ones at random. None: all are equal.
        part: number and count of the equal parts of every batch of which this one is read; what
            cannot be shared out equally is left out.
    """

    def __init__(
        self,
        store: FeatureStore,
        settings: TrainingSettings,
        outputs: frozenset[str],
        epoch: int,
        hardness: np.ndarray | None = None,
        part: tuple[int, int] = (0, 1),
    ) -> None:
        self.part = part
        self.store, self.settings, self.epoch = store, settings, epoch
        self.with_blocks = "blocks" in outputs
        self.order = _epoch_order(store.index, settings.seed, epoch, hardness)
        self.batches = _batches(store.index, self.order, settings, epoch, self.with_blocks)
        self.mirrors = augmentation.mirrors(store.channels) if self.with_blocks else ()
        share = store.index["label"].mean()
        self.class_weight = (0.5 / (1 - share), 0.5 / share)

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, batch: int) -> Batch:
        (whole, size), (number, parts) = self.batches[batch], self.part
        share = len(whole) // parts
        chosen = whole[number * share : (number + 1) * share]
        windows = [self._window(position, size) for position in chosen]
        labels = np.array([[w.label] for w in windows], np.float32)
        weights = np.array([w.certainty * self.class_weight[w.label] for w in windows])
        x = np.stack([w.features for w in windows])
        y, sample_weight = {"image": labels}, {"image": weights.astype(np.float32)}
        if self.with_blocks:
            y["blocks"] = np.stack([w.targets for w in windows])[..., np.newaxis]
            sample_weight["blocks"] = np.ones(len(windows), np.float32)
        return x, y, sample_weight

    def _window(self, position: int, size: int) -> augmentation.Window:
        label = int(self.store.index["label"].iloc[position])
        features, targets = self.store.features(position), self.store.targets(position)
        if not self.with_blocks:
            return augmentation.Window(features.astype(np.float32), targets, label, 1.0)
        rng = np.random.default_rng([self.settings.seed, self.epoch, position])
        return augmentation.window(features, targets, label, size, self.mirrors, rng)


def _batches(
    index: pd.DataFrame,
    order: np.ndarray,
    settings: TrainingSettings,
    epoch: int,
    with_blocks: bool,
) -> list[tuple[np.ndarray, int]]:
    """Return the whole batches of an order, one at least: positions, and the windows' size."""
    rng = np.random.default_rng([settings.seed, epoch, WIDER])
    large = np.zeros(len(order), bool)
    if with_blocks and settings.large_windows:
        longer = index[["rows", "columns"]].max(axis=1).to_numpy()[order]
        large = (longer > settings.window) & (rng.random(len(order)) < settings.large_windows)
    kinds = (
        (order[~large], settings.batch_size, settings.window),
        (order[large], max(settings.batch_size // WIDER**2, 1), settings.window * WIDER),
    )
    batches = [
        (positions[start : start + count], size)
        for positions, count, size in kinds
        for start in range(0, len(positions) - count + 1, count)
    ]
    batches = batches or [(order, settings.window)]
    return [batches[place] for place in rng.permutation(len(batches))] if large.any() else batches


def _epoch_order(
    index: pd.DataFrame, seed: int, epoch: int, hardness: np.ndarray | None
) -> np.ndarray:
    """Return the positions of one draw of every image, in the order of an epoch."""
    rng = np.random.default_rng([seed, epoch])
    shuffled = rng.permutation(len(index))
    if hardness is not None:
        shuffled = shuffled[np.argsort(-hardness[shuffled], kind="stable")]
    first_of_image = ~index["id"].iloc[shuffled].duplicated().to_numpy()
    chosen = shuffled[first_of_image]
    return chosen if hardness is None else rng.permutation(chosen)
