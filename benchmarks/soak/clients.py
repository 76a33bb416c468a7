"""Clients of the page, in a process of their own: Locust puts gevent in the place of threads.

Many clients send one request after the other over kept connections; a few slow ones send a byte now
and then. `benchmarks.soak` starts it.
"""

import locust  # isort: skip  # first: it replaces the sockets of the standard library

import argparse
import random
import socket
import sys
import time
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import gevent
import requests
from locust.env import Environment
from locust.exception import StopUser

from benchmarks.soak.load import Load, Outcome, SlowOutcome
from benchmarks.soak.plan import Comparison, Plan, Request, compare

TIMEOUT_SECONDS = 60
PAUSE_SECONDS = 0.5
"""Between two bytes of a slow sender."""
SLOW_BYTES = 100_000
SEED = 2026


class Soak:
    """What all clients share: the plan, its bodies in memory, the clock and the outcomes."""

    def __init__(self, plan: Plan, load: Load) -> None:
        self.load = load
        self.shares = plan.shares
        self.requests = {
            size: [one for one in plan.requests if one.size == size] for size in plan.shares
        }
        self.bodies = {one.body: one.body.read_bytes() for one in plan.requests}
        self.random = random.Random(SEED)  # noqa: S311
        self.started = time.monotonic()

    @property
    def now(self) -> float:
        """Seconds from the start."""
        return time.monotonic() - self.started

    def stop_when_over(self) -> None:
        """End the client that asks, once the time is over.

        Locust would end it from outside, at times with a request that nobody waits for then.
        """
        if self.now >= self.load.seconds:
            raise StopUser

    def draw(self) -> Request:
        """Return what a client sends next."""
        (size,) = self.random.choices(list(self.shares), list(self.shares.values()))
        return self.random.choice(self.requests[size])


class Sender(locust.HttpUser):
    """Sends one request after the other; a refused one again, when it was told to."""

    soak: ClassVar[Soak]

    def on_start(self) -> None:
        """Begin with nothing to repeat."""
        self.refused: Request | None = None
        self.pause = 0.0

    def wait_time(self) -> float:
        """Return for how many seconds the last answer asked to wait."""
        return self.pause

    @locust.task
    def send(self) -> None:
        """Send a request, and keep what happened."""
        self.soak.stop_when_over()
        request, at = self.refused or self.soak.draw(), self.soak.now
        self.soak.load.sent += 1
        answer = self.client.post(
            request.path,
            data=self.soak.bodies[request.body],
            headers={"Content-Type": request.content_type},
            timeout=TIMEOUT_SECONDS,
        )
        outcome = outcome_of(request, answer, at, self.soak.now - at)
        self.soak.load.outcomes.append(outcome)
        self.refused = request if outcome.is_refusal else None
        self.pause = float(outcome.retry_after or outcome.is_refusal)


def outcome_of(request: Request, answer: requests.Response, at: float, seconds: float) -> Outcome:
    """Return what an answer is: Locust gives one whose status is 0 where none came."""
    seen, retry_after = Comparison(), None
    if answer.status_code == HTTPStatus.OK:
        seen = compare(request.expected, answer.content)
    elif not answer.status_code:
        seen = Comparison(problem=f"no answer: {getattr(answer, 'error', 'of an unknown reason')}")
    elif (wait := answer.headers.get("Retry-After", "")).isdecimal():
        retry_after = int(wait)
    else:
        seen = Comparison(problem=f"HTTP {answer.status_code}: {answer.text[:500]}")
    return Outcome(
        at=at,
        size=request.size,
        pictures=len(request.expected),
        seconds=seconds,
        status=answer.status_code or None,
        retry_after=retry_after,
        problem=seen.problem,
        difference=seen.difference,
    )


class SlowSender(locust.User):
    """Sends a request a byte at a time, in every second slice of the time; then another one."""

    soak: ClassVar[Soak]
    wait_time = locust.constant(PAUSE_SECONDS)

    @locust.task(1)
    def send_body(self) -> None:
        """Send the body of an upload slowly."""
        head = (
            f"POST /predict HTTP/1.1\r\nHost: page\r\nContent-Length: {SLOW_BYTES}\r\n"
            "Content-Type: multipart/form-data; boundary=of-the-form\r\n\r\n"
        )
        self._send(head.encode(), b"-" * SLOW_BYTES)

    @locust.task(1)
    def send_headers(self) -> None:
        """Send the headers of a request slowly."""
        self._send(b"POST /invocations HTTP/1.1\r\nX-Slow: ", b"-" * SLOW_BYTES)

    def _send(self, at_once: bytes, slowly: bytes) -> None:
        """Send until the server ends it, or the slice does."""
        soak, place = self.soak, urlsplit(self.host or "")
        soak.stop_when_over()
        if not soak.load.is_slow_time(soak.now):
            return
        started = soak.now
        with socket.create_connection((place.hostname, place.port), TIMEOUT_SECONDS) as connection:
            connection.sendall(at_once)
            for byte in slowly:
                if gevent.select.select([connection], [], [], PAUSE_SECONDS)[0]:
                    break
                if not soak.load.is_slow_time(soak.now):
                    return
                connection.send(bytes([byte]))
            status = _status(connection)
        soak.load.slow.append(SlowOutcome(seconds=soak.now - started, status=status))


def _status(connection: socket.socket) -> int | None:
    """Return the status of the answer; None where the connection was closed without one."""
    answer = HTTPResponse(connection)
    try:
        answer.begin()
    except (HTTPException, ConnectionError):
        return None
    return answer.status


def main() -> None:
    """Send the load, and write it with what became of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", type=Path, help="JSON file of a Plan")
    parser.add_argument("load", type=Path, help="JSON file of a Load, which is filled")
    parser.add_argument("url", help="of the page")
    asked = parser.parse_args()
    plan = Plan.model_validate_json(asked.plan.read_bytes())
    load = Load.model_validate_json(asked.load.read_bytes())
    Sender.soak = SlowSender.soak = Soak(plan, load)
    SlowSender.fixed_count = load.slow_senders
    environment = Environment(
        user_classes=[Sender, SlowSender],
        host=asked.url,
        catch_exceptions=False,
    )
    runner = environment.create_local_runner()
    users = load.clients + load.slow_senders
    runner.start(users, spawn_rate=users)
    gevent.sleep(load.seconds)
    runner.user_greenlets.join(2 * TIMEOUT_SECONDS)
    runner.quit()
    asked.load.write_text(load.model_dump_json(), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
