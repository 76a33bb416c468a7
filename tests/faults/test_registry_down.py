"""The registry does not answer: at the start that is said in a sentence, later nothing changes."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from serving.services import LOOPBACK
from tests.conftest import write_detector
from tests.deploy.engine import ROOT, make_champion, wait_for, wait_until
from tests.faults.processes import SCORING_WORKER, UVICORN, processes
from tests.faults.running import running_service
from tests.webui.servers import free_port, process

CHAMPION = "models:/forgery-detector@champion"
SECONDS = 60
"""Much less than the four minutes and more that MLflow's client would try for."""
CONTAINER = [sys.executable, "-m", "deploy.container"]
STEP = [sys.executable, "-m", "steps", "serve", "--workspace", "{folder}", "--port", "{port}"]


@pytest.mark.parametrize(
    ("command", "environment", "status", "sentence"),
    [
        (CONTAINER, {"MODEL_FOLLOW": "1"}, 2, "does not say which version has the alias champion"),
        (CONTAINER, {"MODEL_FOLLOW": "0"}, 2, f"the model {CHAMPION} could not be fetched"),
        (STEP, {}, 1, "serve: the tracking server http"),
    ],
    ids=["container that follows", "container", "make serve"],
)
def test_a_start_without_the_registry_says_why(tmp_path, command, environment, status, sentence):
    port = free_port()
    settings = {
        "MODEL_URI": CHAMPION,
        "MLFLOW_TRACKING_URI": f"http://{LOOPBACK}:{free_port()}",
        "PORT": str(port),
        "SCORING_PORT": str(free_port()),
    }
    began = time.monotonic()
    done = subprocess.run(
        [word.format(folder=tmp_path, port=port) for word in command],
        cwd=ROOT, env=os.environ | settings | environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == status
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() < began + SECONDS


@contextlib.contextmanager
def tracking_server(folder: Path, port: int) -> Iterator[str]:
    """Run an MLflow server whose store is in a folder; it can be started there again."""
    url = f"http://{LOOPBACK}:{port}"
    command = [
        sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", LOOPBACK,
        "--port", str(port), "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    lean = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with process(command, f"{url}/health", folder / "tracking.log", **lean):
        yield url


@pytest.mark.slow
def test_a_registry_that_goes_down_changes_nothing_and_is_followed_again(tmp_path):
    port = free_port()
    detector = write_detector(tmp_path / "detector")
    with contextlib.ExitStack() as stack:
        with tracking_server(tmp_path, port) as tracking:
            make_champion(detector, tracking, tmp_path)
            settings = {"MODEL_FOLLOW": "1", "MLFLOW_TRACKING_URI": tracking}
            service = stack.enter_context(
                running_service(Path(CHAMPION), tmp_path / "service", **settings)
            )
            assert served(service.url) == "forgery-detector/1"
        silent = "forgery-detector/1 continues to serve"
        wait_until(lambda: silent in service.log.read_text(), "that the registry is down")
        (uvicorn,) = processes(service.supervisor)[UVICORN]
        uvicorn.kill()  # a restart needs no registry either
        wait_until(lambda: processes(service.supervisor)[SCORING_WORKER], "other workers")
        wait_for(f"{service.url}/readyz", True, 120)
        assert served(service.url) == "forgery-detector/1"
        with tracking_server(tmp_path, port) as tracking:
            make_champion(detector, tracking, tmp_path)
            wait_until(lambda: served(service.url) == "forgery-detector/2", "version 2", 240)
        assert service.log.read_text().count(silent) <= 2


def served(url: str) -> str:
    return requests.get(f"{url}/version", timeout=30).json()["model_version"]
