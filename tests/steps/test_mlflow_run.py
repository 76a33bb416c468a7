"""`mlflow run` as users type it, and tracking on a real server."""

import json
import os
import signal
import socket
import subprocess
import time
from urllib.request import urlopen

import pytest
from mlflow.tracking import MlflowClient

from tests.stores import copy_store

pytestmark = pytest.mark.slow

FEW = ("-P", "demo_count=40")


@pytest.mark.parametrize("manager", ["local", "uv"])
def test_an_entry_point_runs_under_each_environment_manager(clone, tmp_path, manager):
    workspace = f"workspace={tmp_path}"
    clone.run("mlflow", "run", ".", "-e", "ingest", "--env-manager", manager, *FEW, "-P", workspace)
    assert (tmp_path / "data/manifest.parquet").is_file()


def test_an_entry_point_runs_from_a_git_uri(clone, tmp_path):
    uri, workspace = f"file://{clone.root}", f"workspace={tmp_path}"
    clone.run("mlflow", "run", uri, "-e", "ingest", "--env-manager", "local", *FEW, "-P", workspace)
    assert (tmp_path / "data/manifest.parquet").is_file()


def test_an_unknown_parameter_is_refused_in_one_sentence(clone):
    said = clone.run(
        "mlflow", "run", ".", "-e", "ingest", "--env-manager", "local", "-P", "sourze=x", expect=1
    )
    assert "-P: unknown key ingest.sourze; did you mean ingest.source?" in said


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def server(clone, tmp_path, empty_store):
    """The URI of a real MLflow server."""
    port, uri = free_port(), copy_store(empty_store, tmp_path)
    process = subprocess.Popen(
        ["mlflow", "server", "--backend-store-uri", uri,
         "--artifacts-destination", str(tmp_path / "artifacts"), "--workers", "1",
         "--host", "127.0.0.1", "--port", str(port)],
        env=clone.environment, cwd=tmp_path, start_new_session=True,
    )  # fmt: skip
    uri = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 240
    while True:
        assert time.monotonic() < deadline, "the server does not answer"
        try:
            with urlopen(f"{uri}/health", timeout=1):
                break
        except OSError:
            time.sleep(0.5)
    yield uri
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(30)


def test_a_step_is_tracked_on_a_server(clone, server, tmp_path):
    workspace = tmp_path / "workspace"
    options = ("--demo_count", "40", "--workspace", str(workspace))
    clone.step("ingest", *options, MLFLOW_TRACKING_URI=server)
    run_id = json.loads((workspace / "runs/ingest.json").read_text())["run_id"]
    client = MlflowClient(server)
    run = client.get_run(run_id)
    assert run.data.params["ingest.demo_count"] == "40"
    assert run.data.metrics["images"] == 40
    assert run.inputs.dataset_inputs[0].dataset.name == "manifest"
    assert {item.path for item in client.list_artifacts(run_id)} == {"figures", "ingest.json"}
