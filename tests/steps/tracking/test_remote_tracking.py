"""Tracking on a real server with passwords, PostgreSQL and S3, which is down for a while."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from steps.settings.configuration import PROJECT_ROOT
from tests.deploy.engine import wait_until
from tests.steps.tracking.tracking_server import (
    PASSWORD,
    credentials,
    faulty_proxy,
    mlflow_server,
    object_store,
    postgres,
    postgres_programs,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        postgres_programs() is None,
        reason="PostgreSQL is not installed (apt-get install postgresql)",
    ),
]

EPOCHS = 40
TRAINING = f"""
import logging, sys, time
from steps.tracking import journal, runs
from steps.settings.configuration import ConfigurationManager
from steps.settings.entities import TrainSettings

logging.basicConfig(level="INFO", format="%(message)s")
manager = ConfigurationManager()
workspace = manager.workspace(sys.argv[1])
journal.PATIENCE = float(sys.argv[2])
journal.LONGEST_PAUSE = 1.0
settings = manager.settings(TrainSettings)
runs.configure("remote")
with runs.step_run(settings, workspace) as run:
    sys.stdout.write(f"RUN {{run.info.run_id}}\\n")  # at once: others write to the same pipe
    sys.stdout.flush()
    for epoch in range(1, {EPOCHS} + 1):
        runs.log_metrics({{"loss": 1 / epoch, "val_loss": 2 / epoch}}, step=epoch)
        time.sleep(0.1)
    runs.log_text("curves", "figures/curves.txt")
    runs.set_tags({{"done": "yes"}})
    print("TRAINED", flush=True)
"""
QUICK = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0.1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
"""MLflow's own patience, none: what bridges the time without a server must be the journal."""
MORE_THAN_MLFLOW_TRIES = 10
"""Requests: five for each of the two kinds of entries, which do not wait for each other."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The URI of the server."""
    folder = tmp_path_factory.mktemp("server")
    with (
        postgres() as backend,
        object_store(folder) as store,
        mlflow_server(folder, backend, store) as uri,
    ):
        yield uri


@pytest.fixture
def client(server, monkeypatch):
    """A client that goes past the proxy."""
    for name, value in credentials().items():
        monkeypatch.setenv(name, value)
    return MlflowClient(server)


def start(uri, workspace, patience=300):
    """Start the training; return its process and the id of its run."""
    environment = os.environ | QUICK | credentials() | {"MLFLOW_TRACKING_URI": uri}
    process = subprocess.Popen(
        [sys.executable, "-c", TRAINING, str(workspace), str(patience)], cwd=PROJECT_ROOT,
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    return process, read_until(process, "RUN").split()[1]


def read_until(process, word):
    """Return the next line that begins with a word, perhaps after the name of a logger."""
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith(word) or f": {word}" in line:
            return line
    raise AssertionError("".join(said))


def check_complete(client, run_id):
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["done"] == "yes"
    assert run.data.params["train.epochs"]
    for name in ("loss", "val_loss"):
        steps = [metric.step for metric in client.get_metric_history(run_id, name)]
        assert sorted(steps) == list(range(1, EPOCHS + 1))
    assert [item.path for item in client.list_artifacts(run_id, "figures")] == [
        "figures/curves.txt"
    ]


def test_a_training_does_not_wait_for_a_server_that_is_down_and_loses_nothing(
    server, client, tmp_path
):
    with faulty_proxy(server) as (uri, faults):
        faults.share = 0.2
        process, run_id = start(uri, tmp_path)
        faults.go_down()
        before = faults.dropped
        read_until(process, "TRAINED")  # the server is down: the training did not wait for it
        wait_until(lambda: faults.dropped - before > MORE_THAN_MLFLOW_TRIES, "tried again", 240)
        assert process.poll() is None
        faults.is_down = False
        said = process.communicate(timeout=240)[0]
    assert process.returncode == 0, said
    assert faults.dropped > 5
    check_complete(client, run_id)
    assert not list((tmp_path / "runs/journal").iterdir())


KERAS_EPOCHS = 6


def test_a_real_training_bridges_a_time_without_a_server(server, client, trained, tmp_path):
    """The step itself, with Keras: the server is down from its first epoch to its fourth."""
    for name in ("data", "runs"):
        shutil.copytree(trained.root / name, tmp_path / name, ignore=shutil.ignore_patterns("main"))
    options = ("--epochs", str(KERAS_EPOCHS), "--patience", str(KERAS_EPOCHS))
    with faulty_proxy(server) as (uri, faults):
        faults.share = 0.1
        process = subprocess.Popen(
            ["python", "-m", "steps", "train", *options, "--workspace", str(tmp_path)],
            cwd=trained.root, env=trained.environment | QUICK | credentials()
            | {"MLFLOW_TRACKING_URI": uri, "PYTHONUNBUFFERED": "1", "VERBOSE": "1",
               "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "0.2"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        read_until(process, "epoch 1:")
        before = faults.go_down()
        went = time.time()
        read_until(process, "epoch 4:")
        came = time.time()
        assert faults.passed == before
        faults.is_down = False
        said = process.communicate(timeout=240)[0]
    assert process.returncode == 0, said
    run_id = json.loads((tmp_path / "runs/train.json").read_text())["run_id"]
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    for name in ("loss", "val_loss", "seconds"):
        steps = [metric.step for metric in client.get_metric_history(run_id, name)]
        assert steps == list(range(1, KERAS_EPOCHS + 1)), name
    load = client.get_metric_history(run_id, "system/cpu_utilization_percentage")
    assert [metric.step for metric in load] == list(range(len(load)))
    assert any(went < metric.timestamp / 1000 < came for metric in load)
    assert "detector/network.onnx" in {
        item.path for item in client.list_artifacts(run_id, "detector")
    }
    assert not list((tmp_path / "runs/journal").iterdir())


def test_what_a_step_could_not_send_the_next_one_sends(server, client, tmp_path):
    with faulty_proxy(server) as (uri, faults):
        process, run_id = start(uri, tmp_path, patience=1)
        faults.go_down()
        said = process.communicate(timeout=240)[0]
        assert process.returncode == 0, said
        assert "entries wait in" in said
        assert client.get_run(run_id).info.status == "RUNNING"
        faults.is_down = False
        process, other = start(uri, tmp_path)
        said = process.communicate(timeout=240)[0]
    assert process.returncode == 0, said
    check_complete(client, run_id)
    check_complete(client, other)


def run_step(uri, workspace, password):
    environment = os.environ | QUICK | credentials(password) | {"MLFLOW_TRACKING_URI": uri}
    command = ["ingest", "--demo_count", "40", "--workspace", str(workspace)]
    return subprocess.run(
        [sys.executable, "-m", "steps", *command], cwd=PROJECT_ROOT, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_real_step_reaches_a_server_that_loses_every_fifth_request(server, client, tmp_path):
    with faulty_proxy(server) as (uri, faults):
        faults.share = 0.2
        done = run_step(uri, tmp_path, PASSWORD)
    assert done.returncode == 0, done.stderr
    run_id = json.loads((tmp_path / "runs/ingest.json").read_text())["run_id"]
    run = client.get_run(run_id)
    assert run.data.metrics["images"] == 40
    assert run.inputs.dataset_inputs[0].dataset.name == "manifest"
    assert {item.path for item in client.list_artifacts(run_id)} == {"figures", "ingest.json"}


def test_a_wrong_password_is_one_sentence(server, tmp_path):
    done = run_step(server, tmp_path, "wrong")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1] == (
        f"ingest: the tracking server {server} does not accept the user admin with this password; "
        "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    )


@pytest.mark.parametrize("secret", [PASSWORD, "wrong"])
def test_the_doctor_looks_at_the_server(server, secret):
    environment = os.environ | credentials(secret) | {"MLFLOW_TRACKING_URI": server}
    done = subprocess.run(
        [Path(sys.executable).parent / "forgery", "doctor"], cwd=PROJECT_ROOT, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    lines = {line[6:18].strip(): line for line in done.stdout.splitlines()}
    if secret != PASSWORD:
        assert lines["tracking"].startswith("FAIL")
        assert "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in done.stdout
        return
    for subject in ("tracking", "version", "clock", "registry", "artefacts", "disk"):
        assert lines[subject].startswith("ok"), done.stdout
    assert lines["champion"].startswith("FAIL")
