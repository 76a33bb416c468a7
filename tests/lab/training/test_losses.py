"""The block loss against its definition, block by block."""

import keras
import numpy as np
import pytest

from forgery_lab.training.losses import UNKNOWN, BlockLoss


def loss_of(target, logits, **settings):
    shape = (1, *np.shape(target), 1)
    values = BlockLoss(**settings)(
        np.reshape(target, shape).astype(np.float32), np.reshape(logits, shape).astype(np.float32)
    )
    return float(values)


def test_it_is_weighted_cross_entropy_plus_dice():
    target, logits = np.array([[1.0, 0.25], [0.0, 0.0]]), np.array([[2.0, -1.0], [0.5, -3.0]])
    said = 1 / (1 + np.exp(-logits))
    entropy = -(3 * target * np.log(said) + (1 - target) * np.log(1 - said)).mean()
    dice = 1 - (2 * (target * said).sum() + 1) / (target.sum() + said.sum() + 1)
    assert loss_of(target, logits) == pytest.approx(entropy + 0.3 * dice, rel=1e-5)


def test_unknown_blocks_cost_nothing_whatever_is_said_of_them():
    known = loss_of([[1.0], [0.0]], [[1.0], [-1.0]])
    for logit in (-9.0, 9.0):
        mixed = loss_of([[1.0, UNKNOWN], [0.0, UNKNOWN]], [[1.0, logit], [-1.0, logit]])
        assert mixed == pytest.approx(known, rel=1e-6)


def test_an_image_without_known_blocks_costs_nothing():
    assert loss_of([[UNKNOWN, UNKNOWN]], [[5.0, -5.0]]) == 0


def test_an_authentic_image_has_no_dice_loss():
    assert loss_of([[0.0, 0.0]], [[1.0, 2.0]], dice=0.0) == loss_of(
        [[0.0, 0.0]], [[1.0, 2.0]], dice=5.0
    )


def test_it_stays_finite_for_extreme_logits():
    assert np.isfinite(loss_of([[1.0, 0.0]], [[-1e4, 1e4]]))


def test_it_survives_saving():
    loss = BlockLoss(positive_weight=2.0, dice=0.1)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert (again.positive_weight, again.dice) == (2.0, 0.1)
