"""Processes that the tests talk to."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import requests

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def process(
    command: list[str], ready: str, log: Path, **environment: str
) -> Iterator[subprocess.Popen]:
    """A server process that is up once `ready` answers 200; its group is ended on leaving."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"JOBS_DIR": str(log.parent / "jobs")} | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until_ready(child, ready, log)
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        child.wait(30)


def wait_until_ready(child: subprocess.Popen, ready: str, log: Path, seconds: float = 240) -> None:
    """Return once the URL answers 200; fail with the log when that does not happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and child.poll() is None:
        with contextlib.suppress(requests.RequestException):
            if requests.get(ready, timeout=2).ok:
                return
        time.sleep(0.1)
    raise AssertionError(f"no answer from {ready}:\n{log.read_text(errors='replace')[-3000:]}")
