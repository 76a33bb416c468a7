"""A Spark cluster of one master and two workers on loopback, and the steps that work on it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.servers import free_ports
from steps.settings.configuration import PROJECT_ROOT

PYTHON = os.environ.get("EXECUTORS_PYTHON") or sys.executable
"""What the executors run: the environment of `make spark`, where `make` has started this."""
SECONDS = 600


class ClusterError(Exception):
    """The cluster, or a step on it, did not do what it must."""


@dataclass(frozen=True)
class Cluster:
    """A running cluster: its master, its script, and the environment of drivers."""

    master: str
    script: subprocess.Popen[bytes]
    environment: dict[str, str]

    def start(self, step: str = "score", **options: object) -> subprocess.Popen[str]:
        """Start `python -m steps STEP` with the options; its outputs are one."""
        given = [text for key, value in options.items() for text in (f"--{key}", str(value))]
        command = [sys.executable, "-m", "steps", step, "--engine", "spark"]
        return subprocess.Popen(
            [*command, "--master", self.master, *given],
            cwd=PROJECT_ROOT, env=self.environment, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def score(self, expect: int = 0, **options: object) -> str:
        """Return what scoring printed; raise `ClusterError` where its exit status is another."""
        return self.run("score", expect, **options)

    def run(self, step: str, expect: int = 0, **options: object) -> str:
        """Return what a step printed; raise `ClusterError` where its exit status is another."""
        return ended(self.start(step, **options), expect)

    def executors(self) -> list[psutil.Process]:
        """Return the executors' JVMs."""
        return [
            one for one in psutil.Process(self.script.pid).children(recursive=True)
            if "CoarseGrainedExecutorBackend" in " ".join(_command(one))
        ]  # fmt: skip


def ended(child: subprocess.Popen[str], expect: int = 0) -> str:
    """Return what a step has printed in the end; errors as those of `Cluster.run`."""
    said, _ = child.communicate(timeout=SECONDS)
    if child.returncode != expect:
        raise ClusterError(f"exit status {child.returncode}, expected {expect}: {said}")
    return said


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has ended
        return []


@contextlib.contextmanager
def cluster(folder: Path, **environment: str) -> Iterator[Cluster]:
    """Yield a cluster by `deploy/spark-cluster`, which ends all of it when it is told to.

    Args:
        folder: for its logs, and for the tracking store of drivers.
        environment: added to that of drivers.

    Raises:
        ClusterError: it does not start, or does not end.
    """
    port, page = free_ports(2)
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    of_drivers = inherited | environment | {
        "PYSPARK_PYTHON": PYTHON,
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
    }  # fmt: skip
    log = folder / "cluster.log"
    with log.open("wb") as output:
        script = subprocess.Popen(
            [PROJECT_ROOT / "deploy/spark-cluster", PYTHON, folder / "cluster"],
            env=inherited | {"SPARK_PORT": str(port), "SPARK_PAGE_PORT": str(page)},
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        until(lambda: "Spark runs with two workers" in log.read_text(), log.read_text)
        yield Cluster(f"spark://127.0.0.1:{port}", script, of_drivers)
    finally:
        below = psutil.Process(script.pid).children(recursive=True)
        script.send_signal(signal.SIGTERM)  # SIGINT is ignored below a shell without job control
        status = script.wait(60)
        _, alive = psutil.wait_procs(below, 30)
        if status or alive:
            raise ClusterError(f"status {status}, still there: {alive}; {log.read_text()}")


def until(is_true: Callable[[], object], said: Callable[[], str] = str) -> None:
    """Return once something is true; raise `ClusterError` when that does not happen."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if is_true():
            return
        time.sleep(0.1)
    raise ClusterError(said()[-3000:])
