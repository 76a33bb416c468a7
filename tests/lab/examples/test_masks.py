"""Masks become block targets."""

import numpy as np

from forgery_lab.examples.masks import block_targets


def test_a_forgery_without_a_mask_is_unknown_everywhere():
    assert np.isnan(block_targets(None, 1, 64, 80)).all()
    assert not block_targets(None, 0, 64, 80).any()
