"""Who trains: one process, or several that each take a share of every batch."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

import keras

from forgery_lab.examples.feature_store import FeatureStore
from forgery_lab.training import validation
from forgery_lab.training.batches import Batch
from forgery_lab.training.validation import Scores


class Team(Protocol):
    """One of the processes of a training; each has the whole network, and all do the same steps.

    Attributes:
        number: of this process, counted from 0; the first one writes.
        size: processes in all.
    """

    number: int
    size: int

    def agree(self, name: str, value: str) -> None:
        """Compare a value with that of the others.

        Raises:
            DataError: they differ.
        """
        ...

    def steps(self, model: keras.Model, batches: Iterable[Batch]) -> Iterator[Mapping[str, float]]:
        """Take a step per batch, and yield its losses; the network has changed after the last."""
        ...

    def predict(self, model: keras.Model, store: FeatureStore) -> Scores:
        """Return what the network says of examples: the same in every process."""
        ...


class Alone:
    """A training by this process alone."""

    number, size = 0, 1

    def agree(self, name: str, value: str) -> None:
        """Do nothing: there is nobody else."""

    def steps(self, model: keras.Model, batches: Iterable[Batch]) -> Iterator[Mapping[str, float]]:
        """Take a step per batch, and yield its losses.

        One `Model.fit` call with `SwapEMAWeights` and `BackupAndRestore` was tried in its place:
        by turns on the same data it took 1.1 to 1.4 times as long, and its backup keeps neither
        the history nor the weights of the best epoch.
        """
        for batch in batches:
            yield model.train_on_batch(*batch, return_dict=True)

    def predict(self, model: keras.Model, store: FeatureStore) -> Scores:
        """Return what the network says of examples."""
        return validation.predict(model, store)
