"""A training by several processes on JAX: the gradients of all are averaged over the network.

Sources: https://docs.jax.dev/en/latest/multi_process.html and
https://keras.io/guides/writing_a_custom_training_loop_in_jax/
"""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any

import jax
import keras
import numpy as np
from jax.experimental.multihost_utils import process_allgather
from jax.flatten_util import ravel_pytree
from jax.sharding import NamedSharding, PartitionSpec

from forgery_lab.errors import DataError
from forgery_lab.examples.feature_store import FeatureStore
from forgery_lab.training import validation
from forgery_lab.training.batches import Batch
from forgery_lab.training.validation import Scores


class Replicas:
    """This process as one of a `Team`.

    Its network is its own, and the same as those of all others after every step: each computes the
    gradients of its part of a batch, and the mean of all is applied everywhere.
    """

    compute: Callable[..., Any] | None = None

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
        self.number, self.size = number, size
        devices = [jax.local_devices(process)[0] for process in range(size)]
        mesh = jax.make_mesh((size,), ("process",), devices=devices)
        self.own_row = NamedSharding(mesh, PartitionSpec("process"))
        self.mean = jax.jit(
            lambda rows: rows.mean(0), out_shardings=NamedSharding(mesh, PartitionSpec())
        )

    def steps(self, model: keras.Model, batches: Iterable[Batch]) -> Iterator[Mapping[str, float]]:
        """Take a step per batch, of which each process has its part; yield the losses of each.

        The network itself changes after the last one.
        """
        batches = iter(batches)
        first = next(batches)
        if self.compute is None:
            model.test_on_batch(*first)  # makes the variables of the metrics
            self.compute = jax.jit(partial(_gradients, model))
            self.apply = jax.jit(model.optimizer.stateless_apply)
        model.reset_metrics()
        of_weights, of_optimizer = model.trainable_variables, model.optimizer.variables
        weights, state, rest, metrics = (
            [variable.value for variable in variables]
            for variables in (
                of_weights, of_optimizer, model.non_trainable_variables, model.metrics_variables
            )
        )  # fmt: skip
        for batch in chain([first], batches):
            own, rest = self.compute(weights, rest, metrics, state, *batch)
            gradients, losses = self._averaged(own)
            weights, state = self.apply(state, gradients, weights)
            yield losses
        for variable, value in zip(
            (*of_weights, *of_optimizer, *model.non_trainable_variables),
            (*weights, *state, *rest),
            strict=True,
        ):
            variable.assign(value)

    def _averaged(self, own: Any) -> Any:
        """Return the mean of what all processes have, in the same nest of arrays."""
        flat, unravel = ravel_pytree(own)
        row = np.asarray(flat)[np.newaxis]
        rows = jax.make_array_from_process_local_data(self.own_row, row)
        mean = np.asarray(self.mean(rows))  # of all devices; what follows is work of this one
        return unravel(jax.numpy.asarray(mean))

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
        share = np.arange(self.number, len(store), self.size)
        own = validation.predict(model, store.select(share))
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


def _gradients(
    model: keras.Model, weights: list, rest: list, metrics: list, state: list, *batch: Any
) -> tuple[tuple[list, dict[str, jax.Array]], list]:
    """Return gradients and losses of a batch, and what else of the network has changed."""
    compute = jax.value_and_grad(model.compute_loss_and_updates, has_aux=True)
    (_, (loss, _, rest, metrics)), gradients = compute(
        weights, rest, metrics, *batch, training=True, optimizer_variables=state
    )
    losses = {}
    for metric in model.metrics:
        number = len(metric.variables)
        own, metrics = metrics[:number], metrics[number:]
        losses[metric.name] = loss if metric.name == "loss" else metric.stateless_result(own)
    return (gradients, losses), rest
