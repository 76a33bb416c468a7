"""Processes that hang, and a scoring server that cuts connections: clear answers, and recovery."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
import requests

from serving.services import LOOPBACK
from tests.deploy.engine import wait_for, wait_until
from tests.faults.processes import PAGE_WORKER, SCORING_WORKER, UVICORN, processes
from tests.faults.running import RunningService, running_service
from tests.webui.pictures import form, picture
from webui.application import create_app
from webui.settings import Settings

READ_SECONDS = 4
PATIENCE_SECONDS = 90
"""Longer than anything here is waited for by the service: 30 s, and a start on a busy machine."""


@pytest.fixture(scope="module")
def service(stand_in, tmp_path_factory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("hung") / "service"
    patience = {"SCORING_READ_TIMEOUT": str(READ_SECONDS)}
    with running_service(stand_in, folder, **patience) as running:
        yield running


def ask(service: RunningService) -> requests.Response:
    return requests.post(
        f"{service.url}/predict", files={"file": ("a.jpg", picture())}, timeout=PATIENCE_SECONDS
    )


@contextlib.contextmanager
def stopped(*hung: psutil.Process) -> Iterator[None]:
    """Have processes hang inside the block; those that are killed meanwhile are left so."""
    for process in hung:
        process.suspend()
    try:
        yield
    finally:
        for process in hung:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


@pytest.mark.slow
def test_a_worker_that_hangs_is_replaced_and_costs_no_more_than_its_time(service):
    hung, *_ = processes(service.supervisor)[SCORING_WORKER]
    with stopped(hung), ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(ask, [service] * 16))
        wait_until(lambda: not hung.is_running() or hung.status() == psutil.STATUS_ZOMBIE,
                   "uvicorn has killed it", PATIENCE_SECONDS)  # fmt: skip
    assert {answer.status_code for answer in answers} <= {200, 504}
    assert all(answer.elapsed.total_seconds() < 3 * READ_SECONDS for answer in answers)
    assert ask(service).status_code == 200


@pytest.mark.slow
def test_a_scoring_server_that_hangs_is_late_then_killed_and_back(service):
    before = processes(service.supervisor)
    hung = [*before[UVICORN], *before[SCORING_WORKER]]
    with stopped(*hung):
        late = ask(service)
        assert (late.status_code, late.json()["error"]["code"]) == (504, "scoring_server_late")
        assert late.elapsed.total_seconds() < 2 * READ_SECONDS
        assert requests.get(f"{service.url}/livez", timeout=10).status_code == 200
        assert requests.get(f"{service.url}/readyz", timeout=30).status_code == 503
        wait_until(lambda: "scoring does not answer" in service.log.read_text(), "it is killed",
                   PATIENCE_SECONDS)  # fmt: skip
    wait_for(f"{service.url}/readyz", True, PATIENCE_SECONDS)
    assert ask(service).status_code == 200


@pytest.mark.slow
def test_a_page_that_hangs_is_killed_and_back(service):
    (hung,) = processes(service.supervisor)[PAGE_WORKER]
    with stopped(hung):
        wait_until(lambda: not hung.is_running() or hung.status() == psutil.STATUS_ZOMBIE,
                   "gunicorn has killed it", PATIENCE_SECONDS)  # fmt: skip
    wait_for(f"{service.url}/readyz", True, PATIENCE_SECONDS)
    assert ask(service).status_code == 200


def cut_off(connection: socket.socket) -> None:
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset


def cut_in_the_head(connection: socket.socket) -> None:
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 200 O")


def cut_in_the_body(connection: socket.socket) -> None:
    connection.recv(65_536)
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"predictions": [')


def no_http(connection: socket.socket) -> None:
    connection.recv(65_536)
    connection.sendall(b"\x00secret garbage\r\n\r\n")


@contextlib.contextmanager
def server(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """The URL of a server that does this with every connection, and closes it."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

    def handle(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            behave(connection)

    with socket.create_server((LOOPBACK, 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize("behave", [cut_off, cut_in_the_head, cut_in_the_body, no_http])
def test_a_broken_answer_is_an_error_of_the_scoring_server(behave):
    with server(behave) as url:
        settings = Settings(scoring_url=url, scoring_read_timeout=2)
        web = create_app(settings).test_client()
        began = time.monotonic()
        answer = web.post("/predict", data=form((picture(), "a.jpg")))
    assert answer.status_code in (502, 503, 504)
    assert answer.json["error"]["code"].startswith("scoring_server_")
    assert "secret" not in answer.text
    assert time.monotonic() < began + 10
