"""A training by several processes on JAX: the gradients of all are averaged over the network.

Sources: https://keras.io/api/distribution/ and
https://docs.jax.dev/en/latest/multi_process.html
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager

import jax
import keras
import numpy as np
from jax.experimental.multihost_utils import process_allgather

from forgery_lab.errors import DataError
from forgery_lab.examples.feature_store import FeatureStore
from forgery_lab.training import validation
from forgery_lab.training.validation import Scores


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
        for number, content in enumerate(self.gather(value.encode())):
            if (other := content.decode()) != value:
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
        for number, part in enumerate(map(_read, self.gather(_written(own)))):
            image[number :: self.size] = part.image
            blocks[number :: self.size] = part.blocks or blocks[number :: self.size]
        return Scores(image, None if own.blocks is None else blocks)

    def gather(self, content: bytes) -> list[bytes]:
        """Return the contents of all processes, by their numbers."""
        lengths = process_allgather(np.array(len(content), np.int32))
        padded = np.zeros(lengths.max(), np.uint8)
        padded[: len(content)] = np.frombuffer(content, np.uint8)
        everyone = process_allgather(padded)
        return [one[:length].tobytes() for one, length in zip(everyone, lengths, strict=True)]


def _written(scores: Scores) -> bytes:
    """Return the content of scores, which `_read` reads without pickle: it crosses a network."""
    buffer = io.BytesIO()
    np.savez(buffer, scores.image, *(scores.blocks or ()), allow_pickle=False)
    return buffer.getvalue()


def _read(content: bytes) -> Scores:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        image, *blocks = (file[name] for name in file.files)
    return Scores(image, blocks or None)


@contextmanager
def _not_distributed() -> Iterator[None]:
    """Let Keras work on variables and examples of this process alone."""
    shared = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(shared)
