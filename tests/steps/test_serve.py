"""`python -m steps serve` as `make serve` calls it."""

import base64
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from serving.services import scoring_server
from steps.serve import remove_other_models
from tests.conftest import encoded, picture
from tests.deploy.engine import ROOT, listening, status, wait_for, wait_until
from tests.webui.servers import free_port, process

COMMAND = [sys.executable, "-m", "steps", "serve"]


@pytest.fixture
def store(champion_store: str, tmp_path: Path) -> dict[str, str]:
    """The environment that leads to a registry with one champion, and keeps feedback apart."""
    return {
        "MLFLOW_TRACKING_URI": champion_store,
        "FEEDBACK_DB": str(tmp_path / "feedback.db"),
        "VERBOSE": "1",
    }


def test_of_the_fetched_models_the_one_that_is_served_stays(tmp_path):
    places = [tmp_path / name for name in ("served", "earlier")]
    for place in places:
        (place / "model").mkdir(parents=True)
    (tmp_path / "scoring.json").touch()
    serving = scoring_server(str(places[0] / "model"), 5001, 1)
    remove_other_models(tmp_path, serving)
    assert {path.name for path in tmp_path.iterdir()} == {"served", "scoring.json"}


@pytest.mark.slow
def test_the_champion_is_served_and_a_killed_server_comes_back(
    store: dict[str, str], tmp_path: Path
) -> None:
    port, scoring_port = free_port(), free_port()
    ports = ["--port", str(port), "--scoring_port", str(scoring_port)]
    command = [*COMMAND, *ports, "--workspace", str(tmp_path)]
    url, log = f"http://127.0.0.1:{port}", tmp_path / "log"
    body = {"instances": [{"image": base64.b64encode(encoded(picture())).decode()}]}
    store = store | {"READY_CACHE_SECONDS": "60"}  # longer than this test takes
    with process(command, f"{url}/readyz", log, **store) as supervisor:
        wait_until(
            lambda: f"{url}, answered by forgery-detector/1" in log.read_text(), "its address"
        )
        answer = requests.post(f"{url}/invocations", json=body, timeout=30).json()
        assert answer["predictions"][0]["model_version"] == "forgery-detector/1"
        killed = started(log, "scoring")
        supervisor.send_signal(signal.SIGSTOP)  # nothing is started again meanwhile
        os.killpg(killed, signal.SIGKILL)
        wait_for(f"http://127.0.0.1:{scoring_port}/ping", False, 60)
        assert status(f"{url}/readyz") == 503
        supervisor.send_signal(signal.SIGCONT)
        wait_until(lambda: started(log, "scoring") != killed, "another scoring server")
        wait_for(f"{url}/readyz", True, 180)
        assert "scoring was killed by SIGKILL; restart in" in log.read_text()
    assert "page stopped" in log.read_text()


def started(log: Path, name: str) -> int:
    """Return the process group of a service, from what the supervisor said."""
    lines = [line for line in log.read_text().splitlines() if f"{name} started" in line]
    return int(lines[-1].split()[-1])


def test_a_port_in_use_is_named(store: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    with listening(port):
        done = subprocess.run(
            [*COMMAND, "--scoring_port", str(port), "--workspace", str(tmp_path)],
            cwd=ROOT, env=os.environ | store, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode != 0
    assert f"serve: port {port} of 127.0.0.1 cannot be used" in done.stderr
    assert "Traceback" not in done.stderr
