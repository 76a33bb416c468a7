"""Networks: any size, padding without effect, and all they know in their weights."""

import keras
import numpy as np
import pytest

from forgery_lab.errors import DataError
from forgery_lab.training import networks

CHANNELS = ["copymove:a", "copymove:b", *(f"dct:level.{n}" for n in (1, 2)), "dct:step.1"]


@pytest.fixture(scope="module")
def network():
    """A block network whose every weight matters."""
    model = networks.build_for("blocks", CHANNELS, width=8)
    rng = np.random.default_rng(0)
    model.set_weights([w + rng.normal(0, 0.05, w.shape) for w in model.get_weights()])
    return model


def features(height, width, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(1, height, width, len(CHANNELS))).astype(np.float32)
    values[..., 2:4] = rng.integers(-5, 6, (1, height, width, 2))
    return values


@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 190), (33, 17)])
def test_a_map_of_any_size_gives_a_logit_per_block_and_one_for_the_image(network, height, width):
    answer = network(features(height, width))
    assert answer["blocks"].shape == (1, height, width, 1)
    assert answer["image"].shape == (1, 1)


def test_the_result_of_an_image_does_not_depend_on_its_batch(network):
    small, large = features(9, 12), features(16, 20, seed=1)
    padded = np.full_like(large, np.nan)
    padded[:, :9, :12] = small
    together = network(np.concatenate([large, padded]))
    alone = network(small)
    np.testing.assert_allclose(together["image"][1], alone["image"][0], atol=1e-4)
    np.testing.assert_allclose(together["blocks"][1, :9, :12], alone["blocks"][0], atol=1e-4)


def test_a_saved_network_gives_the_same_answers_after_loading(network, tmp_path):
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    probe = features(10, 11)
    np.testing.assert_array_equal(loaded(probe)["blocks"], network(probe)["blocks"])


def test_the_statistics_of_the_features_are_saved_with_the_weights(tmp_path):
    model = networks.build("blocks", 2)
    model.get_layer("standardize").fit(np.array([3.0, -1.0]), np.array([2.0, 0.5]))
    model.save_weights(tmp_path / "network.weights.h5")
    other = networks.build("blocks", 2)
    other.load_weights(tmp_path / "network.weights.h5")
    scaled = other.get_layer("standardize")(np.array([[[[5.0, -1.5]]]], np.float32))
    np.testing.assert_allclose(scaled, [[[[1.0, -1.0]]]], atol=1e-5)


def test_top_means_average_the_highest_fraction_and_at_least_one_block():
    logits = np.arange(100, dtype=np.float32).reshape(1, 10, 10, 1)
    means = networks.TopMeans((0.001, 0.02, 0.025))(logits, np.ones_like(logits))
    expected = [99, (99 + 98) / 2, (99 + 98 + 97 / 2) / 2.5]
    np.testing.assert_allclose(means[0], expected, rtol=1e-5)


def test_a_relative_network_does_not_see_what_lifts_all_blocks_alike():
    model = networks.build("blocks", len(CHANNELS), relative=True)
    maps = features(12, 12)
    before = np.asarray(model(maps)["image"])
    layer = model.get_layer("block_logit")
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel, bias + 2])
    np.testing.assert_allclose(model(maps)["image"], before, atol=1e-5)
    padded = np.full((1, 16, 24, len(CHANNELS)), np.nan, np.float32)
    padded[:, :12, :12] = maps
    np.testing.assert_allclose(model(padded)["image"], before, atol=1e-5)


def test_levels_are_read_value_by_value():
    layer = networks.ReadLevels(4, first=1, count=2)
    got = layer(np.array([[[[9.0, -5.0, 0.0]]]], np.float32))
    kernel = np.asarray(layer.kernel)
    np.testing.assert_allclose(got[0, 0, 0], kernel[0, 0] + kernel[5, 1], rtol=1e-6)


def test_an_image_is_seen_against_its_own_mean():
    values = features(4, 4)
    layer = networks.AgainstMean(3)
    got = layer(values, np.ones((1, 4, 4, 1), np.float32))
    beside = np.concatenate([values, values - values.mean((1, 2), keepdims=True)], axis=-1)
    np.testing.assert_allclose(got, beside @ np.asarray(layer.kernel), atol=1e-5)


def test_the_same_seed_gives_the_same_weights():
    first, again = (networks.build("blocks", 3, seed=5).get_weights() for _ in range(2))
    other = networks.build("blocks", 3, seed=6).get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_the_classic_network_is_the_size_that_the_field_uses():
    model = networks.build("classic", 3)
    assert model.count_params() == pytest.approx(29.5e6, rel=0.01)
    assert set(model.output) == {"image"}


def test_an_unknown_network_is_named_with_the_known_ones():
    with pytest.raises(DataError, match=r"'unet'.*blocks, classic"):
        networks.build("unet", 3)


def test_an_unknown_hyperparameter_is_named_with_the_known_ones():
    with pytest.raises(DataError, match=r"'depth'.*width, dilations"):
        networks.build("blocks", 3, depth=4)
