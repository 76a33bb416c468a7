"""What a network says of whole images."""

import numpy as np

from forgery_lab.training.validation import predict
from tests.lab.training.planted_features import planted
from tests.lab.training.test_loop import network


def test_predictions_do_not_depend_on_what_they_are_computed_with(tmp_path):
    model, validation = network(), planted(tmp_path, 24, seed=1)
    together = predict(model, validation)
    for position in (0, 1, 2):
        alone = predict(model, validation.select(np.array([position])))
        np.testing.assert_allclose(together.image[position], alone.image[0], atol=1e-4)
        np.testing.assert_allclose(together.blocks[position], alone.blocks[0], atol=1e-4)
        assert alone.blocks[0].shape == validation.targets(position).shape
