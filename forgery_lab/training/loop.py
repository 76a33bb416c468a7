"""Training of a network on stored features; every epoch ends with its scores and a checkpoint."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
import pandas as pd

from forgery_lab.errors import DataError
from forgery_lab.examples.feature_store import FeatureStore
from forgery_lab.training import checkpoint as checkpoints
from forgery_lab.training import losses
from forgery_lab.training.batches import Batch, Windows
from forgery_lab.training.checkpoint import TrainingState
from forgery_lab.training.settings import TrainingSettings
from forgery_lab.training.team import Alone, Team
from forgery_lab.training.validation import validation_scores

STATISTICS_EXAMPLES = 400
"""Examples from which the mean and deviation of the features are taken."""
MINED_EXAMPLES = 600
"""Authentic images, drawn anew for every epoch, among whose variants the hardest are looked for."""


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


class TrainingExamples(Protocol):
    """Examples to learn from, maybe more in later epochs; a `FeatureStore` is one."""

    def at_epoch(self, epoch: int) -> FeatureStore:
        """Return those of an epoch, counted from 0: the same for every call."""
        ...


OnEpoch = Callable[[int, Mapping[str, float], float], None]
"""Called with the epoch, counted from 1, its row of the history, and when it ended (Unix time)."""


def fit(
    model: keras.Model,
    train: TrainingExamples,
    validation: FeatureStore,
    settings: TrainingSettings,
    checkpoint: Path | None = None,
    context: Mapping[str, str] | None = None,
    on_epoch: OnEpoch | None = None,
    team: Team | None = None,
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
        on_epoch: called after every epoch, when its checkpoint is on disk; by a training that is
            continued again with the last one, since a killed process may not have come to it.
        team: the processes that train together, by default this one alone. All call this with the
            same arguments; the first alone writes the checkpoint and calls `on_epoch`.

    Raises:
        DataError: a class is missing, or the checkpoint is of another training.
    """
    team = team or Alone()
    first = train.at_epoch(0)
    for name, store in (("training", first), ("validation", validation)):
        _check_classes(store, name)
    outputs = frozenset(model.output)
    _compile(model, settings, len(Windows(first, settings, outputs, 0)))
    written = checkpoint if team.number == 0 else None
    state = TrainingState(
        digest=fingerprint(model, train, validation, settings), context=context or {}
    )
    if checkpoint and checkpoint.is_file():
        state = checkpoints.restore(checkpoint, model, state.digest)
    else:
        standardize(model, first, settings.seed)
        state.best = model.get_weights()
        checkpoints.save(written, model, state)
    resumed_from = len(state.history)
    team.agree("training", f"{state.digest[:16]} after epoch {resumed_from}")
    if team.number > 0:
        on_epoch = None
    if on_epoch and resumed_from:
        on_epoch(resumed_from, state.history[-1], state.ended_at)
    for epoch in range(resumed_from, settings.epochs):
        if state.since_best >= settings.patience:
            break
        start = time.monotonic()
        examples = train.at_epoch(epoch)
        hardness = _hardness(model, examples, settings, epoch, team)
        windows = Windows(examples, settings, outputs, epoch, hardness, (team.number, team.size))
        mean_losses = _train_once(model, windows, team)
        scores, weights = _validate(model, validation, settings, team)
        row = {
            "epoch": epoch + 1,
            **mean_losses,
            **scores,
            "seconds": time.monotonic() - start,
        }
        state.add(row, weights)
        checkpoints.save(written, model, state)
        if on_epoch:
            on_epoch(epoch + 1, state.history[-1], state.ended_at)
    model.set_weights(state.best)
    return TrainingResult(model, pd.DataFrame(state.history), state.best_epoch, resumed_from)


def resumable(
    checkpoint: Path,
    model: keras.Model,
    train: TrainingExamples,
    validation: FeatureStore,
    settings: TrainingSettings,
) -> dict[str, str] | None:
    """Return the context of a checkpoint that `fit` would continue, or None where there is none.

    Raises:
        DataError: the checkpoint is of another training.
    """
    if not checkpoint.is_file():
        return None
    note = checkpoints.read(checkpoint, fingerprint(model, train, validation, settings))[1]
    return dict(note["context"])


def fingerprint(
    model: keras.Model,
    train: TrainingExamples,
    validation: FeatureStore,
    settings: TrainingSettings,
) -> str:
    """Return a digest of all that decides how a training goes."""
    first = train.at_epoch(0)
    content = {
        "network": model.get_config(),
        "settings": asdict(settings),
        "features": first.channels,
        "stores": [first.digest, validation.digest],
        "images": [
            [list(map(str, row)) for row in store.index[["id", "draw", "label"]].to_numpy()]
            for store in (first, validation)
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


def _hardness(
    model: keras.Model, train: FeatureStore, settings: TrainingSettings, epoch: int, team: Team
) -> np.ndarray | None:
    """Return how much the network takes some of the images that are mined for forged."""
    if not settings.mined:
        return None
    mined = (train.index["kind"] == settings.mined) & (train.index["label"] == 0)
    images = train.index.loc[mined, "id"].unique()
    some = np.random.default_rng([settings.seed, epoch]).permutation(images)[:MINED_EXAMPLES]
    chosen = np.flatnonzero(mined & train.index["id"].isin(some))
    hardness = np.zeros(len(train))
    hardness[chosen] = team.predict(model, train.select(chosen)).image
    return hardness


def _train_once(model: keras.Model, windows: Windows, team: Team) -> dict[str, float]:
    """Take a step per batch, and return the means of the losses."""
    totals: dict[str, float] = {}
    for found in team.steps(model, _read_ahead(windows)):
        for name, value in found.items():
            totals[name] = totals.get(name, 0.0) + float(value)
    return {name: total / len(windows) for name, total in totals.items()}


def _read_ahead(windows: Windows) -> Iterator[Batch]:
    """Yield the batches; while the optimiser works on one, the next is made."""
    with ThreadPoolExecutor(1) as reader:
        upcoming = reader.submit(windows.__getitem__, 0)
        for number in range(1, len(windows) + 1):
            batch = upcoming.result()
            if number < len(windows):
                upcoming = reader.submit(windows.__getitem__, number)
            yield batch


def _validate(
    model: keras.Model, validation: FeatureStore, settings: TrainingSettings, team: Team
) -> tuple[dict[str, float], list[np.ndarray]]:
    """Return the validation scores of the weights that would be kept, and these weights."""
    trained = model.get_weights()
    if settings.averaging:
        model.optimizer.finalize_variable_values(model.trainable_variables)
    kept = model.get_weights()
    model.set_weights(kept)  # copies: under JAX they would share memory with the optimiser's
    scores = validation_scores(team.predict(model, validation), validation)
    model.set_weights(trained)
    return scores, kept
