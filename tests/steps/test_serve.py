"""`python -m steps serve` as `make serve` calls it."""

import base64
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.conftest import encoded, picture
from tests.deploy.engine import ROOT, listening, make_champion, wait_for
from tests.webui.servers import free_port, process

COMMAND = [sys.executable, "-m", "steps", "serve"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, detector_folder: Path) -> dict[str, str]:
    """The environment that leads to a registry with one champion."""
    folder = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{folder}/mlflow.db"
    make_champion(detector_folder, uri, folder)
    return {"MLFLOW_TRACKING_URI": uri, "FEEDBACK_DB": str(folder / "feedback.db")}


def test_the_champion_is_served_and_a_killed_server_comes_back(
    store: dict[str, str], tmp_path: Path
) -> None:
    port, scoring_port = free_port(), free_port()
    command = [*COMMAND, "--port", str(port), "--scoring_port", str(scoring_port)]
    url, log = f"http://127.0.0.1:{port}", tmp_path / "log"
    body = {"instances": [{"image": base64.b64encode(encoded(picture())).decode()}]}
    with process(command, f"{url}/readyz", log, **store):
        answer = requests.post(f"{url}/invocations", json=body, timeout=30).json()
        assert answer["predictions"][0]["model_version"] == "forgery-detector/1"
        os.killpg(started(log, "scoring"), signal.SIGKILL)
        wait_for(f"{url}/readyz", False, 5)
        wait_for(f"{url}/readyz", True, 60)
    assert "page stopped" in log.read_text()


def started(log: Path, name: str) -> int:
    """Return the process group of a service, from what the supervisor said."""
    lines = [line for line in log.read_text().splitlines() if f"{name} started" in line]
    return int(lines[-1].split()[-1])


def test_a_port_in_use_is_named(store: dict[str, str]) -> None:
    port = free_port()
    with listening(port):
        done = subprocess.run(
            [*COMMAND, "--scoring_port", str(port)],
            cwd=ROOT, env=os.environ | store, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode != 0
    assert f"serve: port {port} of 127.0.0.1 cannot be used" in done.stderr
    assert "Traceback" not in done.stderr
