from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from forgery_lab.errors import DataError
from forgery_lab.monitoring import window
from forgery_lab.monitoring.window import Days
from forgery_pyfunc.prediction_log.line import Line
from forgery_pyfunc.prediction_log.parts import Parts

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)


def a_line(time, version="made/1", means=(0.5,)):
    values = dict.fromkeys(Line.__dataclass_fields__) | {"time": time, "model_version": version}
    return Line(**values | {"verdict": "forged", "means": np.array(means, np.float32)})


@pytest.fixture
def log(tmp_path):
    """A log of ten days with a line each, and one lost before every line."""
    parts = Parts(str(tmp_path / "log"), ["residual:one"])
    for number in range(10):
        time = NOON + timedelta(days=number)
        parts.write(f"date={time.date()}/a.parquet", [a_line(time)], [1])
    return tmp_path / "log"


@pytest.mark.parametrize(
    ("text", "first", "final"),
    [
        ("", 10, 19),
        ("3", 17, 19),
        ("2026-11-12:2026-11-14", 12, 14),
        ("2026-11-12:", 12, 19),
        (":2026-11-12", 10, 12),
        ("400", 10, 19),
    ],
)
def test_the_days_asked_for_are_read(log, text, first, final):
    found = window.read(str(log), Days.parse(text))
    assert found.days == tuple(date(2026, 11, day) for day in range(first, final + 1))
    assert len(found.frame) == found.lost == final - first + 1


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01:", "0", "2026-11-12", "-3"])
def test_what_names_no_days_is_refused(text):
    with pytest.raises(ValueError, match="FROM:TO with days like"):
        Days.parse(text)


def test_models_with_other_features_lie_in_one_log(log):
    other = Parts(str(log), ["residual:two", "copymove:three"])
    other.write("date=2026-11-10/b.parquet", [a_line(NOON, "made/2", (1, 2))], [0])
    found = window.read(str(log), Days())
    assert found.models == {"made/1", "made/2"}
    means = found.frame.filter(like="mean:")
    assert means.notna().sum().to_dict() == {
        "mean:residual:one": 10,
        "mean:residual:two": 1,
        "mean:copymove:three": 1,
    }
    assert len(found.of_models({"made/2"}).frame) == 1


def test_what_is_no_log_is_refused(log, tmp_path):
    with pytest.raises(DataError, match="has no lines of the days asked for; it has 2026-11-10 to"):
        window.read(str(log), Days.parse("2027-01-01:"))
    with pytest.raises(DataError, match="cannot be read as a prediction log"):
        window.read(str(tmp_path / "nothing"), Days())
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no folders date=YYYY-MM-DD with Parquet files"):
        window.read(str(tmp_path / "empty"), Days())
    place = tmp_path / "other" / "date=2026-11-10"
    place.mkdir(parents=True)
    window.read(str(log), Days()).frame[["time"]].to_parquet(place / "a.parquet")
    with pytest.raises(DataError, match="is no prediction log: it has no columns error, format"):
        window.read(str(tmp_path / "other"), Days())
