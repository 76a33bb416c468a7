"""The servers that are measured, and how each is started: ours as `make serve` does, and peers."""

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.peers.environment import PeerError, python_with, run, version_in, wheel
from forgery import SHIPPED
from forgery_lab.export import pyfunc
from serving.pointer import write_pointer
from serving.services import LOOPBACK, scoring_server, web_page
from serving.supervisor import Service, answers

logger = logging.getLogger(__name__)

PAGE, SCORING, FASTAPI, USUAL = "page", "scoring", "fastapi", "flask-keras"
LITSERVE, BENTOML, KERAS_PYFUNC = "litserve", "bentoml", "keras-pyfunc"
NAMES = (SCORING, PAGE, FASTAPI, LITSERVE, BENTOML, KERAS_PYFUNC, USUAL)
OWN_NETWORK = (KERAS_PYFUNC, USUAL)
"""Those that have the usual network of the field, and not our detector."""
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
PEERS = Path(__file__).with_name("peers")
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
        version: of the peer's package, where it has an environment of its own.
    """

    name: str
    service: Service
    port: int
    ready: str
    paths: tuple[str, ...]
    version: str = ""

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{LOOPBACK}:{self.port}"


@dataclass(frozen=True)
class Started:
    """The servers that answer, and why others do not."""

    servers: list[Server]
    left_out: dict[str, str]


def known(
    workers: int, folder: Path, names: Collection[str] = NAMES
) -> tuple[list[Server], dict[str, str]]:
    """Return the servers of these names, none of them started, and why others cannot be.

    Args:
        workers: processes of the scoring server and of peers.
        folder: for the models that servers load.
        names: of those that are wanted.
    """
    ports = dict(zip(NAMES, free_ports(len(NAMES)), strict=True))
    makers = {
        SCORING: lambda: _scoring(ports[SCORING], workers, folder),
        PAGE: lambda: _page(ports[PAGE], ports[SCORING], workers, folder),
        FASTAPI: lambda: _fastapi(ports[FASTAPI], workers),
        LITSERVE: lambda: _litserve(ports[LITSERVE], workers),
        BENTOML: lambda: _bentoml(ports[BENTOML], workers),
        KERAS_PYFUNC: lambda: _keras_pyfunc(ports[KERAS_PYFUNC], workers, folder),
        USUAL: lambda: _usual(ports[USUAL]),
    }
    made, left_out = [], {}
    for name in NAMES:
        if name in names:
            try:
                made.append(makers[name]())
            except PeerError as error:
                left_out[name] = str(error)
    return made, left_out


def _scoring(port: int, workers: int, folder: Path) -> Server:
    model = folder / "model"
    pyfunc.save_model(SHIPPED, model)
    service = scoring_server(str(model), port, workers)
    return Server(SCORING, service, port, "/ping", ("/invocations", "/ping"))


def _page(port: int, scoring_port: int, workers: int, folder: Path) -> Server:
    pointer = folder / "scoring.json"
    write_pointer(pointer, scoring_port, "the model measured")
    service = web_page(LOOPBACK, port, scoring_port, pointer, workers)
    return Server(PAGE, service, port, "/readyz", ("/predict", "/invocations"))


def _fastapi(port: int, workers: int) -> Server:
    command = [sys.executable, "-m", "benchmarks.peers.fastapi_app", str(port), str(workers)]
    paths = ("/predict", "/invocations", "/ping")
    return Server(FASTAPI, Service(FASTAPI, command, ONE_THREAD), port, "/ping", paths)


def _litserve(port: int, workers: int) -> Server:
    python = python_with(LITSERVE, [wheel(), "litserve"])
    command = [python, str(PEERS / "litserve_app.py"), str(port), str(workers)]
    version = version_in(python, "litserve")
    service = Service(LITSERVE, command, ONE_THREAD)
    return Server(LITSERVE, service, port, "/ping", ("/invocations",), version)


def _bentoml(port: int, workers: int) -> Server:
    python = python_with(BENTOML, [wheel(), "bentoml"])
    command = [
        str(Path(python).with_name("bentoml")), "serve", "bentoml_app:Forgery",
        "--host", LOOPBACK, "--port", str(port),
    ]  # fmt: skip
    environment = {**ONE_THREAD, "WORKERS": str(workers), "PYTHONPATH": str(PEERS),
                   "BENTOML_DO_NOT_TRACK": "true"}  # fmt: skip
    service = Service(BENTOML, command, environment)
    version = version_in(python, "bentoml")
    return Server(BENTOML, service, port, "/readyz", ("/invocations",), version)


def _keras_pyfunc(port: int, workers: int, folder: Path) -> Server:
    python = python_with(KERAS_PYFUNC, ["mlflow", "tensorflow-cpu", "pillow"])
    model = folder / "keras model"
    run(python, str(PEERS / "keras_pyfunc.py"), str(model))
    path = f"{Path(python).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    command = [
        str(Path(python).with_name("mlflow")), "models", "serve", "--model-uri", str(model),
        "--env-manager", "local", "--host", LOOPBACK, "--port", str(port),
        "--workers", str(workers),
    ]  # fmt: skip
    service = Service(KERAS_PYFUNC, command, {"PATH": path, "PYTHONPATH": ""})
    version = version_in(python, "mlflow")
    return Server(KERAS_PYFUNC, service, port, "/ping", ("/invocations",), version)


def _usual(port: int) -> Server:
    command = [
        sys.executable, "-m", "gunicorn", "--bind", f"{LOOPBACK}:{port}", "--workers",
        str(USUAL_WORKERS), "--timeout", str(START_SECONDS), "benchmarks.peers.usual_app:app",
    ]  # fmt: skip
    return Server(USUAL, Service("usual", command), port, "/", ("/predict",))


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
