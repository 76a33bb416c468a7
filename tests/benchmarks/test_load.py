import contextlib
import http.server
import threading
import time

import pytest

from benchmarks import load
from benchmarks.comparison import Case, Row
from benchmarks.load import Answers, LoadError, Request
from benchmarks.targets import kept_above_new
from tests.benchmarks.wrk import needs_wrk


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the statuses of its server, in turn, after a pause."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.server.bodies.add(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.types.add(self.headers["Content-Type"])
        self.answer()

    def answer(self):
        time.sleep(self.server.pause)
        statuses = self.server.statuses
        self.server.asked += 1
        self.send_response(statuses[self.server.asked % len(statuses)])
        self.send_header("Content-Length", "2")
        if self.close_connection:
            self.send_header("Connection", "close")
        with contextlib.suppress(ConnectionError):  # wrk goes when its time is over
            self.end_headers()
            self.wfile.write(b"ok")

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False  # they are waited for


@contextlib.contextmanager
def serving(statuses=(200,), pause=0.0):
    server = Server(("127.0.0.1", 0), Handler)
    server.statuses, server.pause = statuses, pause
    server.asked, server.bodies, server.types = 0, set(), set()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server, f"http://127.0.0.1:{server.server_port}/ping"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@needs_wrk
@pytest.mark.parametrize("connection", ["kept", "new"])
def test_statuses_are_counted_one_by_one(connection):
    with serving(statuses=(200, 429, 503, 500, 404)) as (server, url):
        answers = load.send(Request(url), connection, clients=1, seconds=1)
    assert set(answers.statuses) == {200, 429, 503, 500, 404}
    each = min(answers.statuses.values())
    assert max(answers.statuses.values()) <= each + 1
    assert 2 * each <= answers.refused <= 2 * each + 2
    assert 2 * each <= answers.failed <= 2 * each + 2
    assert answers.per_second == pytest.approx(answers.statuses[200] / answers.seconds)
    assert server.asked - sum(answers.statuses.values()) in (0, 1)  # the last one is cut off
    assert 0 < answers.p50_ms <= answers.p99_ms


@needs_wrk
def test_the_body_arrives_as_it_was_written(tmp_path):
    body = tmp_path / "a body"
    body.write_bytes(bytes(range(256)))
    with serving() as (server, url):
        answers = load.send(Request(url, "POST", "a/b", body), "kept", clients=2, seconds=1)
    assert server.bodies == {bytes(range(256))}
    assert server.types == {"a/b"}
    assert answers.failed == 0


@needs_wrk
@pytest.mark.parametrize("nagle", [True, False])
def test_a_stall_on_kept_connections_is_seen(nagle, monkeypatch):
    """Head and body are sent apart: the body waits 40 ms for an acknowledgement of the head."""
    monkeypatch.setattr(Handler, "disable_nagle_algorithm", not nagle)
    with serving() as (_, url):
        rows = [
            Row(
                case=Case("twin", "/ping", "", connection, 1),
                turns=[load.send(Request(url), connection, clients=1, seconds=1)],
            )
            for connection in ("kept", "new")
        ]
    [target] = kept_above_new(rows)
    assert target.met is not nagle
    assert nagle == (target.figure > 30)


@needs_wrk
def test_a_server_that_does_not_answer_is_an_error():
    with serving() as (_, url):
        pass
    with pytest.raises(LoadError, match=r"could not load http://127.0.0.1:.*Connection refused"):
        load.send(Request(url), "kept", clients=1, seconds=1)


@needs_wrk
def test_without_any_answer_the_times_are_infinite():
    with serving(pause=2) as (_, url):
        answers = load.send(Request(url), "kept", clients=1, seconds=1)
    assert answers.statuses == {}
    assert answers.p50_ms == answers.p99_ms == float("inf")


def test_without_wrk_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(LoadError, match="apt-get install wrk"):
        load.generator()


@pytest.mark.parametrize("output", ["", "Running 1s test\nRequests/sec: 1.0\n"])
def test_output_without_a_result_is_an_error(output):
    with pytest.raises(LoadError, match="no result"):
        load.parse(output)


def test_what_is_neither_an_answer_nor_a_refusal_has_failed():
    answers = Answers(
        seconds=2, statuses={200: 10, 429: 3, 503: 1, 500: 4, 404: 1}, p50_ms=1, p99_ms=2, broken=6
    )
    assert answers.per_second == 5
    assert answers.refused == 4
    assert answers.failed == 11
