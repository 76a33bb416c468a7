"""How a network is trained."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
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
        large_windows: share of the images larger than a window that are read through windows twice
            as wide and high.
        positive_weight: see `losses.BlockLoss`.
        dice: see `losses.BlockLoss`.
        block_weight: of the blocks' loss beside the image's.
        averaging: momentum of the running mean of the weights, which is what is validated and
            kept; 0 switches it off.
        mined: value of the stores' column `kind`, or empty. Of each of these authentic images an
            epoch takes the draw that the network then takes most for forged, a hard negative.
        seed: of order, draws, crops and flips.
    """

    epochs: int
    patience: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 4e-3
    window: int = 40
    large_windows: float = 0.0
    positive_weight: float = 3.0
    dice: float = 0.3
    block_weight: float = 1.0
    averaging: float
    mined: str = ""
    seed: int
