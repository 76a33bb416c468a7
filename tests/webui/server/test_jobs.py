"""Jobs under gunicorn with several processes: they share the jobs, and one may die."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
import requests

from tests.deploy.engine import wait_until
from tests.webui.pictures import picture
from tests.webui.server.test_gunicorn import SlowScoring
from tests.webui.servers import free_port, process

GUNICORN = [
    *(sys.executable, "-m", "gunicorn", "-c", "python:webui.server.gunicorn_settings"),
    *("--workers", "2", "webui.application:create_app()"),
]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The URL and the master of a page with two processes; its scoring server answers on demand."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with ThreadingHTTPServer(("127.0.0.1", 0), SlowScoring) as scoring:
        threading.Thread(target=scoring.serve_forever, args=(0.02,), daemon=True).start()
        environment = {
            "PORT": str(port),
            "SCORING_URL": f"http://127.0.0.1:{scoring.server_port}",
        }
        with process(GUNICORN, f"{url}/livez", tmp_path / "page.log", **environment) as child:
            master = psutil.Process(child.pid)
            wait_until(lambda: len(master.children()) == 2, "there are two processes")
            yield url, master
        SlowScoring.may_answer.set()
        scoring.shutdown()


def worker_at(master: psutil.Process, file: Path) -> psutil.Process:
    """Return the process that has a file open."""
    (worker,) = [child for child in master.children() if str(file) in open_files(child)]
    return worker


def open_files(child: psutil.Process) -> list[str]:
    found = []
    for link in Path(f"/proc/{child.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(str(link.readlink()))
    return found


def test_the_job_of_a_killed_process_is_finished_by_another(service, tmp_path):
    url, master = service
    SlowScoring.asked.clear()
    SlowScoring.may_answer.clear()
    files = [("file", (f"{number}.jpg", picture(number))) for number in range(3)]
    sent = requests.post(f"{url}/v1/jobs", files=files, timeout=30)
    job = f"{url}{sent.headers['Location']}"
    assert SlowScoring.asked.wait(30)
    assert requests.get(job, timeout=30).json()["status"] == "running"
    worker = worker_at(master, tmp_path / "jobs" / sent.json()["id"] / "claim")
    SlowScoring.asked.clear()
    worker.send_signal(signal.SIGKILL)
    assert SlowScoring.asked.wait(30)  # by the other
    SlowScoring.may_answer.set()
    seen = [requests.get(f"{job}?wait=20", timeout=30).json() for _ in range(4)]  # of both
    assert {(answer["status"], answer["done"], answer["failed"]) for answer in seen} == {
        ("finished", 3, 0)
    }
    assert not list((tmp_path / "jobs").glob("*/*.picture"))
