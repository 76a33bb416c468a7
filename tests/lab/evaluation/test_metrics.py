"""Metrics: scikit-learn's values, and intervals that hold what they promise."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from forgery_lab.evaluation import metrics
from forgery_lab.evaluation.metrics import ScoredImages


@st.composite
def labelled_scores(draw):
    """Some images of both classes; coarse probabilities make ties."""
    number = draw(st.integers(4, 60))
    labels = [True, False, *draw(st.lists(st.booleans(), min_size=number, max_size=number))]
    levels = draw(st.sampled_from([3, 20, 1000]))
    grid = st.integers(0, levels).map(lambda level: level / levels)
    probability = draw(st.lists(grid, min_size=number + 2, max_size=number + 2))
    return np.array(labels), np.array(probability)


@settings(max_examples=100, deadline=None)
@given(labelled_scores(), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_metrics_equal_scikit_learns(pair, threshold):
    label, probability = pair
    decided = probability >= threshold
    fpr, tpr, _ = reference.roc_curve(label, probability, drop_intermediate=False)
    even = np.where(label, 0.5 / label.sum(), 0.5 / (~label).sum())
    expected = {
        "auc": reference.roc_auc_score(label, probability),
        "average_precision": reference.average_precision_score(label, probability),
        "accuracy": reference.accuracy_score(label, decided),
        "balanced_accuracy": reference.balanced_accuracy_score(label, decided),
        "precision": reference.precision_score(label, decided, zero_division=0),
        "recall": reference.recall_score(label, decided),
        "specificity": reference.recall_score(~label, ~decided),
        "f1": reference.f1_score(label, decided),
        "tpr_at_5_fpr": tpr[fpr <= 0.05].max(),
        "brier": reference.brier_score_loss(label, probability, sample_weight=even),
    }
    measured = metrics.measure(ScoredImages.at_threshold(label, probability, threshold))
    assert {name: measured[name] for name in expected} == pytest.approx(expected)
    assert metrics.auc(label, probability) == pytest.approx(expected["auc"])


@settings(max_examples=30, deadline=None)
@given(labelled_scores(), st.sampled_from([0.25, 0.5, 0.9]))
def test_decisions_at_one_half_do_not_depend_on_the_models_threshold(pair, threshold):
    label, probability = pair
    decided = probability >= 0.5
    expected = {
        "accuracy_at_half": reference.accuracy_score(label, decided),
        "precision_at_half": reference.precision_score(label, decided, zero_division=0),
        "recall_at_half": reference.recall_score(label, decided),
        "f1_at_half": reference.f1_score(label, decided),
    }
    measured = metrics.measure(ScoredImages.at_threshold(label, probability, threshold))
    assert {name: measured[name] for name in expected} == pytest.approx(expected)


@settings(max_examples=50, deadline=None)
@given(labelled_scores())
def test_curves_equal_scikit_learns(pair):
    label, probability = pair
    scores = ScoredImages.at_threshold(label, probability)
    fpr, tpr, _ = reference.roc_curve(label, probability, drop_intermediate=False)
    roc = metrics.roc_curve(scores)
    assert roc["fpr"] == pytest.approx(fpr.tolist())
    assert roc["tpr"] == pytest.approx(tpr.tolist())
    precision, recall, _ = reference.precision_recall_curve(label, probability)
    curve = metrics.precision_recall_curve(scores)
    assert curve["recall"] == pytest.approx(recall[-2::-1].tolist())
    assert curve["precision"] == pytest.approx(precision[-2::-1].tolist())


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 4))
def test_weighted_metrics_are_those_of_repeated_images(seed, copies):
    """A resample in which images occur several times is the same as copying them."""
    rng = np.random.default_rng(seed)
    label, probability = np.arange(30) % 2 == 0, rng.integers(0, 12, 30) / 12
    times = rng.integers(0, copies + 1, 30)
    times[:2] += 1
    scores = ScoredImages.at_threshold(label, probability)
    weighted = metrics._measure(scores, times[None].astype(float))
    copied = metrics.measure(scores.take(np.repeat(np.arange(30), times)))
    for name in set(metrics.METRICS) - {"ece", "ece_corrected"}:  # bins depend on the sample
        assert weighted[name][0] == pytest.approx(copied[name], nan_ok=True), name


def test_the_intervals_cover_the_truth_as_often_as_they_say():
    """Scores with a common part per source: drawing images instead of sources covers too rarely."""
    rng = np.random.default_rng(5)
    sources, each, runs = 60, 4, 250
    truth = 0.7602  # of Φ(1 / sqrt(2)) for two normals one standard deviation apart
    covered = {"sources": 0, "images": 0}
    for run in range(runs):
        source = np.repeat(np.arange(2 * sources), each)
        label = source % 2 == 0
        common = rng.normal(0, np.sqrt(0.7), 2 * sources)[source]
        score = common + rng.normal(0, np.sqrt(0.3), len(source)) + label
        for unit in covered:
            groups = source if unit == "sources" else None
            scores = ScoredImages.at_threshold(label, score, source=groups)
            interval = metrics.estimate([scores], 200, run)["auc"]
            covered[unit] += interval.low <= truth <= interval.high
    assert covered["sources"] / runs == pytest.approx(0.95, abs=0.04)
    assert covered["images"] / runs < 0.85


def test_thousands_of_resamples_take_seconds():
    rng = np.random.default_rng(0)
    label = rng.random(1400) < 0.5
    scores = ScoredImages.at_threshold(label, rng.random(1400) * 0.8 + label * 0.2)
    start = time.process_time()  # of this process alone, whatever else runs
    metrics.estimate([scores] * 3, 2000, 0)
    assert time.process_time() - start < 20


def calibrated(number, seed, distortion=0.0):
    """Probabilities that say the truth under equal priors, or are all too high by `distortion`."""
    rng = np.random.default_rng(seed)
    truth = rng.beta(1, 1, number)
    label = rng.random(number) < truth
    return ScoredImages.at_threshold(label, np.clip(truth + distortion, 0, 1))


def test_the_corrected_calibration_error_is_less_biased_than_the_plain_one():
    """The plain one sees an error of 0.06 in a perfectly calibrated model on 260 images."""
    found = [metrics.measure(calibrated(260, seed)) for seed in range(60)]
    plain = np.mean([m["ece"] for m in found])
    corrected = np.mean([m["ece_corrected"] ** 2 for m in found]) ** 0.5
    assert 0.04 < plain < 0.08
    assert corrected < 0.6 * plain
    wrong = [metrics.measure(calibrated(2000, s, 0.2))["ece_corrected"] for s in range(5)]
    assert np.mean(wrong) == pytest.approx(0.18, abs=0.03)


def test_the_interval_of_the_calibration_error_holds_its_value():
    for seed, distortion in ((1, 0.2), (2, 0.1)):
        found = metrics.estimate([calibrated(500, seed, distortion)], 300, 0)["ece_corrected"]
        assert found.low <= found.value <= found.high
        assert found.low > 0


def test_a_paired_difference_is_narrower_than_two_intervals_and_knows_its_sign():
    rng = np.random.default_rng(1)
    label = np.arange(600) % 2 == 0
    source = np.arange(600) // 2
    base = rng.normal(size=600) + label
    first, second = (
        ScoredImages.at_threshold(label, 1 / (1 + np.exp(-s)), source=source)
        for s in (base, base + 0.4 * label + rng.normal(0, 0.1, 600))
    )
    found = metrics.compare([first], [second], 500, 0)["auc"]
    alone = metrics.estimate([first], 500, 0)["auc"]
    assert found.low > 0
    assert found.p < 0.05
    assert found.high - found.low < 0.6 * (alone.high - alone.low)
    same = metrics.compare([first], [first], 100, 0)["auc"]
    assert (same.low, same.high, same.p) == (0, 0, 1)
    with pytest.raises(ValueError, match="identical images"):
        metrics.compare([first], [second.take(np.arange(10))], 100, 0)


def test_draws_are_averaged_and_their_spread_is_reported():
    label = np.array([0, 0, 1, 1])
    good = ScoredImages.at_threshold(label, [0.1, 0.2, 0.8, 0.9])
    poor = ScoredImages.at_threshold(label, [0.1, 0.8, 0.2, 0.9])
    found = metrics.estimate([good, poor], 100, 0)["auc"]
    assert (found.value, found.least, found.most) == (0.875, 0.75, 1.0)


def test_the_grey_band_counts_in_coverage_only():
    scores = ScoredImages(
        label=np.array([0, 0, 1, 1], bool),
        probability=np.array([0.1, 0.6, 0.6, 0.9]),
        forged=np.array([0, 0, 0, 1], bool),
        decided=np.array([1, 0, 0, 1], bool),
        source=np.arange(4),
    )
    found = metrics.measure(scores)
    assert found["coverage"] == 0.5
    assert found["risk_when_decided"] == 0
    assert found["accuracy"] == 0.75


def test_one_class_alone_gives_no_auc_and_no_exception():
    found = metrics.estimate([ScoredImages.at_threshold([0, 0, 0], [0.1, 0.2, 0.6])], 100, 0)
    assert found["auc"].value is None
    assert found["specificity"].value == pytest.approx(2 / 3)


def test_no_false_alarm_of_53_still_allows_5_5_percent():
    found = metrics.proportion(0, 53)
    assert found.at_most == pytest.approx(0.055, abs=0.001)
    assert (found.value, found.low) == (0, 0)
    assert metrics.proportion(53, 53).high == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31))
def test_localisation_equals_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    mask = np.zeros((40, 56), bool)
    mask[8:24, 16:40] = True
    heat = np.clip(rng.normal(110, 60, mask.shape) + 50 * mask, 0, 255).astype(np.uint8)
    found = metrics.localisation(heat, mask)
    flat, score = mask.ravel(), heat.ravel() / 255
    assert found["auc"] == pytest.approx(reference.roc_auc_score(flat, score))
    assert found["f1"] == pytest.approx(reference.f1_score(flat, score >= 0.5))
    assert found["iou"] == pytest.approx(reference.jaccard_score(flat, score >= 0.5))
    assert found["best_f1"] >= found["f1"]
    blocks = heat.reshape(5, 8, 7, 8).mean((1, 3)), mask.reshape(5, 8, 7, 8).mean((1, 3))
    expected = reference.roc_auc_score(blocks[1].ravel() >= 0.5, blocks[0].ravel())
    assert found["block_auc"] == pytest.approx(expected)


def test_maps_and_masks_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="the heat map is"):
        metrics.localisation(np.zeros((8, 8), np.uint8), np.zeros((8, 9), bool))


def test_risk_falls_with_coverage_when_certainty_means_something():
    curve = metrics.risk_coverage(calibrated(4000, 0))
    assert curve["coverage"][-1] == 1
    assert curve["risk"][400] < 0.1 < curve["risk"][-1]
