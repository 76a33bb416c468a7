# What `build`, `call` and `get_config` of a layer mean is said by Keras.
# ruff: noqa: D102
"""The Keras networks, by name: the block network of this project and the field's usual ELA CNN.

Only `keras` and `keras.ops` are used, so that the same code trains under TensorFlow and JAX.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from forgery_lab.errors import DataError

Tensor = Any  # a symbolic or concrete tensor of whichever backend Keras runs on

_serialisable = keras.saving.register_keras_serializable(package="forgery")


@_serialisable
class Standardize(layers.Layer):
    """Features of zero mean and unit deviation, `float32[N, h, w, C]`; blocks of NaN become 0.

    The statistics are weights, so that they are saved with the network (those handed to Keras'
    own `Normalization` are not). Values beyond `limit` deviations are clipped.
    """

    def __init__(self, limit: float = 8.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.limit = limit

    def build(self, input_shape: Sequence[int | None]) -> None:
        shape = (input_shape[-1],)
        self.mean = self.add_weight(shape=shape, name="mean", initializer="zeros", trainable=False)
        self.scale = self.add_weight(shape=shape, name="scale", initializer="ones", trainable=False)

    def fit(self, mean: np.ndarray, deviation: np.ndarray) -> None:
        """Take the statistics of the training features, `float[C]` each."""
        self.mean.assign(mean)
        self.scale.assign(1 / np.maximum(deviation, 1e-3))

    def call(self, features: Tensor) -> Tensor:
        scaled = ops.clip((features - self.mean) * self.scale, -self.limit, self.limit)
        return ops.where(ops.isnan(features), ops.zeros_like(scaled), scaled)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"limit": self.limit}


@_serialisable
class Validity(layers.Layer):
    """1 where a block belongs to the image, 0 where it is padding (NaN): `float32[N, h, w, 1]`."""

    def call(self, features: Tensor) -> Tensor:
        return ops.where(ops.isnan(features[..., :1]), 0.0, 1.0)


@_serialisable
class ReadLevels(layers.Layer):
    """A dense layer on whole numbers from -`most` to `most` in one-hot form: `[N, h, w, K]`.

    It takes the channels from `first` on, `count` of them. The kernel is [values, count, K]; the
    product is summed value by value, so that no map of all one-hot channels is ever made.
    """

    def __init__(self, units: int, first: int, count: int, most: int = 5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.first, self.count, self.most = units, first, count, most

    @property
    def values(self) -> range:
        """The numbers that are told apart, in the kernel's order."""
        return range(-self.most, self.most + 1)

    def build(self, input_shape: Sequence[int | None]) -> None:
        self.kernel = self.add_weight(
            shape=(len(self.values), self.count, self.units),
            name="kernel",
            initializer=keras.initializers.RandomNormal(stddev=self.count**-0.5),
        )

    def call(self, features: Tensor) -> Tensor:
        chosen = features[..., self.first : self.first + self.count]
        products = [
            ops.matmul(ops.cast(ops.abs(chosen - value) < 0.5, chosen.dtype), kernel)
            for value, kernel in zip(self.values, ops.unstack(self.kernel), strict=True)
        ]
        return sum(products[1:], products[0])

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "units": self.units,
            "first": self.first,
            "count": self.count,
            "most": self.most,
        }


@_serialisable
class AgainstMean(layers.Layer):
    """A dense layer on features beside their deviation from their image's mean: `[N, h, w, K]`.

    The kernel is [2 C, K], for the features and for the deviations; the product of the whole is
    taken apart so that no map of 2 C channels is ever made.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, features_shape: Sequence[int | None], valid_shape: object = None) -> None:
        depth = features_shape[-1] or 0
        self.kernel = self.add_weight(shape=(2 * depth, self.units), name="kernel")
        self.bias = self.add_weight(shape=(self.units,), name="bias", initializer="zeros")

    def call(self, features: Tensor, valid: Tensor) -> Tensor:
        count = ops.sum(valid, axis=(1, 2), keepdims=True)
        mean = ops.sum(features * valid, axis=(1, 2), keepdims=True) / count
        of_features, of_deviations = ops.split(self.kernel, 2, axis=0)
        local = ops.matmul(features, of_features + of_deviations)
        return local - ops.matmul(mean, of_deviations) + self.bias

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"units": self.units}


@_serialisable
class TopMeans(layers.Layer):
    """Means of the highest fractions of an image's block logits: `[N, len(fractions)]`.

    A fraction is of the image's own blocks, counted with parts of a block and at least one, so
    that the distribution of the means depends little on the size of the image. If `above_mean`,
    the mean of all blocks is taken off.
    """

    def __init__(
        self,
        fractions: Sequence[float] = (0.005, 0.02, 0.06),
        above_mean: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.fractions, self.above_mean = tuple(fractions), above_mean

    def call(self, logits: Tensor, valid: Tensor) -> Tensor:
        batch = ops.shape(logits)[0]
        flat, flat_valid = (ops.reshape(part, (batch, -1)) for part in (logits, valid))
        highest_first = -ops.sort(-ops.where(flat_valid > 0, flat, -1e4), axis=-1)
        rank = ops.cumsum(ops.ones_like(highest_first), axis=-1) - 1.0
        blocks = ops.sum(flat_valid, axis=-1, keepdims=True)
        means = []
        for fraction in self.fractions:
            count = ops.maximum(fraction * blocks, 1.0)
            share = ops.clip(count - rank, 0.0, 1.0)
            means.append(ops.sum(highest_first * share, axis=-1, keepdims=True) / count)
        result = ops.concatenate(means, axis=-1)
        if self.above_mean:
            result -= ops.sum(flat * flat_valid, axis=-1, keepdims=True) / blocks
        return result

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "fractions": self.fractions,
            "above_mean": self.above_mean,
        }


@_serialisable
class AttentionPool(layers.Layer):
    """The mean of the blocks' descriptors, weighted by a learned softmax over blocks: `[N, C]`."""

    def build(self, features_shape: Sequence[int | None], valid_shape: object = None) -> None:
        self.query = self.add_weight(
            shape=(features_shape[-1],), name="query", initializer="zeros", trainable=True
        )

    def call(self, features: Tensor, valid: Tensor) -> Tensor:
        scores = ops.sum(features * self.query, axis=-1, keepdims=True)
        scores = ops.where(valid > 0, scores, -1e4)
        weights = ops.exp(scores - ops.max(scores, axis=(1, 2), keepdims=True))
        total = ops.sum(weights, axis=(1, 2))
        return ops.sum(features * weights, axis=(1, 2)) / total


def _blocks(
    channels: int,
    width: int = 32,
    dilations: Sequence[int] = (1, 2, 4, 8, 1),
    deviations: Sequence[int] = (2, 8),
    fractions: Sequence[float] = (0.005, 0.02, 0.06),
    levels: Sequence[int] | None = None,
    relative: bool = False,
) -> keras.Model:
    """The network of this project: a logit per 8×8 block, and one for the image from these.

    If `relative`, the image's logit says how far its highest blocks stand above its mean, and
    nothing else. Else it may learn as well what the forgeries of a data set are of, which helps
    on images of the same kind and harms on others.

    Every image is seen against its own mean, first in its features and again after the
    convolutions whose dilation is in `deviations`. The features from `levels[0]` on, as
    many as `levels[1]`, are quantised DCT levels: these are read value by value (as in CAT-Net),
    under the condition of all other features, the quantisation steps among them.
    """
    features = keras.Input((None, None, channels), name="features")
    valid = Validity(name="valid")(features)
    x = Standardize(name="standardize")(features)
    if levels:
        read = ReadLevels(width, *levels, name="read_levels")(features)
        gain = layers.Dense(width, bias_initializer="ones", name="condition_levels")(x)
        read = layers.ReLU(name="relu_levels")(layers.Multiply(name="gain_levels")([read, gain]))
        x = layers.Concatenate(name="with_levels")([x, read])
    x = AgainstMean(width, name="project")(x, valid)
    for number, dilation in enumerate(dilations, start=1):
        y = layers.ReLU(name=f"relu_{number}")(x)
        y = layers.Multiply(name=f"inside_{number}")([y, valid])
        y = layers.Conv2D(width, 3, padding="same", dilation_rate=dilation, name=f"conv_{number}")(
            y
        )
        x = layers.Add(name=f"add_{number}")([x, y])
        if dilation in deviations:
            x = AgainstMean(width, name=f"project_{number}")(x, valid)
    x = layers.ReLU(name="descriptor")(x)
    blocks = layers.Dense(
        1, name="block_logit", bias_initializer=keras.initializers.Constant(-2.0)
    )(x)
    top = TopMeans(fractions, relative, name="top_means")(blocks, valid)
    image = layers.Dense(
        1, name="highest", kernel_initializer=keras.initializers.Constant(1 / len(fractions))
    )(top)
    if not relative:
        pooled = AttentionPool(name="attention")(x, valid)
        # The highest blocks speak first; the descriptor joins in as far as it is found useful.
        whole = layers.Dense(1, name="whole", use_bias=False, kernel_initializer="zeros")(pooled)
        image = layers.Add(name="image_logit")([image, whole])
    return keras.Model(features, {"image": image, "blocks": blocks}, name="blocks")


def _classic(
    channels: int,
    size: int = 128,
    filters: int = 32,
    width: int = 256,
    dropout: float = 0.5,
) -> keras.Model:
    """The field's usual network, for comparison: ELA at 128×128, two 5×5 convolutions, dense."""
    features = keras.Input((size, size, channels), name="features")
    x = Standardize(name="standardize")(features)
    x = layers.Conv2D(filters, 5, activation="relu", name="conv_1")(x)
    x = layers.Conv2D(filters, 5, activation="relu", name="conv_2")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Dropout(dropout / 2, name="dropout_1")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(width, activation="relu", name="dense")(x)
    x = layers.Dropout(dropout, name="dropout_2")(x)
    return keras.Model(features, {"image": layers.Dense(1, name="image_logit")(x)}, name="classic")


NETWORKS: Mapping[str, Callable[..., keras.Model]] = {"blocks": _blocks, "classic": _classic}


def build(name: str, channels: int, seed: int = 0, **hyperparameters: Any) -> keras.Model:
    """A new network that takes `features`, `float32[N, h, w, channels]`, and answers logits.

    Its weights, and the state of its dropout, depend on `seed` alone.

    Outputs: `image`, `float32[N, 1]`, and for `name="blocks"` also `blocks`,
    `float32[N, h, w, 1]`. Block networks take images of any size; a smaller image is padded with
    NaN to share a batch with larger ones, which does not change its result.

    Raises:
        DataError: there is no network `name`, or it has no such hyperparameter.
    """
    if name not in NETWORKS:
        raise DataError(f"network: got {name!r}; allowed: {', '.join(sorted(NETWORKS))}")
    _channels, *known = inspect.signature(NETWORKS[name]).parameters
    for parameter in hyperparameters:
        if parameter not in known:
            raise DataError(
                f"network {name!r} has no hyperparameter {parameter!r}; it has {', '.join(known)}"
            )
    keras.utils.set_random_seed(seed)
    return NETWORKS[name](channels, **hyperparameters)


def build_for(
    name: str, channels: Sequence[str], seed: int = 0, **hyperparameters: Any
) -> keras.Model:
    """`build` for features of these names, told which of them are quantised DCT levels."""
    levels = [place for place, channel in enumerate(channels) if channel.startswith("dct:level.")]
    if levels:
        hyperparameters = {"levels": (levels[0], len(levels)), **hyperparameters}
    return build(name, len(channels), seed, **hyperparameters)
