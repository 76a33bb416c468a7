import math

import numpy as np
import pytest
from scipy import stats

from forgery_lab.errors import DataError
from forgery_lab.monitoring import drift
from forgery_lab.monitoring.drift import Limits
from tests.lab.monitoring.made import CHANNELS, lines

LIMITS = Limits(alarm_rate=1 / 400, least_reference=500, least_current=200, least_shift=0.05)


def drifted(seed=0, reference=1000, current=300, **changed):
    """Return the names of what drifts in a window that differs from the reference by `changed`."""
    rng = np.random.default_rng(seed)
    before, now = lines(reference, rng)[0], lines(current, rng, **changed)[0]
    return [one.name for one in drift.compare(before, now, LIMITS).drifted]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"quality": 80}, "quality"),
        ({"tables": ("table-d", "table-e")}, "table_hash.other"),
        ({"shift": 1.0}, CHANNELS[0]),
        ({"share": 0.5}, "probability"),
        ({"skill": 1.0}, "probability"),
        ({"declined": 0.25}, "declined"),
    ],
)
def test_a_planted_drift_is_found_in_300_images(changed, expected):
    assert expected in drifted(**changed)


@pytest.mark.slow
def test_400_windows_without_drift_raise_at_most_one_alarm():
    rng = np.random.default_rng(1)
    alarms = 0
    for number in range(400):
        if number % 20 == 0:
            reference = lines(LIMITS.least_reference, rng)[0]
        current = lines(LIMITS.least_current, rng)[0]
        strict = Limits(**{**vars(LIMITS), "least_shift": 0.0})
        alarms += bool(drift.compare(reference, current, strict).drifted)
    assert alarms <= 1


@pytest.mark.parametrize(
    ("reference", "current", "message"),
    [
        (499, 300, "the reference window has 499 images; at least 500 are needed"),
        (600, 199, "the current window has 199 images; at least 200 are needed"),
    ],
)
def test_a_window_that_is_too_small_is_refused_with_the_number_needed(reference, current, message):
    with pytest.raises(DataError, match=message):
        drifted(reference=reference, current=current)


def test_a_small_shift_raises_no_alarm_however_sure_it_is():
    sure = drifted(reference=50_000, current=50_000, shift=0.1)
    assert sure == []


def test_what_has_few_values_is_not_compared_and_named():
    rng = np.random.default_rng(2)
    before, now = lines(600, rng)[0], lines(300, rng)[0]
    now.loc[49:, "quality"] = np.nan
    found = drift.compare(before, now, LIMITS)
    assert found.not_compared == ("JPEG quality",)
    assert not found.drifted


def test_the_figures_of_a_comparison_are_those_of_their_definitions():
    rng = np.random.default_rng(3)
    before, now = lines(2000, rng)[0], lines(2000, rng, shift=0.5)[0]
    found = drift.compare(before, now, LIMITS)
    one = next(one for one in found.comparisons if one.name == CHANNELS[0])
    a, b = (frame[CHANNELS[0]].dropna().to_numpy() for frame in (before, now))
    assert one.images == (len(a), len(b))
    assert one.shift == pytest.approx(stats.ks_2samp(a, b).statistic)
    assert one.wasserstein == pytest.approx(stats.wasserstein_distance(a, b) / a.std())
    edges = np.quantile(a, np.linspace(0, 1, 11))
    edges[[0, -1]] = -math.inf, math.inf
    shares = [np.histogram(values, edges)[0] / len(values) for values in (a, b)]
    expected = ((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum()
    assert one.psi == pytest.approx(expected, rel=0.02)


def test_a_constant_column_is_no_drift_until_it_changes():
    rng = np.random.default_rng(4)
    before, now = lines(600, rng)[0], lines(300, rng)[0]
    for frame in (before, now):
        frame["quality"] = 90.0
    assert not drift.compare(before, now, LIMITS).drifted
    now["quality"] = 91.0
    found = drift.compare(before, now, LIMITS)
    assert [one.name for one in found.drifted] == ["quality"]
    assert found.drifted[0].shift == 1
