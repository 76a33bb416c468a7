"""Training of a network on stored features, and its scores on others.

After each epoch everything is in one checkpoint file, so that a training that was killed goes on
from its last finished epoch.
"""

import hashlib
import io
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from forgery_lab.errors import DataError
from forgery_lab.examples.feature_store import FeatureStore
from forgery_lab.files import write_whole
from forgery_lab.training import augmentation, losses

STATISTICS_EXAMPLES = 400
"""Examples from which the mean and deviation of the features are taken."""

PADDING = 8
"""Blocks: maps to be scored are padded to multiples of this, so that few shapes occur."""


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained.

    Attributes:
        epochs: passes over the images, at most; the learning rate falls to 0 over them.
        patience: epochs without a better validation score before the training stops.
        batch_size: windows per step.
        learning_rate: of AdamW, at the start of its cosine.
        weight_decay: of AdamW.
        window: blocks on a side of the crops a block network is trained on; a smaller image is
            padded.
        positive_weight: see `losses.BlockLoss`.
        dice: see `losses.BlockLoss`.
        block_weight: of the blocks' loss beside the image's.
        averaging: momentum of the running mean of the weights, which is what is validated and
            kept; 0 switches it off.
        seed: of order, draws, crops and flips.
    """

    epochs: int = 12
    patience: int = 6
    batch_size: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 4e-3
    window: int = 40
    positive_weight: float = 3.0
    dice: float = 0.3
    block_weight: float = 1.0
    averaging: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Scores:
    """What a network says of examples, in their order.

    Attributes:
        image: float64[n] logits.
        blocks: float32[h, w] logits per example, or None for a network without a map.
    """

    image: np.ndarray
    blocks: list[np.ndarray] | None


@dataclass(frozen=True)
class TrainingResult:
    """A trained network, holding its best weights, and how it came about.

    Attributes:
        model: the network.
        history: a row per epoch: `epoch`, `loss`, `val_auc`, `val_loss`, `seconds`, and for block
            networks `val_block_auc` and `val_block_f1`.
        best_epoch: counted from 1, whose weights the network holds.
        resumed_from: epochs that were already done when this call began.
    """

    model: keras.Model
    history: pd.DataFrame
    best_epoch: int
    resumed_from: int


OnEpoch = Callable[[int, Mapping[str, float]], None]
"""Called with the epoch, counted from 1, and its row of the history."""


class Windows:
    """Batches of one epoch: crops with flips, padded with NaN, targets and class weights.

    The order, the draw taken of each image, crops and flips depend on seed and epoch alone.
    """

    def __init__(
        self,
        store: FeatureStore,
        settings: TrainingSettings,
        outputs: frozenset[str],
        epoch: int,
    ) -> None:
        self.store, self.settings, self.epoch = store, settings, epoch
        self.with_blocks = "blocks" in outputs
        self.order = _epoch_order(store.index, settings.seed, epoch)
        self.mirrors = augmentation.mirrors(store.channels) if self.with_blocks else ()
        share = store.index["label"].mean()
        self.class_weight = (0.5 / (1 - share), 0.5 / share)

    def __len__(self) -> int:
        return batches_per_epoch(self.store, self.settings)

    def __getitem__(self, batch: int) -> tuple[np.ndarray, dict[str, Any], dict[str, Any]]:
        size = self.settings.batch_size
        chosen = self.order[batch * size : (batch + 1) * size]
        windows = [self._window(position) for position in chosen]
        labels = np.array([[w.label] for w in windows], np.float32)
        weights = np.array([w.certainty * self.class_weight[w.label] for w in windows])
        x = np.stack([w.features for w in windows])
        y, sample_weight = {"image": labels}, {"image": weights.astype(np.float32)}
        if self.with_blocks:
            y["blocks"] = np.stack([w.targets for w in windows])[..., np.newaxis]
            sample_weight["blocks"] = np.ones(len(windows), np.float32)
        return x, y, sample_weight

    def _window(self, position: int) -> augmentation.Window:
        label = int(self.store.index["label"].iloc[position])
        features, targets = self.store.features(position), self.store.targets(position)
        if not self.with_blocks:
            return augmentation.Window(features.astype(np.float32), targets, label, 1.0)
        rng = np.random.default_rng([self.settings.seed, self.epoch, position])
        return augmentation.window(
            features, targets, label, self.settings.window, self.mirrors, rng
        )


def batches_per_epoch(store: FeatureStore, settings: TrainingSettings) -> int:
    """Return the whole batches that one draw of every image fills; one at least."""
    return max(store.index["id"].nunique() // settings.batch_size, 1)


def _epoch_order(index: pd.DataFrame, seed: int, epoch: int) -> np.ndarray:
    """Return the positions of one draw of every image, in the order of an epoch."""
    rng = np.random.default_rng([seed, epoch])
    shuffled = rng.permutation(len(index))
    first_of_image = ~index["id"].iloc[shuffled].duplicated().to_numpy()
    return shuffled[first_of_image]


def fit(
    model: keras.Model,
    train: FeatureStore,
    validation: FeatureStore,
    settings: TrainingSettings,
    checkpoint: Path | None = None,
    context: Mapping[str, str] | None = None,
    on_epoch: OnEpoch | None = None,
) -> TrainingResult:
    """Train a new network; return it with the weights of its best epoch.

    Args:
        model: from `networks.build`, untrained; its outputs say which losses it gets.
        train: examples to learn from; each epoch takes one draw of every image.
        validation: examples that choose the epoch; of other sources.
        settings: of the training.
        checkpoint: file that is written before the first and after every epoch, and continued
            from when it is there.
        context: kept in the checkpoint for whoever continues, such as the id of an MLflow run;
            see `resumable`.
        on_epoch: called after every epoch, when its checkpoint is on disk.

    Raises:
        DataError: a class is missing, or the checkpoint is of another training.
    """
    for name, store in (("training", train), ("validation", validation)):
        _check_classes(store, name)
    outputs = frozenset(model.output)
    _compile(model, settings, batches_per_epoch(train, settings))
    state = _State(digest=fingerprint(model, train, validation, settings), context=context or {})
    if checkpoint and checkpoint.is_file():
        state = _restore(checkpoint, model, state.digest)
    else:
        standardize(model, train, settings.seed)
        state.best = model.get_weights()
        _save(checkpoint, model, state)
    resumed_from = len(state.history)
    for epoch in range(resumed_from, settings.epochs):
        if state.since_best >= settings.patience:
            break
        start = time.monotonic()
        mean_losses = _train_once(model, Windows(train, settings, outputs, epoch))
        scores, weights = _validate(model, validation, settings)
        row = {
            "epoch": epoch + 1,
            **mean_losses,
            **scores,
            "seconds": time.monotonic() - start,
        }
        state.add(row, weights)
        _save(checkpoint, model, state)
        if on_epoch:
            on_epoch(epoch + 1, state.history[-1])
    model.set_weights(state.best)
    return TrainingResult(model, pd.DataFrame(state.history), state.best_epoch, resumed_from)


def resumable(
    checkpoint: Path,
    model: keras.Model,
    train: FeatureStore,
    validation: FeatureStore,
    settings: TrainingSettings,
) -> dict[str, str] | None:
    """Return the context of a checkpoint that `fit` would continue, or None where there is none.

    Raises:
        DataError: the checkpoint is of another training.
    """
    if not checkpoint.is_file():
        return None
    note = _read(checkpoint, fingerprint(model, train, validation, settings))[1]
    return dict(note["context"])


def fingerprint(
    model: keras.Model,
    train: FeatureStore,
    validation: FeatureStore,
    settings: TrainingSettings,
) -> str:
    """Return a digest of all that decides how a training goes."""
    content = {
        "network": model.get_config(),
        "settings": asdict(settings),
        "features": train.channels,
        "stores": [train.digest, validation.digest],
        "images": [
            [list(map(str, row)) for row in store.index[["id", "draw", "label"]].to_numpy()]
            for store in (train, validation)
        ],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def standardize(model: keras.Model, store: FeatureStore, seed: int) -> None:
    """Give the network the mean and deviation of the features of some training examples."""
    rng = np.random.default_rng([seed, 0xFEA7])
    chosen = rng.permutation(len(store))[:STATISTICS_EXAMPLES]
    depth = len(store.channels)
    count, total, squares = 0, np.zeros(depth), np.zeros(depth)
    for position in chosen:
        blocks = store.features(position).reshape(-1, depth).astype(np.float64)
        count += len(blocks)
        total += blocks.sum(0)
        squares += (blocks**2).sum(0)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    model.get_layer("standardize").fit(mean, deviation)


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
    logits, forged = (np.concatenate(parts) for parts in zip(*known, strict=True))
    return result | {
        "val_block_auc": float(roc_auc_score(forged, logits)),
        "val_block_f1": _best_f1(forged, logits),
    }


def forged_blocks(scores: Scores, store: FeatureStore) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return float32[n] logits and bool[n] truth of the blocks of each forged image with a mask.

    A block is forged from half of its pixels on. Empty where there is no map, no mask, or one
    kind of block alone.
    """
    if scores.blocks is None:
        return []
    found = []
    for position in np.flatnonzero(store.index["label"] == 1):
        targets = store.targets(int(position))
        if not np.isnan(targets).any():
            found.append((scores.blocks[position].ravel(), (targets >= 0.5).ravel()))
    some = any(forged.any() for _, forged in found)
    return found if some and not all(forged.all() for _, forged in found) else []


def _best_f1(forged: np.ndarray, logits: np.ndarray) -> float:
    found = np.cumsum(forged[np.argsort(-logits)])
    return float((2 * found / (np.arange(1, len(found) + 1) + forged.sum())).max())


def _check_classes(store: FeatureStore, name: str) -> None:
    counts = store.index["label"].value_counts()
    for label, meaning in ((0, "authentic"), (1, "forged")):
        if not counts.get(label):
            raise DataError(f"the {name} set of {len(store)} examples has no {meaning} image")


def _compile(model: keras.Model, settings: TrainingSettings, steps: int) -> None:
    cosine = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps * settings.epochs)
    optimizer = keras.optimizers.AdamW(
        cosine,
        weight_decay=settings.weight_decay,
        clipnorm=1.0,
        use_ema=settings.averaging > 0,
        ema_momentum=settings.averaging or 0.99,
    )
    optimizer.build(model.trainable_variables)
    loss: dict[str, keras.losses.Loss] = {
        "image": keras.losses.BinaryCrossentropy(from_logits=True)
    }
    if "blocks" in model.output:
        loss["blocks"] = losses.BlockLoss(settings.positive_weight, settings.dice)
    model.compile(
        optimizer,
        loss=loss,
        loss_weights={"image": 1.0, "blocks": settings.block_weight} if len(loss) > 1 else None,
        # JAX needs its compiler; TensorFlow's makes these small networks slower on a CPU.
        jit_compile=keras.backend.backend() == "jax",
    )


def _train_once(model: keras.Model, windows: Windows) -> dict[str, float]:
    """Take a step per batch, and return the means of the losses.

    `Model.fit` would put the running mean in the place of the weights after every call, and under
    TensorFlow it stood still for five seconds in every second call.
    """
    totals: dict[str, float] = {}
    for batch in range(len(windows)):
        model.reset_metrics()
        found = model.train_on_batch(*windows[batch], return_dict=True)
        for name, value in found.items():
            totals[name] = totals.get(name, 0.0) + float(value)
    return {name: total / len(windows) for name, total in totals.items()}


def _validate(
    model: keras.Model, validation: FeatureStore, settings: TrainingSettings
) -> tuple[dict[str, float], list[np.ndarray]]:
    """Return the validation scores of the weights that would be kept, and these weights."""
    trained = model.get_weights()
    if settings.averaging:
        model.optimizer.finalize_variable_values(model.trainable_variables)
    kept = model.get_weights()
    model.set_weights(kept)  # copies: under JAX they would share memory with the optimiser's
    scores = validation_scores(predict(model, validation), validation)
    model.set_weights(trained)
    return scores, kept


@dataclass
class _State:
    """What a training remembers beside the variables of network and optimiser."""

    digest: str
    context: Mapping[str, str] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    best: list[np.ndarray] = field(default_factory=list)

    @property
    def best_epoch(self) -> int:
        """The epoch with the best validation score, counted from 1; 0 before the first."""
        return 1 + int(np.argmax([row["val_auc"] for row in self.history])) if self.history else 0

    @property
    def since_best(self) -> int:
        """Epochs since the best one."""
        return len(self.history) - self.best_epoch

    def add(self, row: dict[str, float], weights: list[np.ndarray]) -> None:
        """Note an epoch, and its weights where it is the best so far."""
        self.history.append(row)
        if self.since_best == 0:
            self.best = weights


def _save(checkpoint: Path | None, model: keras.Model, state: _State) -> None:
    """Write everything to a new file that then takes the old one's place."""
    if checkpoint is None:
        return
    note = {"digest": state.digest, "context": dict(state.context), "history": state.history}
    arrays = {"note": np.frombuffer(json.dumps(note).encode(), np.uint8)}
    arrays |= {f"model_{n}": np.asarray(v) for n, v in enumerate(model.variables)}
    arrays |= {f"optimizer_{n}": np.asarray(v) for n, v in enumerate(model.optimizer.variables)}
    arrays |= {f"best_{n}": weights for n, weights in enumerate(state.best)}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    write_whole(checkpoint, buffer.getbuffer())


def _read(checkpoint: Path, digest: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    try:
        with np.load(checkpoint, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        note = json.loads(arrays.pop("note").tobytes())
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"checkpoint {checkpoint} cannot be read: {error}; remove it") from error
    if note["digest"] != digest:
        raise DataError(
            f"checkpoint {checkpoint} is of a training with other settings or data; "
            "remove it to start anew"
        )
    return arrays, note


def _restore(checkpoint: Path, model: keras.Model, digest: str) -> _State:
    arrays, note = _read(checkpoint, digest)
    for kind, variables in (("model", model.variables), ("optimizer", model.optimizer.variables)):
        for number, variable in enumerate(variables):
            variable.assign(arrays[f"{kind}_{number}"])
    best = [arrays[f"best_{number}"] for number in range(len(model.weights))]
    return _State(digest, note["context"], note["history"], best)
