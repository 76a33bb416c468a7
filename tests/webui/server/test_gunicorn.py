"""The application as production runs it: under gunicorn with its own settings."""

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from gunicorn.config import Config
from gunicorn.glogging import Logger

from tests.deploy.engine import wait_until
from tests.webui.pictures import picture
from tests.webui.servers import free_port, process
from webui.observability import logging_config
from webui.server.log import Log

ANSWER = json.dumps({"predictions": [{"verdict": "authentic", "probability": 0.1}]}).encode()


class SlowScoring(BaseHTTPRequestHandler):
    """Tells when it is asked, and answers when it may: so a request can be caught in flight."""

    asked = threading.Event()
    may_answer = threading.Event()
    may_answer.set()

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.set()
        self.may_answer.wait()
        self.send_response(200)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(ANSWER)

    def log_message(self, *parts):
        """Silence."""


@pytest.fixture(scope="module")
def gunicorn(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, subprocess.Popen, Path]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = tmp_path_factory.mktemp("gunicorn") / "web.log"
    command = [sys.executable, "-m", "gunicorn", "-c", "python:webui.server.gunicorn_settings"]
    with ThreadingHTTPServer(("127.0.0.1", 0), SlowScoring) as scoring:
        threading.Thread(target=scoring.serve_forever, args=(0.02,), daemon=True).start()
        environment = {
            "PORT": str(port),
            "SCORING_URL": f"http://127.0.0.1:{scoring.server_port}",
            "WEB_THREADS": "2",
            "UPLOAD_STALL_SECONDS": "2",
            "HEADER_SECONDS": "1",
            "UPLOAD_SECONDS": "2",
            "SHUTDOWN_SECONDS": "300",
            "LOG_LEVEL": "DEBUG",
        }
        target = "webui.application:create_app()"
        with process([*command, target], f"{url}/livez", log, **environment) as child:
            yield url, child, log
        scoring.shutdown()


def connect(gunicorn) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(gunicorn[0].rpartition(":")[2])), timeout=60)


UPLOAD = (
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
)


def answer_to(url: str, start: bytes, byte: bytes = b"") -> bytes:
    """What the server answers to these bytes, followed by `byte` again and again."""
    port = int(url.rpartition(":")[2])
    deadline = time.monotonic() + 60
    with socket.create_connection(("127.0.0.1", port), timeout=0.3) as sender:
        sender.sendall(start)
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                return sender.recv(4096)
            with contextlib.suppress(ConnectionError):
                sender.sendall(byte)
    raise AssertionError("the server neither answered nor let go")


@pytest.mark.parametrize(
    ("start", "byte", "answer"),
    [
        (UPLOAD, b"", b"HTTP/1.1 408"),
        (UPLOAD, b"x", b"HTTP/1.1 408"),
        (b"GET /livez HTTP/1.1\r\nX-Long: ", b"x", b""),
    ],
    ids=["silent upload", "dribbled upload", "dribbled headers"],
)
def test_a_slow_sender_is_let_go(gunicorn, start, byte, answer):
    assert answer_to(gunicorn[0], start, byte)[: len(answer) or None] == answer


def test_a_dribbled_body_that_nobody_reads_holds_no_thread(gunicorn):
    deadline = time.monotonic() + 60
    with contextlib.ExitStack() as stack:
        senders = [stack.enter_context(connect(gunicorn)) for _ in range(2)]
        for sender in senders:  # there are two threads
            sender.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n")
        for sender in senders:  # answered: from here on the rest of the body is waited for
            assert sender.recv(4096).startswith(b"HTTP/1.1 200")
        while time.monotonic() < deadline:
            for sender in senders:
                with contextlib.suppress(ConnectionError):
                    sender.sendall(b"x")
            with contextlib.suppress(requests.Timeout):
                assert requests.get(f"{gunicorn[0]}/livez", timeout=1).ok
                return
    raise AssertionError("the threads wait for the rest of the bodies")


def test_silent_connections_hold_no_thread(gunicorn):
    with contextlib.ExitStack() as silent:
        for _ in range(80):  # there are two threads; each would wait for a second for each
            silent.enter_context(connect(gunicorn))
        assert requests.get(f"{gunicorn[0]}/livez", timeout=20).ok  # the last in the queue


def test_peers_that_do_not_close_keep_nobody_waiting(gunicorn):
    with contextlib.ExitStack() as stack:
        kept = [stack.enter_context(connect(gunicorn)) for _ in range(10)]
        for sender in kept:
            sender.sendall(b"nonsense\r\n\r\n")
        assert all(sender.recv(4096).startswith(b"HTTP/1.1 400") for sender in kept)
        # Gunicorn's own worker would wait for 2 s for each of the ten.
        assert requests.get(f"{gunicorn[0]}/livez", timeout=10).ok
        assert all(sender.recv(1) == b"" for sender in kept)  # nothing more is said
        wait_until(lambda: let_go(kept[0]), "they are let go in the end")


def let_go(sender: socket.socket) -> bool:
    """Return whether the other side has closed a connection: then sending fails in the end."""
    try:
        sender.sendall(b"x")
    except ConnectionError:
        return True
    return False


def test_a_body_beyond_the_limit_is_refused_before_it_is_sent(gunicorn):
    with connect(gunicorn) as sender:
        sender.sendall(UPLOAD.replace(b"9999", b"999999999"))
        answer = http.client.HTTPResponse(sender)
        answer.begin()
        assert answer.status == 413
        assert answer.headers["X-Request-ID"]
        assert json.loads(answer.read())["error"]["code"] == "too_large"


def test_connections_are_kept(gunicorn):
    connection = http.client.HTTPConnection(gunicorn[0].removeprefix("http://"), timeout=8)
    with contextlib.closing(connection):
        for _ in range(3):
            connection.request("GET", "/livez")
            assert connection.getresponse().read() == b'{"status":"alive"}\n'
            assert connection.sock  # else it would be opened anew


@pytest.mark.slow
def test_a_kept_connection_outlives_the_wait_that_a_refusal_asks_for(gunicorn):
    """A client that comes back when it was told to finds its connection open."""
    address = gunicorn[0].removeprefix("http://")
    with contextlib.closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        for pause in (0, 8):
            time.sleep(pause)
            connection.auto_open = not pause
            connection.request("GET", "/livez")
            assert connection.getresponse().read()


def test_malformed_http_is_answered_in_the_one_shape(gunicorn):
    head, _, body = answer_to(gunicorn[0], b"secret nonsense\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert b"X-Request-ID: " in head
    error = {"code": "bad_request", "message": "Malformed HTTP request."}
    assert json.loads(body) == {"error": error}
    assert b"secret" not in body


def test_shutdown_finishes_what_is_in_flight_and_every_line_of_the_log_is_json(gunicorn):
    url, child, log = gunicorn
    answers: list[requests.Response] = []
    request = threading.Thread(
        target=lambda: answers.append(
            requests.post(f"{url}/predict", files={"file": picture(20)}, timeout=120)
        )
    )
    with connect(gunicorn) as idle:
        idle.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(4096).startswith(b"HTTP/1.1 200")
        SlowScoring.asked.clear()
        SlowScoring.may_answer.clear()
        request.start()
        try:
            assert SlowScoring.asked.wait(60)
            began = time.monotonic()
            child.send_signal(signal.SIGTERM)
            wait_until(lambda: "Handling signal: term" in log.read_text(), "the end has begun")
            seconds = time.monotonic() - began
        finally:
            SlowScoring.may_answer.set()
        request.join()
        child.wait(90)  # the grace is 300 s, and nobody needs them
    assert answers[0].status_code == 200
    assert answers[0].json()["predictions"][0]["verdict"] == "authentic"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {line["logger"].partition(".")[0] for line in lines} == {"gunicorn", "webui"}
    line = next(line for line in lines if "verdicts" in line)
    assert line["request_id"] == answers[0].headers["X-Request-ID"]
    assert line["verdicts"] == ["authentic"]
    assert line["upstream_milliseconds"] >= 1000 * seconds - 0.1  # a tenth is rounded away


def test_a_connection_that_an_answer_keeps_has_another_answer_at_shutdown(tmp_path):
    """The answer that was begun before SIGTERM says that the connection is kept."""
    port = free_port()
    with ThreadingHTTPServer(("127.0.0.1", 0), SlowScoring) as scoring:
        threading.Thread(target=scoring.serve_forever, args=(0.02,), daemon=True).start()
        command = [sys.executable, "-m", "gunicorn", "-c", "python:webui.server.gunicorn_settings"]
        environment = {
            "PORT": str(port),
            "SCORING_URL": f"http://127.0.0.1:{scoring.server_port}",
            "WEB_THREADS": "2",
        }
        log = tmp_path / "log"
        url = f"http://127.0.0.1:{port}/livez"
        with (
            process([*command, "webui.application:create_app()"], url, log, **environment) as child,
            requests.Session() as session,
        ):
            SlowScoring.asked.clear()
            SlowScoring.may_answer.clear()
            answers = []
            first = threading.Thread(target=lambda: answers.append(
                session.post(f"http://127.0.0.1:{port}/predict", files={"file": picture(20)},
                             timeout=120)
            ))  # fmt: skip
            first.start()
            try:
                assert SlowScoring.asked.wait(60)
                child.send_signal(signal.SIGTERM)
                wait_until(lambda: "Handling signal: term" in log.read_text(), "the end has begun")
            finally:
                SlowScoring.may_answer.set()
            first.join()
            assert answers[0].headers["Connection"] == "keep-alive"
            last = session.get(url, timeout=60)
        scoring.shutdown()
    assert (last.status_code, last.headers["Connection"]) == (200, "close")


def test_a_bad_setting_stops_the_start_with_one_sentence():
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "-c",
        "python:webui.server.gunicorn_settings",
        "x:y",
    ]
    ended = subprocess.run(command, env={"PORT": "eighty"}, capture_output=True, text=True)
    assert ended.returncode != 0
    assert "PORT is 'eighty': " in ended.stderr


@pytest.mark.parametrize(("accesslog", "enabled"), [(None, False), ("-", True)])
def test_gunicorn_makes_no_line_of_a_request_that_nobody_keeps(accesslog, enabled):
    log = Log.__new__(Log)  # without its set-up, which is that of the whole process
    log.cfg = Config()
    log.cfg.set("logconfig_dict", logging_config("INFO"))
    log.cfg.set("accesslog", accesslog)
    assert Logger.access_log_enabled.fget(log)
    assert log.access_log_enabled is enabled
