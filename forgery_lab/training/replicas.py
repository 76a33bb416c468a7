"""A training by several processes on JAX: the gradients of all are averaged over the network.

Sources: https://keras.io/api/distribution/ and
https://docs.jax.dev/en/latest/multi_process.html
"""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import jax
import keras
import numpy as np
from jax.experimental.multihost_utils import process_allgather

from forgery_lab.errors import DataError
from forgery_lab.examples.feature_store import FeatureStore
from forgery_lab.training import validation
from forgery_lab.training.validation import Scores

Value = TypeVar("Value")


class Replicas:
    """This process as one of a `Team`; made before the network, whose variables all then share."""

    def __init__(self, address: str, number: int, size: int) -> None:
        """Meet the others.

        Args:
            address: HOST:PORT that the first process opens.
            number: of this process, counted from 0.
            size: processes in all.
        """
        host = address.rpartition(":")[0]
        opened = address if host in ("localhost", "127.0.0.1") else None  # by default, to all
        jax.distributed.initialize(address, size, number, coordinator_bind_address=opened)
        keras.distribution.set_distribution(
            keras.distribution.DataParallel(auto_shard_dataset=False)
        )
        self.number, self.size = number, size
        self.own: keras.Model | None = None

    def agree(self, name: str, value: str) -> None:
        """Compare a value with that of the others.

        Raises:
            DataError: they differ.
        """
        for number, other in enumerate(self.gather(value)):
            if other != value:
                raise DataError(
                    f"{name}: process {number} has {other}, and process {self.number} {value}"
                )

    def predict(self, model: keras.Model, store: FeatureStore) -> Scores:
        """Return what the network says of examples, of which each process takes a share."""
        with _not_distributed():
            if self.own is None:
                self.own = keras.models.clone_model(model)
            self.own.set_weights(model.get_weights())
            share = np.arange(self.number, len(store), self.size)
            own = validation.predict(self.own, store.select(share))
        image = np.empty(len(store))
        blocks: list[np.ndarray] = [np.empty(0)] * len(store)
        for number, part in enumerate(self.gather(own)):
            image[number :: self.size] = part.image
            blocks[number :: self.size] = part.blocks or blocks[number :: self.size]
        return Scores(image, None if own.blocks is None else blocks)

    def gather(self, value: Value) -> list[Value]:
        """Return the values of all processes, by their numbers."""
        content = np.frombuffer(pickle.dumps(value), np.uint8)
        lengths = process_allgather(np.array(len(content), np.int32))
        padded = np.zeros(lengths.max(), np.uint8)
        padded[: len(content)] = content
        return [
            pickle.loads(one[:length].tobytes())  # noqa: S301, the others run this program
            for one, length in zip(process_allgather(padded), lengths, strict=True)
        ]


@contextmanager
def _not_distributed() -> Iterator[None]:
    """Let Keras work on variables and examples of this process alone."""
    shared = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(shared)
