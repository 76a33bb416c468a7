import logging
import time
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta

import boto3
import numpy as np
import pyarrow.dataset as ds
import pytest
from moto.server import ThreadedMotoServer

from forgery_pyfunc.errors import ModelError
from forgery_pyfunc.prediction_log import log as prediction_log
from forgery_pyfunc.prediction_log.line import FACTS, LOST, Line, columns, means
from forgery_pyfunc.prediction_log.log import PredictionLog, open_log
from forgery_pyfunc.prediction_log.parts import Parts

CHANNELS = ("residual:brightness", "copymove:votes")
SOON = 0.02


def a_line(probability=0.25, time=None, **others):
    values = dict.fromkeys(field.name for field in fields(Line)) | {
        "time": time or datetime.now(UTC),
        "verdict": "authentic",
        "probability": probability,
        "means": np.array([0.5, -1], np.float32),
    }
    return Line(**values | others)


def read(folder):
    """Return the log as a table in the order of time, as any reader of Parquet sees it."""
    return ds.dataset(folder, partitioning="hive").to_table().to_pandas().sort_values("time")


@pytest.fixture
def opened(tmp_path):
    """A function that opens a log in a folder, which ends with the test."""
    logs = []

    def opened(days=90):
        logs.append(PredictionLog(Parts(str(tmp_path / "log"), CHANNELS), days, SOON))
        return logs[-1]

    yield opened
    for one in logs:
        one.close()


def test_the_columns_are_the_fields_of_a_line():
    assert [*FACTS, "means"] == [field.name for field in fields(Line)]


def test_lines_lie_in_a_folder_per_day_and_what_is_not_known_is_null(opened, tmp_path):
    log = opened()
    noon = datetime(2026, 11, 27, 12, tzinfo=UTC)
    log.add(a_line(0.25, noon, quality=90, table_hash="abc", format="JPEG", width=640))
    log.add(a_line(0.75, noon + timedelta(days=1), means=None))
    log.close()
    folders = sorted(path.name for path in (tmp_path / "log").iterdir())
    assert folders == ["date=2026-11-27", "date=2026-11-28"]
    table = read(tmp_path / "log")
    assert list(table.columns) == [*columns(CHANNELS), "date"]
    assert table["probability"].tolist() == [0.25, 0.75]
    assert table["time"].tolist() == [noon, noon + timedelta(days=1)]
    assert table["quality"].isna().tolist() == [False, True]
    assert table.filter(like="mean:").isna().all(axis=1).tolist() == [False, True]
    assert table["mean:copymove:votes"].iloc[0] == -1
    assert (tmp_path / "log").stat().st_mode & 0o077 == 0


def test_two_processes_do_not_touch_each_others_lines(opened, tmp_path):
    logs = [opened(), opened()]
    for log in logs:
        for _ in range(50):
            log.add(a_line())
    for log in logs:
        log.close()
    assert len(read(tmp_path / "log")) == 100
    assert len(list((tmp_path / "log").rglob("*.parquet"))) == 2


def test_a_part_is_added_to_until_it_is_full(opened, tmp_path, monkeypatch):
    monkeypatch.setattr(prediction_log, "PART_LINES", 10)
    log = opened()
    for _ in range(5):
        log.add(a_line())
        wait_for(lambda: log.queue.empty())
    for _ in range(5):
        log.add(a_line())
    wait_for(lambda: written(tmp_path) == 10)
    log.add(a_line())
    log.close()
    assert written(tmp_path) == 11
    assert len(list((tmp_path / "log").rglob("*.parquet"))) == 2


def test_a_store_that_fails_loses_nothing_while_there_is_room(opened, tmp_path, caplog):
    day = datetime.now(UTC).date().isoformat()
    log = opened()
    (tmp_path / "log" / f"date={day}").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            log.add(a_line())
        wait_for(lambda: "cannot be written" in caplog.text)
        (tmp_path / "log" / f"date={day}").unlink()
        wait_for(lambda: "is written again" in caplog.text)
    assert caplog.text.count("cannot be written") == 1
    table = read(tmp_path / "log")
    assert len(table) == 20
    assert table[LOST].sum() == 0


def test_what_finds_no_room_is_counted(opened, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(prediction_log, "KEPT", 5)
    day = datetime.now(UTC).date().isoformat()
    log = opened()
    (tmp_path / "log" / f"date={day}").write_text("in the way")
    for _ in range(12):
        log.add(a_line())
    wait_for(lambda: "cannot be written" in caplog.text)
    (tmp_path / "log" / f"date={day}").unlink()
    wait_for(lambda: "is written again" in caplog.text)
    monkeypatch.undo()
    log.add(a_line())
    log.close()
    table = read(tmp_path / "log")
    assert len(table) == 6
    assert table[LOST].tolist() == [0, 0, 0, 0, 0, 7]


def test_a_full_queue_does_not_stop_a_request(tmp_path, monkeypatch):
    monkeypatch.setattr(prediction_log, "QUEUED", 3)
    log = PredictionLog(Parts(str(tmp_path / "log"), CHANNELS), 90, save_seconds=60)
    for _ in range(10):
        log.add(a_line())
    assert log.lost == 7
    log.close()
    assert len(read(tmp_path / "log")) == 3


def test_days_that_are_too_old_are_removed(opened, tmp_path):
    today = datetime.now(UTC).date()
    parts = Parts(str(tmp_path / "log"), CHANNELS)
    for age in (0, 1, 2, 3, 40):
        parts.write(part_of(today - timedelta(days=age)), [a_line()], [0])
    (tmp_path / "log" / "notes.txt").write_text("not the log's")
    log = opened(days=2)
    log.add(a_line())
    log.close()
    left = {path.parent.name for path in (tmp_path / "log").rglob("*.parquet")}
    assert left == {f"date={today - timedelta(days=age)}" for age in (0, 1, 2)}
    assert (tmp_path / "log" / "notes.txt").exists()


def test_the_log_can_lie_in_s3(monkeypatch):
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "made",
        "AWS_SECRET_ACCESS_KEY": "up",
        "AWS_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        client = boto3.client("s3")
        where = {"LocationConstraint": "eu-central-1"}
        client.create_bucket(Bucket="predictions", CreateBucketConfiguration=where)
        log = PredictionLog(Parts("s3://predictions/log", CHANNELS), 90, SOON)
        log.add(a_line(0.5))
        log.close()
        assert not log.fails
        [entry] = client.list_objects_v2(Bucket="predictions")["Contents"]
        assert entry["Key"].startswith(f"log/date={datetime.now(UTC).date()}/")
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"PREDICTION_LOG_DAYS": "0"}, "PREDICTION_LOG_DAYS is '0'; it must be a whole number"),
        ({"PREDICTION_LOG_DAYS": "a week"}, "PREDICTION_LOG_DAYS is 'a week'"),
        ({"PREDICTION_LOG": "/proc/none"}, "the prediction log cannot be kept in '/proc/none'"),
        ({"PREDICTION_LOG": "s3://"}, "the prediction log cannot be kept in 's3://'"),
    ],
)
def test_a_setting_that_is_not_allowed_is_named(tmp_path, environment, message):
    with pytest.raises(ModelError, match=message):
        open_log({"PREDICTION_LOG": str(tmp_path), **environment}, CHANNELS)


def test_nobody_who_does_not_ask_gets_a_log():
    assert open_log({}, CHANNELS) is None
    assert open_log({"PREDICTION_LOG": "", "PREDICTION_LOG_DAYS": "3"}, CHANNELS) is None


@pytest.mark.parametrize("side", [1, 8, 63, 64, 65, 500])
def test_means_are_over_few_blocks_spread_over_all(side):
    rows, _ = np.mgrid[:side, :side]
    features = np.stack([np.full((side, side), 3.0), rows], axis=2).astype(np.float32)
    found = means(features)
    assert found.dtype == np.float32
    assert found[0] == 3
    assert found[1] == pytest.approx((side - 1) / 2, abs=0.02 * side)


def part_of(day: date) -> str:
    return f"date={day.isoformat()}/part.parquet"


def written(folder) -> int:
    return len(read(folder / "log")) if (folder / "log").exists() else 0


def wait_for(met, seconds=20.0):
    deadline = datetime.now(UTC) + timedelta(seconds=seconds)
    while not met():
        assert datetime.now(UTC) < deadline
        time.sleep(SOON)
