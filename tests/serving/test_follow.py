"""The follower's thread: it outlives every error, and tries each version."""

import json
import logging
import sys
import threading
import time

import pytest

from serving import follow
from serving.errors import ServiceError
from serving.follow import Follower
from serving.supervisor import Service, Supervisor
from tests.webui.servers import free_port


def server(port, *options):
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port), *options]
    return Service("scoring", command, ping=f"http://127.0.0.1:{port}/", start_seconds=60)


@pytest.fixture
def follower(tmp_path, monkeypatch):
    """One that serves version 1, with a registry and servers that a test chooses."""
    monkeypatch.setattr(follow, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(follow, "GRACE_SECONDS", 0.0)
    serving = server(free_port())
    serving.start()
    supervisor = Supervisor([serving])
    pointer = tmp_path / "scoring.json"
    one = Follower(
        supervisor, serving, "1", lambda: "1", lambda version, port: server(port), pointer
    )
    yield one
    supervisor.stopping = True
    wait_until(lambda: not any("_watch" in thread.name for thread in threading.enumerate()))
    for service in [*supervisor.services, *supervisor.beside]:
        service.signal(9)


def wait_until(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_it_goes_on_after_an_error_of_any_kind(follower, caplog):
    answers = iter([RuntimeError("odd"), ServiceError("down"), KeyError("x")])

    def newest():
        error = next(answers, None)
        if error:
            raise error
        return "2"

    follower.newest = newest
    with caplog.at_level(logging.WARNING):
        follower.start()
        wait_until(lambda: follower.version == "2")
    assert [line for line in caplog.messages if "1 continues to serve" in line] == [
        "1 continues to serve: odd", "1 continues to serve: down", "1 continues to serve: 'x'",
    ]  # fmt: skip
    assert json.loads(follower.pointer.read_text())["model_version"] == "2"


def test_a_change_that_fails_in_an_unforeseen_way_is_undone(follower, tmp_path):
    follower.newest = lambda: "2"
    follower.pointer = tmp_path / "gone" / "scoring.json"
    follower.start()
    wait_until(lambda: "2" in follower.refused)
    wait_until(lambda: not follower.supervisor.beside)
    assert follower.version == "1"
    assert follower.supervisor.services == [follower.serving]


def test_soon_after_the_machine_has_started_no_version_counts_as_refused(follower, monkeypatch):
    monkeypatch.setattr(time, "monotonic", lambda: 5.0)
    assert not follower._was_refused("2")
    follower.refused["2"] = 4.0
    assert follower._was_refused("2")
