"""The scoring server as `make serve` and the container start it: no answer waits for the network.

Without `TCP_NODELAY` an answer over a kept connection waits some 40 ms for the acknowledgement of
its head; see `docs/upstream/uvicorn-tcp-nodelay.md`.
"""

import base64
import http.client
import json
import os
import subprocess
import sys
import time

import pytest

from forgery_pyfunc.contract import AT_ONCE_VARIABLE
from serving import services
from serving.services import LOOPBACK, scoring_server
from tests.conftest import encoded, picture
from tests.webui.servers import free_port, process

REQUESTS = 50
ACKNOWLEDGEMENT_SECONDS = 0.04  # the least that Linux delays one


@pytest.fixture(scope="module", params=[1, 2], ids=["one worker", "two workers"])
def port(request, stand_in, tmp_path_factory):
    """The port of a scoring server with so many workers."""
    service = scoring_server(str(stand_in), free_port(), request.param)
    log = tmp_path_factory.mktemp("scoring") / "log"
    with process(service.command, service.ping, log, **service.environment):
        yield int(service.command[service.command.index("--port") + 1])


@pytest.mark.parametrize("path", ["/ping", "/invocations"])
def test_no_answer_over_a_kept_connection_waits_for_an_acknowledgement(port, path):
    def connect():
        return http.client.HTTPConnection(LOOPBACK, port, timeout=30)

    kept = connect()
    seconds(kept, path)  # the first answer of a connection never waits
    # The best of many: a busy machine delays most answers, the fault delays every one.
    over_kept = min(seconds(kept, path) for _ in range(REQUESTS))
    over_new = min(seconds(connect(), path) for _ in range(REQUESTS))
    assert over_kept < over_new + ACKNOWLEDGEMENT_SECONDS / 2


def seconds(connection: http.client.HTTPConnection, path: str) -> float:
    """Return how long one answer takes, with the connection's own beginning where it is new."""
    row = {"image": base64.b64encode(encoded(picture())).decode()}
    body = json.dumps({"dataframe_records": [row]}) if path == "/invocations" else None
    started = time.perf_counter()
    connection.request("POST" if body else "GET", path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200
    return time.perf_counter() - started


def test_a_model_that_is_served_elsewhere_brings_the_event_loop(stand_in):
    assert "uvloop==" in (stand_in / "requirements.txt").read_text()


@pytest.mark.parametrize(("workers", "at_once"), [(1, "2"), (3, "2"), (4, "1"), (8, "1")])
def test_a_worker_with_a_cpu_of_its_own_scores_one_image_at_once(monkeypatch, workers, at_once):
    monkeypatch.setattr(services, "available_cpus", lambda: 4)
    monkeypatch.delenv(AT_ONCE_VARIABLE, raising=False)
    environment = scoring_server("models/x", 5001, workers).environment
    assert environment[AT_ONCE_VARIABLE] == at_once
    own = {AT_ONCE_VARIABLE: "7"}
    assert scoring_server("models/x", 5001, workers, own).environment[AT_ONCE_VARIABLE] == "7"
    monkeypatch.setenv(AT_ONCE_VARIABLE, "3")
    assert scoring_server("models/x", 5001, workers).environment[AT_ONCE_VARIABLE] == "3"


MEMORY_AFTER_A_LARGE_PICTURE = """
import io
import numpy as np
import psutil
from PIL import Image
from forgery_pyfunc import Detector

def photograph(width, height):
    rough = np.random.default_rng(0).normal(128, 30, (height // 8, width // 8, 3))
    out, soft = io.BytesIO(), Image.fromarray(rough.clip(0, 255).astype(np.uint8))
    soft.resize((width, height), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    return out.getvalue()

detector, used = Detector.shipped(), []
for size in ((384, 256), (2560, 1920), (384, 256)):
    assert detector.score(photograph(*size)).probability is not None
    used.append(psutil.Process().memory_info().rss)
print(used[2] / used[0])
"""


def test_a_server_gives_back_the_memory_that_a_large_picture_took():
    environment = os.environ | scoring_server("models/x", 5001, 1).environment
    command = [sys.executable, "-c", MEMORY_AFTER_A_LARGE_PICTURE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.3


def test_arrow_takes_its_memory_from_the_allocator_that_gives_it_back():
    program = "import pyarrow; print(pyarrow.default_memory_pool().backend_name)"
    environment = {**os.environ, **services.MEMORY}
    command = [sys.executable, "-c", program]
    assert subprocess.check_output(command, text=True, env=environment).strip() == "system"
