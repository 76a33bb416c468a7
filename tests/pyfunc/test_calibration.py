import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from forgery_pyfunc.calibration import (
    REFERENCE_PIXELS,
    Calibration,
    local_means,
    sigmoid,
    standing_out,
)
from forgery_pyfunc.errors import ModelError

logits = st.floats(-50, 50)


@given(logits, st.integers(64 * 64, 64_000_000))
def test_a_probability_is_one(logit, pixels):
    assert 0 <= Calibration(size_slope=-0.3).probability(logit, pixels) <= 1


@given(logits, logits)
def test_a_higher_logit_is_never_less_probable(first, second):
    calibration = Calibration(temperature=2.5, bias=-1)
    low, high = sorted((first, second))
    assert calibration.probability(low, 10**6) <= calibration.probability(high, 10**6)


def test_temperature_and_bias_act_on_the_logit():
    calibration = Calibration(temperature=2.0, bias=1.0)
    assert calibration.probability(3.0, REFERENCE_PIXELS) == pytest.approx(sigmoid(2.5))


def test_the_size_term_counts_doublings():
    calibration = Calibration(size_slope=-0.5)
    assert calibration.probability(0.0, REFERENCE_PIXELS) == pytest.approx(0.5)
    assert calibration.probability(0.0, 4 * REFERENCE_PIXELS) == pytest.approx(sigmoid(-1.0))


@pytest.mark.parametrize(
    ("probability", "verdict"),
    [(0.0, "authentic"), (0.29, "authentic"), (0.3, "inconclusive"), (0.69, "inconclusive"),
     (0.7, "forged"), (1.0, "forged")],
)  # fmt: skip
def test_the_grey_band_lies_between_the_thresholds(probability, verdict):
    assert Calibration(t_lo=0.3, t_hi=0.7).verdict(probability) == verdict


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_threshold_leaves_no_grey_band(probability, threshold):
    verdict = Calibration(t_lo=0.3, t_hi=0.7).verdict(probability, threshold)
    assert verdict == ("forged" if probability >= threshold else "authentic")


def test_blocks_have_their_own_numbers():
    calibration = Calibration(block_temperature=0.5, block_bias=-1)
    assert calibration.block_probabilities(np.array([[1.0]]))[0, 0] == pytest.approx(sigmoid(1.0))


def test_blocks_stand_out_by_what_their_own_image_shows():
    logits = np.zeros((10, 10), np.float32)
    logits[:2, :3] = 4.0  # the highest 6 %
    strong, faint = standing_out(logits + 5, 0.1), standing_out(logits / 4, 0.1)
    np.testing.assert_allclose(strong[0, 0], 3.76 / 3.86, rtol=1e-5)
    assert strong[0, 0] - faint[0, 0] < 0.1
    assert standing_out(logits / 40, 1.0)[0, 0] < 0.1


def test_blocks_that_are_all_alike_do_not_stand_out():
    assert not standing_out(np.full((3, 5), 2.5), 1.0).any()
    softened = Calibration(block_softness=1.0, block_bias=-2.0)
    np.testing.assert_allclose(softened.block_probabilities(np.full((3, 5), 2.5)), sigmoid(-2.0))


maps = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, max_side=9),
    elements=st.floats(-50, 50, width=32),
)


@given(maps, st.integers(0, 12))
def test_a_local_mean_is_that_of_what_lies_around(values, radius):
    means = local_means(values, radius)
    for row, column in np.ndindex(values.shape):
        around = np.s_[max(row - radius, 0) : row + radius + 1]
        beside = np.s_[max(column - radius, 0) : column + radius + 1]
        expected = values[around, beside].astype(float).mean()
        assert means[row, column] == pytest.approx(expected, abs=1e-4)


@given(maps, st.one_of(st.none(), st.floats(0.1, 5)), st.integers(0, 3))
def test_a_map_of_probabilities_is_one_and_keeps_its_size(values, softness, smoothing):
    calibration = Calibration(block_softness=softness, block_smoothing=smoothing)
    probabilities = calibration.block_probabilities(values)
    assert probabilities.shape == values.shape
    assert probabilities.dtype == np.float32
    assert ((probabilities >= 0) & (probabilities <= 1)).all()


def test_smoothing_lets_a_region_count_for_more_than_a_single_block():
    logits = np.zeros((12, 12), np.float32)
    logits[2, 2] = logits[6:9, 6:9] = 4.0
    probabilities = Calibration(block_smoothing=1).block_probabilities(logits)
    assert probabilities[7, 7] == pytest.approx(sigmoid(4.0))
    assert probabilities[2, 2] == pytest.approx(sigmoid(4 / 9))


def test_a_detector_of_before_is_read_and_its_blocks_count_as_they_are():
    values = Calibration(block_softness=2.0).to_dict()
    del values["block_smoothing"]
    assert Calibration.from_dict(values) == Calibration(block_softness=2.0)


def test_it_survives_its_dict():
    calibration = Calibration(1.2, 0.1, -0.2, 0.9, 0.3, 2.0, 0.2, 0.8, "100 images", 1)
    assert Calibration.from_dict(calibration.to_dict()) == calibration


def test_bad_numbers_are_refused():
    with pytest.raises(ModelError, match="unknown keys: tempreature"):
        Calibration.from_dict({"tempreature": 1.0})
    with pytest.raises(ModelError, match=r"t_lo=0\.8 and t_hi=0\.2"):
        Calibration(t_lo=0.8, t_hi=0.2)
    with pytest.raises(ModelError, match="block_softness"):
        Calibration(block_softness=0.0)
    for radius in (-1, 0.5):
        with pytest.raises(ModelError, match="block_smoothing"):
            Calibration(block_smoothing=radius)
    with pytest.raises(ModelError, match="temperature"):
        Calibration(temperature=0.0)
