"""Load on a server from `wrk`: so many clients, each of which sends one request after the other."""

import math
import shutil
import subprocess
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

SCRIPT = Path(__file__).with_name("load.lua")
TIMEOUT_SECONDS = 60
"""An answer that takes longer counts as failed."""
REFUSALS = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)

Connection = Literal["kept", "new"]
"""Whether a client sends all its requests over one connection, or each over a new one."""
HEADER: dict[Connection, str] = {"kept": "keep-alive", "new": "close"}


class LoadError(Exception):
    """The load generator is missing or could not do its work; the message says why."""


@dataclass(frozen=True)
class Request:
    """What is sent: `body` is the path of a file, `None` for a request without a body."""

    url: str
    method: Literal["GET", "POST"] = "GET"
    content_type: str = ""
    body: Path | None = None


class Answers(BaseModel):
    """What came back.

    Attributes:
        seconds: how long the load lasted.
        statuses: how many answers came with which HTTP status.
        p50_ms: median time from sending to the whole answer, of all answers, whatever their
            status; infinite where none came.
        p99_ms: the 99th percentile.
        broken: connections refused or cut, and answers that did not come in time; also
            connections that a server closes without the header `Connection: close`.
    """

    seconds: float
    statuses: dict[int, int]
    p50_ms: float
    p99_ms: float
    broken: int

    @property
    def per_second(self) -> float:
        """Answers with status 200 a second."""
        return self.statuses.get(HTTPStatus.OK, 0) / self.seconds

    @property
    def refused(self) -> int:
        """Answers that tell the client to come back later."""
        return sum(self.statuses.get(status, 0) for status in REFUSALS)

    @property
    def failed(self) -> int:
        """Answers that are neither 200 nor a refusal, and requests without an answer."""
        answered = sum(self.statuses.values())
        return answered - self.statuses.get(HTTPStatus.OK, 0) - self.refused + self.broken


def generator() -> str:
    """Return the path of wrk; raise `LoadError` where it is not installed."""
    found = shutil.which("wrk")
    if found is None:
        raise LoadError(
            "the load generator wrk is not installed; on Debian and Ubuntu: apt-get install wrk"
        )
    return found


def send(request: Request, connection: Connection, clients: int, seconds: int) -> Answers:
    """Return what came back for so many seconds of load.

    Raises:
        LoadError: wrk is not installed, or could not connect.
    """
    command = [
        generator(), "--threads", "1", "--connections", str(clients),
        "--duration", f"{seconds}s", "--timeout", f"{TIMEOUT_SECONDS}s", "--script", str(SCRIPT),
        request.url, "--", request.method, request.content_type, str(request.body or ""),
        HEADER[connection],
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr or done.stdout).strip()
        raise LoadError(f"wrk could not load {request.url}: {reason}")
    return parse(done.stdout)


def parse(output: str) -> Answers:
    """Return what the script printed, the last line of wrk's output.

    Raises:
        LoadError: there is no such line.
    """
    lines = output.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        raise LoadError(f"wrk printed no result: {output.strip() or 'nothing'}")
    answers = Answers.model_validate_json(lines[-1])
    if not answers.statuses:
        return answers.model_copy(update={"p50_ms": math.inf, "p99_ms": math.inf})
    return answers
