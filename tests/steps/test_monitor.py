"""The entry point that watches a prediction log."""

import json
from datetime import date

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from tests.lab.monitoring.made import lines, write_day

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A log with three days: as the first, as before, and of fewer pixels' quality."""
    folder, rng = tmp_path_factory.mktemp("log"), np.random.default_rng(0)
    for day, number, changed in ((1, 600, {}), (2, 300, {}), (3, 300, {"quality": 80})):
        write_day(folder, date(2026, 11, day), lines(number, rng, **changed)[0])
    return folder


def monitor(clone, log, tmp_path, days, expect):
    """Return what the step said, and its newest run."""
    said = clone.step(
        "monitor", "--reference", str(log), "--reference_days", "2026-11-01:2026-11-01",
        "--current", str(log), "--current_days", days,
        "--workspace", str(tmp_path), expect=expect,
    )  # fmt: skip
    client = MlflowClient(clone.environment["MLFLOW_TRACKING_URI"])
    experiments = [one.experiment_id for one in client.search_experiments()]
    runs = client.search_runs(
        experiments, "tags.step = 'monitor'", order_by=["attributes.start_time DESC"]
    )
    assert "Traceback" not in said
    return said, runs[0] if runs else None


def test_a_window_without_drift_is_quiet(clone, log, tmp_path):
    said, run = monitor(clone, log, tmp_path, "2026-11-02:2026-11-02", expect=0)
    assert "no drift is found in" in said
    assert run.data.tags["outcome"] == "quiet"
    assert run.data.metrics["drift.alarm"] == 0
    assert run.data.metrics["current.images"] == 300
    assert 0.6 < run.data.metrics["current.expected.auc"] <= 1


def test_drift_is_an_alarm_and_no_failure(clone, log, tmp_path):
    said, run = monitor(clone, log, tmp_path, "1", expect=3)
    assert "JPEG quality, 90" in said
    assert run.info.status == "FINISHED"
    assert run.data.tags["outcome"] == "alarm"
    assert "JPEG quality" in run.data.tags["reason"]
    assert run.data.metrics["quality.psi"] > 0.25
    found = json.loads((tmp_path / "reports" / "monitoring" / "drift.json").read_text())
    assert found["comparisons"][0]["name"] == "quality"
    page = (tmp_path / "reports" / "monitoring" / "drift.html").read_text()
    assert "JPEG quality" in page
    assert "http://" not in page.replace("http://www.w3.org/", "")


def test_what_cannot_be_judged_is_refused(clone, log, tmp_path):
    said, _ = monitor(clone, log, tmp_path, "2026-12-01:", expect=1)
    assert "has no lines of the days asked for; it has 2026-11-01 to 2026-11-03" in said
    said, _ = monitor(clone, log, tmp_path, "last week", expect=2)
    assert "monitor.current_days is 'last week'; allowed: FROM:TO with days" in said
