"""The servers that are measured, and how each is started: ours as `make serve` does, and peers."""

import logging
import signal
import socket
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from forgery import SHIPPED
from forgery_lab.export import pyfunc
from serving.pointer import write_pointer
from serving.services import LOOPBACK, scoring_server, web_page
from serving.supervisor import Service, answers

logger = logging.getLogger(__name__)

PAGE, SCORING, FASTAPI, USUAL = "page", "scoring", "fastapi", "flask-keras"
NAMES = (SCORING, PAGE, FASTAPI, USUAL)
START_SECONDS = 120
STOP_SECONDS = 30
IDLE_SECONDS = 30
USUAL_WORKERS = 2


@dataclass(frozen=True)
class Server:
    """A server on loopback.

    Attributes:
        name: for the table.
        service: the command that starts it.
        port: where it listens.
        ready: a path that it answers with 200 once it can work.
        paths: what is measured.
    """

    name: str
    service: Service
    port: int
    ready: str
    paths: tuple[str, ...]

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{LOOPBACK}:{self.port}"


@dataclass(frozen=True)
class Started:
    """The servers that answer, and why others do not."""

    servers: list[Server]
    left_out: dict[str, str]


def known(workers: int, folder: Path) -> list[Server]:
    """Return all servers that can be measured, none of them started.

    Args:
        workers: processes of the scoring server and of the FastAPI application.
        folder: for the model that the scoring server loads.
    """
    page, scoring, fastapi, usual = free_ports(4)
    model, pointer = folder / "model", folder / "scoring.json"
    pyfunc.save_model(SHIPPED, model)
    write_pointer(pointer, scoring, "the model measured")
    modules = [sys.executable, "-m"]
    peer = {"OMP_NUM_THREADS": "1"}
    fastapi_command = [*modules, "benchmarks.peers.fastapi_app", str(fastapi), str(workers)]
    usual_command = [
        *modules, "gunicorn", "--bind", f"{LOOPBACK}:{usual}", "--workers", str(USUAL_WORKERS),
        "--timeout", str(START_SECONDS), "benchmarks.peers.usual_app:app",
    ]  # fmt: skip
    return [
        Server(SCORING, scoring_server(str(model), scoring, workers), scoring, "/ping",
               ("/invocations", "/ping")),
        Server(PAGE, web_page(LOOPBACK, page, scoring, pointer, workers), page, "/readyz",
               ("/predict", "/invocations")),
        Server(FASTAPI, Service("fastapi", fastapi_command, peer), fastapi, "/ping",
               ("/predict", "/invocations", "/ping")),
        Server(USUAL, Service("usual", usual_command), usual, "/", ("/predict",)),
    ]  # fmt: skip


@contextmanager
def running(wanted: Sequence[Server], folder: Path) -> Iterator[Started]:
    """Start servers, yield those that answer, and stop them all.

    Args:
        wanted: in the order in which they start; they are stopped in the reverse one.
        folder: for the logs, which are written as part of what is measured.
    """
    try:
        for server in wanted:
            _log_to_file(server.service, _log(server, folder))
            server.service.start()
        left_out = {
            server.name: reason
            for server in wanted
            if (reason := _reason_not_ready(server, _log(server, folder)))
        }
        yield Started([server for server in wanted if server.name not in left_out], left_out)
    finally:
        for server in reversed(wanted):
            _stop(server.service)


def wait_until_idle(servers: Collection[Server]) -> None:
    """Wait until the servers' processes rest: a load leaves answers that nobody waits for."""
    deadline = time.monotonic() + IDLE_SECONDS
    while time.monotonic() < deadline:
        before = _processor_seconds(servers)
        time.sleep(0.1)
        if _processor_seconds(servers) - before <= 0.01:  # a tick of the kernel's clock
            return
    logger.warning("the servers still work, %d s after the last load", IDLE_SECONDS)


def free_ports(count: int) -> list[int]:
    """Return ports that nothing listens on, all different."""
    probes = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _log(server: Server, folder: Path) -> Path:
    return folder / f"{server.service.name}.log"


def _log_to_file(service: Service, log: Path) -> None:
    service.command = ["sh", "-c", 'exec "$@" >"$0" 2>&1', str(log), *service.command]


def _reason_not_ready(server: Server, log: Path) -> str:
    """Return an empty string as soon as it answers; else why it does not."""
    deadline = time.monotonic() + START_SECONDS
    while not answers(f"{server.url}{server.ready}"):
        process = server.service.process
        if process is None or process.poll() is not None:
            last = (log.read_text("utf-8", "replace").strip() or "nothing").splitlines()[-1]
            return f"it ended while starting; its last line: {last}"
        if time.monotonic() > deadline:
            return f"no answer after {START_SECONDS} s"
        time.sleep(0.2)
    return ""


def _stop(service: Service) -> None:
    service.signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while not service.gone():
        if time.monotonic() > deadline:
            service.signal(signal.SIGKILL)
        time.sleep(0.05)


def _processor_seconds(servers: Collection[Server]) -> float:
    """Return how long the processes of the servers have worked so far."""
    total = 0.0
    for server in servers:
        if server.service.process is None:
            continue
        try:
            leader = psutil.Process(server.service.process.pid)
            for process in [leader, *leader.children(recursive=True)]:
                spent = process.cpu_times()
                total += spent.user + spent.system
        except psutil.NoSuchProcess:
            continue
    return total
