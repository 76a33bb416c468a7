"""Many clients at once before a real page: who waits, who is refused, and what still answers."""

import contextlib
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.webui.pictures import picture
from tests.webui.servers import free_port, process

CLIENTS = 72
PICTURE = picture()


@contextlib.contextmanager
def page(folder: Path, seconds: float, **settings: str) -> Iterator[str]:
    """The URL of a page whose scoring server takes so many seconds for a picture."""
    port, scoring_port = free_port(), free_port()
    url, scoring_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{scoring_port}"
    scoring = [
        sys.executable,
        "-m",
        "tests.stand_ins.slow_scoring",
        str(scoring_port),
        str(seconds),
    ]
    gunicorn = [sys.executable, "-m", "gunicorn", "-c", "python:webui.server.gunicorn_settings"]
    environment = {"PORT": str(port), "SCORING_URL": scoring_url, **settings}
    with (
        process(scoring, f"{scoring_url}/ping", folder / "scoring.log"),
        process(
            [*gunicorn, "webui.application:create_app()"],
            f"{url}/readyz",
            folder / "page.log",
            **environment,
        ),
    ):
        ask(url)  # from here on it is known how long a picture takes
        yield url


@dataclass(frozen=True)
class Outcome:
    """An answer to a client, and when it came."""

    status: int
    retry_after: int | None
    at: float


def ask(url: str) -> Outcome:
    answer = requests.post(f"{url}/predict", files={"file": ("a.jpg", PICTURE)}, timeout=60)
    wait = answer.headers.get("Retry-After")
    return Outcome(answer.status_code, int(wait) if wait else None, time.monotonic())


def test_nobody_is_refused_while_a_short_queue_would_do(tmp_path):
    with page(tmp_path, 0.05) as url, ThreadPoolExecutor(CLIENTS) as clients:  # 0.45 s for all
        outcomes = list(clients.map(ask, [url] * 2 * CLIENTS))
    assert {outcome.status for outcome in outcomes} == {200}


def test_beyond_that_a_refusal_says_when_there_is_room_again(tmp_path):
    with (
        page(tmp_path, 0.5, SCORING_CONCURRENCY="4") as url,
        ThreadPoolExecutor(CLIENTS) as clients,
    ):
        started = time.monotonic()
        outcomes = list(clients.map(ask, [url] * CLIENTS))
        served = [outcome for outcome in outcomes if outcome.status == 200]
        refused = [outcome for outcome in outcomes if outcome.status == 429]
        assert len(served) + len(refused) == CLIENTS
        assert len(served) >= 16  # a queue of 2 s
        first = min(refused, key=lambda outcome: outcome.at)
        drained = max(outcome.at for outcome in served) - started
        assert drained - 1 < first.retry_after < drained + 2
        time.sleep(max(0.0, first.at + first.retry_after - time.monotonic()))
        assert ask(url).status == 200


def test_health_checks_answer_while_many_wait(tmp_path):
    with (
        page(tmp_path, 0.25, SCORING_CONCURRENCY="8") as url,
        ThreadPoolExecutor(CLIENTS) as clients,
    ):
        waiting = [clients.submit(ask, url) for _ in range(CLIENTS)]
        slowest = 0.0
        while not all(request.done() for request in waiting):
            for path in ("/livez", "/readyz"):
                started = time.monotonic()
                assert requests.get(f"{url}{path}", timeout=10).ok
                slowest = max(slowest, time.monotonic() - started)
            time.sleep(0.05)
        assert slowest < 1  # the queue takes over 2 s
        assert {request.result().status for request in waiting} <= {200, 429}
