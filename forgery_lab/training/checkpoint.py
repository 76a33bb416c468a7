"""The state of a training on disk: one file, from which a training that was killed goes on."""

import io
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from forgery_lab.errors import DataError
from forgery_lab.files import write_whole


@dataclass
class TrainingState:
    """What a training remembers beside the variables of network and optimiser.

    `ended_at` is when its last epoch ended, in seconds since 1970.
    """

    digest: str
    context: Mapping[str, str] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    best: list[np.ndarray] = field(default_factory=list)
    ended_at: float = 0.0

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
        self.ended_at = time.time()
        if self.since_best == 0:
            self.best = weights


def save(checkpoint: Path | None, model: keras.Model, state: TrainingState) -> None:
    """Write everything to a new file that then takes the old one's place."""
    if checkpoint is None:
        return
    note = {
        "digest": state.digest,
        "context": dict(state.context),
        "history": state.history,
        "ended_at": state.ended_at,
    }
    arrays = {"note": np.frombuffer(json.dumps(note).encode(), np.uint8)}
    arrays |= {f"model_{n}": np.asarray(v) for n, v in enumerate(model.variables)}
    arrays |= {f"optimizer_{n}": np.asarray(v) for n, v in enumerate(model.optimizer.variables)}
    arrays |= {f"best_{n}": weights for n, weights in enumerate(state.best)}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    write_whole(checkpoint, buffer.getbuffer(), alone=True)


def read(checkpoint: Path, digest: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays of a checkpoint and its note (`digest`, `context`, `history`).

    Raises:
        DataError: it cannot be read, or is of another training than that of `digest`.
    """
    try:
        with np.load(checkpoint, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        note = json.loads(arrays.pop("note").tobytes())
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"checkpoint {checkpoint} cannot be read: {error}; remove it") from error
    if note["digest"] != digest:
        raise DataError(
            f"checkpoint {checkpoint} belongs to a training run with other settings or data; "
            "remove it to start again"
        )
    return arrays, note


def restore(checkpoint: Path, model: keras.Model, digest: str) -> TrainingState:
    """Give network and optimiser their variables back, and return the rest of the state.

    Raises:
        DataError: as `read`.
    """
    arrays, note = read(checkpoint, digest)
    for kind, variables in (("model", model.variables), ("optimizer", model.optimizer.variables)):
        for number, variable in enumerate(variables):
            variable.assign(arrays[f"{kind}_{number}"])
    best = [arrays[f"best_{number}"] for number in range(len(model.weights))]
    return TrainingState(
        digest, note["context"], note["history"], best, note.get("ended_at", time.time())
    )
