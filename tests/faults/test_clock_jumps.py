"""The time of day is set by a day, forwards and back, while the service runs.

A small library, compiled here, stands between its processes and the time of day; the clocks that
only run forwards are real. (libfaketime breaks Python's `time.sleep`.)
"""

import contextlib
import re
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import requests

from serving.services import LOOPBACK
from tests.deploy.engine import wait_until
from tests.faults.processes import processes
from tests.faults.running import RunningService, running_service
from tests.webui.pictures import BROWSER, picture

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).with_name("time_of_day.c")
OFFSET = struct.Struct("=q")
DAY_SECONDS = 86_400
KEPT_SECONDS = 40
HEADER_SECONDS = 2


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """The file that holds how far the time of day is off."""
    file = tmp_path / "offset"
    file.write_bytes(OFFSET.pack(0))
    return file


@pytest.fixture
def library(tmp_path: Path) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler, `cc`")
    built = tmp_path / "time_of_day.so"
    options = ["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", built]
    subprocess.run([compiler, *options, SOURCE], check=True)
    return built


@pytest.fixture
def service(clock: Path, library: Path, stand_in: Path, tmp_path: Path) -> Iterator[RunningService]:
    settings = {
        "LD_PRELOAD": str(library),
        "TIME_OF_DAY_OFFSET": str(clock),
        "RESULTS_KEEP_SECONDS": str(KEPT_SECONDS),
        "JOBS_KEEP_SECONDS": str(KEPT_SECONDS),
        "HEADER_SECONDS": str(HEADER_SECONDS),
    }
    with running_service(stand_in, tmp_path / "service", **settings) as running:
        yield running


def jump(service: RunningService, clock: Path, seconds: int) -> None:
    """Set the time of day, in the mapped file itself, and wait until the page tells it."""
    with clock.open("r+b") as file:
        file.write(OFFSET.pack(seconds * 10**9))
    wait_until(lambda: abs(seconds_off(service) - seconds) < 60, "the time of day is another")


def seconds_off(service: RunningService) -> float:
    told = requests.get(f"{service.url}/livez", timeout=30).headers["Date"]
    return parsedate_to_datetime(told).timestamp() - time.time()


def test_nothing_vanishes_nothing_stays_and_nothing_is_restarted(service, clock):
    before = processes(service.supervisor)
    kept = keep(service)
    began = time.monotonic()
    for seconds in (DAY_SECONDS, -DAY_SECONDS):
        jump(service, clock, seconds)
        assert [status(service, path) for path in kept] == [200, 200]
        later = keep(service)
        assert [status(service, path) for path in later] == [200, 200]
        assert requests.get(f"{service.url}/readyz", timeout=30).status_code == 200
        assert 0 < seconds_until_let_go(service) < HEADER_SECONDS + 10
    assert time.monotonic() < began + KEPT_SECONDS, "this machine is too slow to tell"
    wait_until(lambda: [status(service, path) for path in kept] == [404, 404], "they are gone",
               KEPT_SECONDS + 10)  # fmt: skip
    assert time.monotonic() > began + KEPT_SECONDS - 2
    wait_until(lambda: [status(service, path) for path in later] == [404, 404], "they too",
               KEPT_SECONDS + 10)  # fmt: skip
    leaders = {process.pid for kind in before.values() for process in kind[:1]}
    assert leaders <= {process.pid for kind in processes(service.supervisor).values()
                       for process in kind}  # fmt: skip
    assert "restart in" not in service.log.read_text()


def keep(service: RunningService) -> list[str]:
    """Return the addresses of a new result and of a new job, which is finished."""
    upload = {"file": ("a.jpg", picture(240))}
    page = requests.post(f"{service.url}/predict", files=upload, headers=BROWSER, timeout=60)
    job = requests.post(f"{service.url}/v1/jobs", files=upload, timeout=60).headers["Location"]
    done = requests.get(f"{service.url}{job}?wait=30", timeout=60).json()
    assert [record["verdict"] for record in done["results"]] == ["forged"]
    return [re.search(r"/results/[\w-]{22}", page.text)[0], job]


def status(service: RunningService, path: str) -> int:
    return requests.get(f"{service.url}{path}", timeout=30).status_code


def seconds_until_let_go(service: RunningService) -> float:
    """Return how long a client that does not finish its headers is waited for."""
    with socket.create_connection((LOOPBACK, service.port), timeout=60) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\nX-Long: ")
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            assert client.recv(100) == b""
        return time.monotonic() - began
