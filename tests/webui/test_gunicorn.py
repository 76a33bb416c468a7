"""The application as production runs it: under gunicorn with its own settings."""

import contextlib
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

from tests.webui.pictures import picture
from tests.webui.servers import free_port, process

ANSWER = json.dumps({"predictions": [{"verdict": "authentic", "probability": 0.1}]}).encode()


class SlowScoring(BaseHTTPRequestHandler):
    """Answers after a second, so that a request can be caught in flight."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(1)
        self.send_response(200)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(ANSWER)

    def log_message(self, *parts):
        """Silence."""


@pytest.fixture
def gunicorn(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen, Path]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = tmp_path / "web.log"
    command = [sys.executable, "-m", "gunicorn", "-c", "python:webui.gunicorn_settings"]
    with ThreadingHTTPServer(("127.0.0.1", 0), SlowScoring) as scoring:
        threading.Thread(target=scoring.serve_forever, args=(0.02,), daemon=True).start()
        environment = {
            "PORT": str(port),
            "SCORING_URL": f"http://127.0.0.1:{scoring.server_port}",
            "UPLOAD_STALL_SECONDS": "1",
        }
        target = "webui.application:create_app()"
        with process([*command, target], f"{url}/livez", log, **environment) as child:
            yield url, child, log
        scoring.shutdown()


def test_a_slow_sender_is_let_go_and_shutdown_finishes_what_is_in_flight(gunicorn):
    url, child, log = gunicorn
    assert stalled_upload(url).startswith(b"HTTP/1.1 408")

    answers: list[requests.Response] = []
    request = threading.Thread(
        target=lambda: answers.append(
            requests.post(f"{url}/predict", files={"file": picture(20)}, timeout=10)
        )
    )
    request.start()
    time.sleep(0.4)
    child.send_signal(signal.SIGTERM)
    request.join()
    child.wait(10)
    assert answers[0].status_code == 200
    assert answers[0].json()["predictions"][0]["verdict"] == "authentic"
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    line = next(line for line in lines if line.get("status") == 200)
    assert line["request_id"] == answers[0].headers["X-Request-ID"]
    assert line["verdicts"] == ["authentic"]
    assert line["upstream_milliseconds"] >= 1000


def stalled_upload(url: str) -> bytes:
    """What the server answers to an upload that stops after its first bytes."""
    port = int(url.rpartition(":")[2])
    head = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n"
    head += "Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sender:
        sender.sendall(head.encode())
        return sender.recv(4096)


def test_a_bad_setting_stops_the_start_with_one_sentence():
    command = [sys.executable, "-m", "gunicorn", "-c", "python:webui.gunicorn_settings", "x:y"]
    ended = subprocess.run(command, env={"PORT": "eighty"}, capture_output=True, text=True)
    assert ended.returncode != 0
    assert "PORT is 'eighty': " in ended.stderr
