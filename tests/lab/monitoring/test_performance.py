import numpy as np
import pytest

from forgery_lab.evaluation import metrics
from forgery_lab.monitoring import performance
from tests.lab.monitoring.made import T_HI, lines


def actual(frame, forged):
    """Return share, TPR, FPR and AUC of the judged images, by their labels."""
    judged = frame["probability"].notna().to_numpy()
    label, probability = forged[judged], frame["probability"].to_numpy()[judged]
    called = probability >= T_HI
    return (
        label.mean(),
        called[label].mean(),
        called[~label].mean(),
        metrics.auc(label, probability),
    )


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.8])
@pytest.mark.parametrize("skill", [1.0, 2.0])
def test_the_expected_figures_are_the_actual_ones_whatever_share_is_forged(share, skill):
    frame, forged = lines(20_000, np.random.default_rng(5), share=share, skill=skill)
    found = performance.estimate(frame, resamples=100, seed=0)
    values = [found.share_forged, found.tpr, found.fpr, found.auc]
    for name, one, true in zip(
        ("share", "tpr", "fpr", "auc"), values, actual(frame, forged), strict=True
    ):
        assert one.value == pytest.approx(true, abs=0.04), name
        assert one.low <= one.value <= one.high, name


def test_the_intervals_cover_what_is_actual():
    rng = np.random.default_rng(6)
    covered = []
    for _ in range(15):
        frame, forged = lines(800, rng, share=0.3)
        found = performance.estimate(frame, resamples=200, seed=0)
        covered.append(found.share_forged.low <= forged.mean() <= found.share_forged.high)
    assert np.mean(covered) >= 0.75


def test_forgeries_of_a_new_kind_stay_unseen():
    """The assumption that the documents state: here all forgeries score as authentic images do."""
    frame, _ = lines(5000, np.random.default_rng(7), share=0.0)
    found = performance.estimate(frame, resamples=100, seed=0)
    assert found.share_forged.value < 0.02


def test_too_few_judged_images_give_no_figure():
    frame, _ = lines(performance.LEAST + 20, np.random.default_rng(8), declined=0.5)
    assert performance.estimate(frame, resamples=100, seed=0) is None


def test_images_at_a_threshold_of_their_own_are_left_out():
    frame, _ = lines(1000, np.random.default_rng(9), declined=0.0)
    frame.loc[:99, "t_hi"] = 0.5
    found = performance.estimate(frame, resamples=100, seed=0)
    assert (found.images, found.t_hi) == (900, T_HI)
