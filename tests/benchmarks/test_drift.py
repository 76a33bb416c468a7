"""The benchmark of drift alarms, on a small pool."""

from benchmarks import drift
from benchmarks.drift import Pool
from forgery_pyfunc.contract import Record
from forgery_pyfunc.prediction_log.line import Line


def lines(quality: int) -> tuple[list[Line], list[Line]]:
    record = Record(verdict="authentic", probability=0.2, t_lo=0.4, t_hi=0.8, model_version="m")
    sides = [
        [Line(**vars(Line.of_error(record)) | {"quality": quality, "probability": p + n / 100})
         for n in range(10)]
        for p in (0.2, 0.7)
    ]  # fmt: skip
    return sides[0], sides[1]


def test_a_month_is_silent_until_pictures_are_saved_again(monkeypatch):
    monkeypatch.setattr(drift, "WINDOWS", 20)
    found = drift.measured(Pool(lines(90), lines(75)), (), months=2, seed=1)
    assert (found.pictures, found.days_silent) == (20, 16)
    assert found.days_late == [0, 0]
    assert found.alarms_before == found.false_alarms == 0


def test_without_a_change_no_month_has_an_alarm(monkeypatch):
    monkeypatch.setattr(drift, "WINDOWS", 1)
    same = Pool(lines(90), lines(90))
    found = drift.measured(same, (), months=1, seed=1)
    assert found.days_late == [drift.DAYS + 1 - drift.CHANGE]
