"""Calibration: probabilities that are true under equal priors, thresholds that keep their word."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from forgery_lab.errors import DataError
from forgery_lab.training.calibration import MAX_HOT, fit_block_calibration, fit_calibration
from forgery_pyfunc.calibration import Calibration, sigmoid


def over_confident(number=4000, forged_share=0.3, seed=0, size_effect=0.0):
    """Logits three times too large; the true log odds under equal priors are logits / 3 - 0.5."""
    rng = np.random.default_rng(seed)
    labels = rng.random(number) < forged_share
    true = rng.normal(np.where(labels, 1, -1), np.sqrt(2))  # log odds of these normals: itself
    doublings = rng.uniform(-1, 4, number) if size_effect else np.zeros(number)
    pixels = (384 * 256 * 2**doublings).round()
    return 3 * (true + 0.5 + size_effect * doublings), labels, pixels


def test_the_fit_finds_temperature_and_bias_whatever_the_share_of_forgeries():
    for share in (0.2, 0.5, 0.8):
        fitted = fit_calibration(*over_confident(forged_share=share))
        assert fitted.calibration.temperature == pytest.approx(3, rel=0.1)
        assert fitted.calibration.bias == pytest.approx(-0.5, abs=0.1)
        assert fitted.calibration.size_slope == 0


def test_larger_images_are_corrected_when_sizes_differ():
    fitted = fit_calibration(*over_confident(size_effect=0.4))
    assert fitted.calibration.size_slope == pytest.approx(-0.4, abs=0.06)


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_noise_stays_noise_where_forged_images_are_larger(spread):
    rng = np.random.default_rng(0)
    labels = np.arange(4000) % 2 == 1
    logits = rng.normal(size=4000)
    pixels = np.where(labels, 800 * 600, 384 * 256) * 2 ** rng.normal(0, spread, 4000)
    calibration = fit_calibration(logits, labels, pixels).calibration
    probability = [calibration.probability(*one) for one in zip(logits, pixels, strict=True)]
    assert roc_auc_score(labels, probability) <= 0.55


def test_thresholds_keep_what_they_promise_on_the_images_that_chose_them():
    logits, labels, pixels = over_confident()
    fitted = fit_calibration(logits, labels, pixels)
    calibration = fitted.calibration
    probability = sigmoid(logits / calibration.temperature + calibration.bias)
    verdicts = np.array([calibration.verdict(p) for p in probability])
    assert (verdicts[~labels] == "forged").mean() <= 0.03
    decided = verdicts != "inconclusive"
    coverage = (decided[labels].mean() + decided[~labels].mean()) / 2
    assert coverage == pytest.approx(fitted.coverage)
    assert coverage == pytest.approx(0.8, abs=0.01)
    assert "4000 validation images" in fitted.calibration.chosen_on


def test_camera_originals_decide_t_hi_when_there_are_some():
    logits, labels, pixels = over_confident()
    cameras = np.linspace(0, 30, 200)
    fitted = fit_calibration(logits, labels, pixels, cameras, np.full(200, 384 * 256))
    assert fitted.false_alarms <= 0.03
    assert fitted.calibration.t_hi > 0.99
    assert "200 held-out camera originals" in fitted.calibration.chosen_on


def test_separated_classes_stay_finite():
    fitted = fit_calibration(np.array([-9.0, -8, 8, 9]), np.array([0, 0, 1, 1]), np.full(4, 98304))
    assert 0 < fitted.calibration.temperature < 21
    assert np.isfinite(fitted.calibration.bias)


def blocks_of_images(offsets, scales):
    """Logits and truth of 20 × 25 blocks per image, a tenth of them forged."""
    rng = np.random.default_rng(0)
    images = []
    for offset, scale in zip(offsets, scales, strict=True):
        forged = rng.random((20, 25)) < 0.1
        logits = offset + scale * rng.normal(np.where(forged, 2.0, -1.0), 1.0)
        images.append((logits, forged))
    return images


def mean_f1(images, chosen):
    return np.mean(
        [
            2 * (forged & called).sum() / (called.sum() + forged.sum())
            for (_, forged), called in zip(images, chosen, strict=True)
        ]
    )


def test_the_best_cut_of_blocks_lies_at_one_half():
    images = blocks_of_images(np.linspace(-1, 1, 10), np.ones(10))
    found = fit_block_calibration(Calibration(), images)
    reached = mean_f1(images, [found.block_probabilities(logits) >= 0.5 for logits, _ in images])
    cuts = np.linspace(-4, 4, 200)
    best = max(mean_f1(images, [logits >= cut for logits, _ in images]) for cut in cuts)
    assert reached == pytest.approx(best, abs=0.01)


def test_every_image_counts_the_same_for_the_cut_of_blocks():
    small, large = blocks_of_images([0, -3], [1, 1])
    large = tuple(np.repeat(part, 5) for part in large)
    images = [small, small, small, large]
    found = fit_block_calibration(Calibration(), images)
    of_small = found.block_probabilities(small[0]) >= 0.5
    assert mean_f1([small], [of_small]) > 0.8  # 0.69 if every block counted the same


def test_softened_blocks_are_found_in_images_of_other_strength():
    images = blocks_of_images(np.linspace(-2, 2, 10), np.geomspace(0.5, 4, 10))
    reached = []
    for softness in (None, 0.5):
        found = fit_block_calibration(Calibration(), images, softness)
        called = [found.block_probabilities(logits) >= 0.5 for logits, _ in images]
        reached.append(mean_f1(images, called))
    assert reached[1] > reached[0] + 0.1


def regions(number=12, strength=1.5):
    """Logits and truth of images with a forged region of 8 × 8 blocks, and of authentic ones."""
    rng = np.random.default_rng(1)
    forged = np.zeros((24, 32), bool)
    forged[4:12, 10:18] = True
    noise = rng.normal(size=(2 * number, *forged.shape))
    return [(one + strength * forged, forged) for one in noise[:number]], list(noise[number:])


def test_smoothed_blocks_find_more_of_a_region():
    images, _ = regions()
    reached = []
    for smoothing in (0, 1):
        found = fit_block_calibration(Calibration(), images, 0.5, smoothing)
        called = [found.block_probabilities(logits) >= 0.5 for logits, _ in images]
        reached.append(mean_f1(images, called))
    assert reached[1] > reached[0] + 0.2


@pytest.mark.parametrize("smoothing", [0, 1])
def test_the_map_of_an_authentic_image_is_calm(smoothing):
    images, authentic = regions(strength=0.7)

    def hot(found):
        return np.mean([found.block_probabilities(one) >= 0.5 for one in authentic])

    free = fit_block_calibration(Calibration(), images, 0.5, smoothing)
    calm = fit_block_calibration(Calibration(), images, 0.5, smoothing, authentic)
    assert hot(free) > MAX_HOT
    assert 0.5 * MAX_HOT < hot(calm) <= MAX_HOT


def test_where_all_authentic_images_are_hot_the_highest_cut_is_taken():
    images, authentic = regions()
    found = fit_block_calibration(Calibration(), images, None, 0, [one + 50 for one in authentic])
    assert max((found.block_probabilities(one) >= 0.5).mean() for one, _ in images) < 0.01


def test_blocks_of_one_kind_are_refused():
    with pytest.raises(DataError, match="forged and intact blocks"):
        fit_block_calibration(Calibration(), [(np.zeros((2, 2)), np.zeros((2, 2), bool))])


def test_one_class_is_refused():
    with pytest.raises(DataError, match="not just one class"):
        fit_calibration(np.zeros(3), np.zeros(3), np.ones(3))
