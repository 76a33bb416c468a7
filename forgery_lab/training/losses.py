# What `call` and `get_config` of a loss mean is said by Keras.
# ruff: noqa: D102
"""What the networks are trained to lower."""

from typing import Any

import keras
from keras import ops

UNKNOWN = -1.0
"""Target of a block that teaches nothing: outside the image, or of a forgery without a mask."""


@keras.saving.register_keras_serializable(package="forgery")
class BlockLoss(keras.losses.Loss):
    """Cross-entropy of the blocks plus a share of Dice loss, per image, over known blocks only.

    Targets are the forged fraction of each block, `float32[N, h, w, 1]` in [0, 1], or `UNKNOWN`;
    predictions are logits. The Dice loss counts for images with a forged block; an image without
    a known block costs nothing.

    Args:
        positive_weight: how much more a forged block counts than an authentic one.
        dice: weight of the Dice loss (Milletari et al., V-Net, 3DV 2016).
    """

    def __init__(
        self,
        positive_weight: float = 3.0,
        dice: float = 0.3,
        reduction: str = "sum_over_batch_size",
        name: str = "block_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.positive_weight = positive_weight
        self.dice = dice

    def call(self, y_true: Any, y_pred: Any) -> Any:
        known = ops.cast(y_true >= 0, y_pred.dtype)
        target = ops.maximum(y_true, 0.0)
        entropy = self.positive_weight * target * ops.softplus(-y_pred) + (
            1 - target
        ) * ops.softplus(y_pred)
        entropy = _total(entropy * known) / ops.maximum(_total(known), 1.0)
        forged = _total(target)
        overlap = _total(target * ops.sigmoid(y_pred) * known)
        union = forged + _total(ops.sigmoid(y_pred) * known)
        dice = ops.where(forged > 0, 1 - (2 * overlap + 1) / (union + 1), 0.0)
        return entropy + self.dice * dice

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "positive_weight": self.positive_weight,
            "dice": self.dice,
        }


def _total(blocks: Any) -> Any:
    return ops.sum(blocks, axis=(1, 2, 3))
