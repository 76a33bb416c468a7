"""A month of a prediction log: nothing is said until the pictures change, and then at once."""

from datetime import date, timedelta

import numpy as np
import pytest

from forgery_lab.monitoring import drift, window
from forgery_lab.monitoring.drift import Limits
from forgery_lab.monitoring.window import Days
from tests.lab.monitoring.made import lines, write_day

LIMITS = Limits(alarm_rate=1 / 400, least_reference=500, least_current=200, least_shift=0.05)
FIRST, CHANGE = date(2026, 11, 1), 20
REFERENCE = 10
"""Days at the beginning that are the reference."""


@pytest.mark.parametrize(
    "changed", [{"quality": 80}, {"shift": 0.8}, {"tables": ("new", "table-a")}]
)
def test_a_change_on_day_20_is_found_within_two_days_and_nothing_before(tmp_path, changed):
    rng = np.random.default_rng(10)
    for number in range(30):
        drawn = lines(150, rng, **changed if number + 1 >= CHANGE else {})[0]
        write_day(tmp_path, FIRST + timedelta(days=number), drawn)
    reference = window.read(str(tmp_path), days(1, REFERENCE)).frame
    alarms = [
        day
        for day in range(REFERENCE + 2, 31)
        if drift.compare(
            reference, window.read(str(tmp_path), days(day - 1, day)).frame, LIMITS
        ).drifted
    ]
    assert alarms
    assert CHANGE <= alarms[0] <= CHANGE + 2
    assert alarms == list(range(alarms[0], 31))


def days(first, final):
    return Days(FIRST + timedelta(days=first - 1), FIRST + timedelta(days=final - 1))
