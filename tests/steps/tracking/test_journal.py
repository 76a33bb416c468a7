"""The journal: nothing that a step logs is lost, whatever happens to disk, server or process."""

import json
import os
import re
import resource
import time

import psutil
import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from steps.errors import TrackingError, first_line
from steps.settings.configuration import PROJECT_ROOT
from steps.tracking import journal, runs
from steps.tracking.journal import Journal, left_behind
from tests.stores import copy_store

NOBODY = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """MLflow's own is minutes."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.fixture
def client(tmp_path, empty_store):
    """A store of its own; its artefacts go below the folder `artefacts`."""
    client = MlflowClient(copy_store(empty_store, tmp_path))
    client.create_experiment("e", artifact_location=(tmp_path / "artefacts").as_uri())
    return client


@pytest.fixture
def run_id(client):
    return client.create_run(client.get_experiment_by_name("e").experiment_id).info.run_id


def metrics(step):
    return {"metrics": {"loss": 1.0}, "params": {}, "tags": {}, "at": 1000 + step, "step": step}


def steps_of(client, run_id):
    return [one.step for one in client.get_metric_history(run_id, "loss")]


def wait_until(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def entries(folder):
    return [json.loads(line) for line in (folder / journal.ENTRIES).read_text().splitlines()]


def leave(folder, run_id, uri, count=1, **owner):
    """What a step leaves that was killed, or whose patience ended."""
    folder.mkdir(parents=True)
    owner = {"run_id": run_id, "tracking_uri": uri, "process": 2**22 + 1, "started": 1.0, **owner}
    (folder / journal.OWNER).write_text(json.dumps(owner))
    lines = [json.dumps(metrics(step)) + "\n" for step in range(count)]
    (folder / journal.ENTRIES).write_text("".join(lines))


def test_an_error_without_a_text_is_told_by_its_name():
    assert first_line(ValueError(" \n")) == "ValueError(' \\n')"
    assert "failed: MlflowException('')" in str(runs.explain(MlflowException("")))


def test_a_full_disk_leaves_no_half_line(tmp_path):
    mine = Journal(tmp_path / "run", "run", NOBODY)
    mine.add(metrics(0))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = (mine.folder / journal.ENTRIES).stat().st_size + 10
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            mine.add(metrics(1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    mine.add(metrics(2))
    assert entries(mine.folder) == [metrics(0), metrics(2)]
    mine.folder.rename(tmp_path / "gone")  # its threads end


def test_a_process_with_the_number_of_one_that_ended_is_another_one(tmp_path):
    started = psutil.Process().create_time()
    leave(tmp_path / "a", "a", NOBODY, process=os.getpid(), started=started)
    leave(tmp_path / "b", "b", NOBODY, process=os.getpid(), started=started - 3600)
    leave(tmp_path / "c", "c", "http://127.0.0.1:10")
    assert [run for _, run in left_behind(tmp_path, NOBODY)] == ["b"]


def test_of_two_steps_one_takes_over_what_was_left(tmp_path):
    leave(tmp_path / "a", "a", NOBODY)
    (folder, run), *others = left_behind(tmp_path, NOBODY)
    assert (run, others, list(left_behind(tmp_path, NOBODY))) == ("a", [], [])
    assert entries(folder) == [metrics(0)]
    assert not (tmp_path / "a").exists()


def test_a_folder_that_another_step_took_is_let_go(tmp_path, caplog):
    mine = Journal(tmp_path / "run", "run", NOBODY)
    mine.add(metrics(0))
    mine.folder.rename(tmp_path / "taken")
    assert mine.close(120)  # False where it waited in vain
    assert "another step is sending it" in caplog.text
    assert entries(tmp_path / "taken") == [metrics(0)]


def test_opening_takes_away_a_cut_line_and_touches_nothing_else(tmp_path, client, run_id):
    uri, folder = client.tracking_uri, tmp_path / "run"
    leave(folder, run_id, uri, count=2)
    lines = folder / journal.ENTRIES
    lines.chmod(0o444)
    os.utime(lines, ns=(1, 1))
    Journal(folder, run_id, NOBODY)
    assert lines.stat().st_mtime_ns == 1
    lines.chmod(0o644)
    whole = lines.read_bytes()
    lines.write_bytes(whole + whole[:20])
    mine = Journal(folder, run_id, uri)
    assert lines.read_bytes() == whole
    assert mine.close(120)
    assert steps_of(client, run_id) == [0, 1]


def test_what_the_server_refuses_for_good_is_kept(tmp_path, client, run_id, caplog):
    client.delete_run(run_id)
    mine = Journal(tmp_path / "journal/run", run_id, client.tracking_uri)
    mine.add(metrics(3))
    with pytest.raises(TrackingError, match=f"all of them are kept in {mine.folder}"):
        mine.close(120)
    assert entries(mine.folder) == [metrics(3)]
    assert f"refused for good: {json.dumps(metrics(3))}" in caplog.text
    assert list(left_behind(tmp_path / "journal", client.tracking_uri)) == []


def test_values_do_not_wait_for_an_artefact_store_that_is_down(tmp_path, client, run_id, caplog):
    (tmp_path / "artefacts").write_text("in the way")
    mine = Journal(tmp_path / "journal/run", run_id, client.tracking_uri)
    files = mine.new_files()
    (files / "note.txt").write_text("x")
    mine.add({"files": str(files.relative_to(mine.folder)), "to": None})
    mine.add(metrics(1))
    wait_until(lambda: mine.sent["values"] == 2)
    wait_until(lambda: "the artefact store did not accept an entry" in caplog.text)
    assert not mine.close(0.1)
    assert steps_of(client, run_id) == [1]
    assert "the artefact store is down; 2 entries wait" in caplog.text
    (tmp_path / "artefacts").unlink()
    assert mine.close(120)
    assert [one.path for one in client.list_artifacts(run_id)] == ["note.txt"]


def test_every_step_logs_through_the_journal():
    past = re.compile(r"mlflow\.(log_|set_tag|start_run|end_run)")
    for path in (PROJECT_ROOT / "steps").glob("*.py"):
        if path.name != "tracking.py":
            assert not past.search(path.read_text("utf-8")), path.name
