import base64
import concurrent.futures
import contextlib
import io
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from prometheus_client import generate_latest

from serving.pointer import write_pointer
from tests.conftest import encoded
from tests.conftest import picture as pixels
from tests.webui.pictures import BROWSER, form, picture
from webui import observability
from webui.application import create_app
from webui.settings import Settings

DARK = picture(20)


def test_every_answer_carries_a_request_id_and_the_security_headers(lonely):
    for answer in (lonely.get("/"), lonely.get("/nothing"), lonely.post("/predict")):
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"])
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_sane_request_id_is_kept_and_an_odd_one_replaced(lonely):
    assert (
        lonely.get("/livez", headers={"X-Request-ID": "abc-1"}).headers["X-Request-ID"] == "abc-1"
    )
    odd = lonely.get("/livez", headers={"X-Request-ID": 'x" injected'}).headers["X-Request-ID"]
    assert re.fullmatch(r"[0-9a-f]{32}", odd)


def test_unknown_paths_and_methods_have_the_one_error_shape(lonely):
    assert lonely.get("/nothing").json["error"]["code"] == "not_found"
    answer = lonely.get("/invocations")
    assert answer.status_code == 405
    assert answer.json["error"]["code"] == "method_not_allowed"
    assert lonely.get("/nothing", headers=BROWSER).mimetype == "text/html"


def test_without_a_scoring_server_alive_but_not_ready(lonely):
    assert lonely.get("/livez").json == {"status": "alive"}
    answer = lonely.get("/readyz")
    assert answer.status_code == 503
    assert answer.json["error"]["code"] == "scoring_server_absent"
    answer = lonely.post("/predict", data=form((DARK, "a.jpg")))
    assert answer.status_code == 503
    assert answer.json["error"]["code"] == "scoring_server_absent"
    assert lonely.get("/version").json["mlflow_version"] is None


def test_a_request_that_the_server_fails_is_a_warning_and_a_health_check_is_none(lonely, caplog):
    with caplog.at_level("INFO", "webui.access"):
        lonely.get("/readyz")
        lonely.post("/predict", data=form((DARK, "a.jpg")))
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING"]


def test_the_probe_waits_not_long_and_nobody_waits_for_it(monkeypatch):
    monkeypatch.setattr("webui.scoring.pointer.PROBE_SECONDS", 1.0)
    with odd_server("slow") as server:
        probe = create_app(Settings(scoring_url=server.url)).extensions["scoring"].probe
        answers = []
        first = threading.Thread(target=lambda: answers.append(probe.failing()))
        first.start()
        assert server.asked.wait(30)
        assert probe.failing() == "The scoring server has not been checked yet."
        assert answers == []  # the first one still waits
        first.join(30)  # the scoring server never answers
        assert answers == ["The scoring server took too long."]


def test_no_remembered_answer_is_given_while_nobody_can_score():
    def readyz() -> int:
        return web.get("/readyz").status_code

    with odd_server("sound") as server:
        settings = Settings(scoring_url=server.url, ready_cache_seconds=60)
        web = create_app(settings).test_client()
        assert [readyz(), readyz()] == [200, 200]
        assert server.posts == 1  # the second answer was remembered
    assert readyz() == 503
    with odd_server("sound", server.server_port) as server:
        assert readyz() == 200
        assert server.posts == 1  # another process is asked anew


def test_a_remembered_answer_is_that_of_the_server_that_is_asked_now(tmp_path, monkeypatch):
    monkeypatch.setattr("webui.scoring.pointer.SECONDS_BETWEEN_LOOKS", 0)
    pointer = tmp_path / "scoring.json"
    with odd_server("sound") as sound, odd_server("crash") as broken:
        settings = Settings(scoring_pointer=str(pointer), ready_cache_seconds=60)
        web = create_app(settings).test_client()
        write_pointer(pointer, sound.server_port, "sound")
        assert web.get("/readyz").status_code == 200
        write_pointer(pointer, broken.server_port, "broken")
        assert web.get("/readyz").status_code == 503


@pytest.mark.parametrize("path", ["/ping", "/health"])
def test_clients_of_mlflow_find_its_health_checks(web, lonely, scoring_server, path, caplog):
    with caplog.at_level("DEBUG", "webui.access"):
        answer, original = web.get(path), requests.get(f"{scoring_server}{path}")
    assert {record.levelname for record in caplog.records} == {"DEBUG"}  # as other health checks
    assert answer.status_code == original.status_code == 200
    assert answer.content_type == original.headers["Content-Type"]
    absent = lonely.get(path)
    assert absent.status_code == 503
    assert absent.json["error"] == {
        "code": "scoring_server_absent",
        "message": "The scoring server cannot be reached.",
    }


def test_ready_with_a_scoring_server_and_the_versions_are_told(web):
    assert web.get("/readyz").json == {"status": "ready"}
    versions = web.get("/version").json
    assert versions["model_version"] == "stand-in/1"
    assert versions["mlflow_version"].startswith("3.")


def test_metrics_count_requests_verdicts_and_errors(web):
    web.post("/predict", data=form((DARK, "a.jpg"), (b"?", "b.jpg")))
    web.post("/predict")
    text = web.get("/metrics").text
    assert 'forgery_verdicts_total{verdict="authentic"} 1.0' in text
    assert 'forgery_image_errors_total{code="not_an_image"} 1.0' in text
    assert 'forgery_errors_total{code="bad_request"} 1.0' in text
    assert re.search(
        r'forgery_requests_total\{endpoint="predict.predict".*status="200"\} 1.0', text
    )
    assert 'forgery_score_bucket{le="0.1"} 1.0' in text
    assert "forgery_upstream_up 1.0" in text


def test_metrics_tell_what_was_declined_who_waits_and_the_memory(web):
    web.post("/predict", data=form((encoded(pixels(40, 40)), "small.jpg")))
    with web.application.extensions["scoring"].turns.turn():
        text = web.get("/metrics").text
    assert 'forgery_declined_total{reason="too_small"} 1.0' in text
    assert 'forgery_working{queue="scoring"} 1.0' in text
    assert 'forgery_waiting{queue="scoring"} 0.0' in text
    assert 'forgery_working{queue="evidence"} 0.0' in text
    assert re.search(r"process_resident_memory_bytes [1-9]", text)


def test_the_memory_of_the_container_is_told_where_its_control_group_tells(tmp_path, monkeypatch):
    used, limit = tmp_path / "memory.current", tmp_path / "memory.max"
    used.write_text("1073741824\n")
    limit.write_text("max\n")
    files = {"a_bytes": (used, "used"), "b_bytes": (limit, "limit")}
    monkeypatch.setattr(observability, "CONTAINER_MEMORY", files)
    text = generate_latest(observability.Metrics().registry).decode()
    assert "a_bytes 1.073741824e+09" in text
    assert "b_bytes" not in text


def test_the_openapi_document_names_every_public_view(lonely):
    document = lonely.get("/openapi.json").json
    assert document["openapi"].startswith("3.1")
    for path in ("/predict", "/invocations", "/livez", "/readyz", "/version", "/metrics"):
        assert path in document["paths"]
    predict = document["paths"]["/predict"]["post"]
    assert set(predict["responses"]["200"]["content"]) == {"application/json", "text/html"}
    assert (
        "location"
        in predict["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    )
    for answer in (predict["responses"]["200"], predict["responses"]["415"]):
        assert "X-Request-ID" in answer["headers"]


class OddServer(ThreadingHTTPServer):
    """A scoring server that behaves in a way; a slow one answers when it is shut down."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, behaviour: str, port: int) -> None:
        super().__init__(("127.0.0.1", port), OddAnswers)
        self.behaviour = behaviour
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.posts = 0
        self.asked = threading.Event()
        self.ended = threading.Event()


class OddAnswers(BaseHTTPRequestHandler):
    """How the requests of an `OddServer` are answered."""

    def do_GET(self):
        self.answer(200, b"")

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts += 1
        self.server.asked.set()
        if self.server.behaviour == "slow":
            self.server.ended.wait()
        status = {"crash": 500, "busy": 503, "refuse": 400}.get(self.server.behaviour, 200)
        verdict = b"authentic" if self.server.behaviour == "sound" else b"odd"
        good = b'{"predictions": [{"verdict": "%s", "probability": 0.1}]}' % verdict
        self.answer(status, good if status == 200 else b"Traceback: secret")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # a client that did not wait
            self.wfile.write(body)

    def log_message(self, *parts):
        """Silence."""


@contextlib.contextmanager
def odd_server(behaviour: str, port: int = 0) -> Iterator[OddServer]:
    """An `OddServer` that runs; nobody listens on its port afterwards."""
    with OddServer(behaviour, port) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()


@pytest.mark.parametrize(
    ("behaviour", "status", "code", "up"),
    [
        ("crash", 502, "scoring_server_failed", 0),
        ("nonsense", 502, "scoring_server_failed", 0),
        ("busy", 503, "scoring_server_busy", 0),
        ("slow", 504, "scoring_server_late", 0),
        ("refuse", 502, "scoring_server_failed", 1),
    ],
)
def test_a_failing_scoring_server_is_told_apart_and_never_quoted(behaviour, status, code, up):
    with odd_server(behaviour) as server:
        patience = 0.5 if behaviour == "slow" else 60
        settings = Settings(scoring_url=server.url, scoring_read_timeout=patience)
        web = create_app(settings).test_client()
        image = base64.b64encode(DARK).decode()
        answers = [
            web.post("/predict", data=form((DARK, "a.jpg"))),
            web.post("/invocations", json={"inputs": {"image": [image]}}),
        ]
        metrics = web.get("/metrics").text
    if behaviour != "nonsense":  # the last answer came, whatever it says
        assert f"forgery_upstream_up {up}.0" in metrics
    for answer in answers:
        assert answer.status_code == status
        assert answer.json["error"]["code"] == code
        assert "secret" not in answer.text
        assert ("Retry-After" in answer.headers) == (status == 503)


def test_the_request_id_reaches_the_scoring_servers_log(web, scoring_log):
    web.post("/predict", data=form((DARK, "a.jpg")), headers={"X-Request-ID": "trace-me-7"})
    deadline = time.monotonic() + 60
    while "request_id=trace-me-7" not in scoring_log.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "POST /invocations?request_id=trace-me-7" in scoring_log.read_text()


@contextlib.contextmanager
def taken(turns):
    """All turns are taken by work that lasts long already, so nobody may wait for one."""
    with contextlib.ExitStack() as stack:
        for _ in range(turns.number):
            stack.enter_context(turns.turn())
        for ticket in turns.working:
            ticket.started -= 100
        yield


def test_beyond_the_requests_in_flight_the_answer_is_429(lonely):
    with taken(lonely.application.extensions["scoring"].turns):
        answer = lonely.post("/predict", data=form((DARK, "a.jpg")))
    assert answer.status_code == 429
    assert answer.json["error"]["code"] == "too_many_requests"


def test_who_is_refused_need_not_send_the_upload(lonely):
    """Reading and parsing what is refused all the same would cost those who are served."""

    class Unread(io.BytesIO):
        def read(self, *size):
            raise AssertionError("the upload was read")

    for path in ("/predict", "/invocations", "/v1/analyze", "/v1/report", "/v1/feedback"):
        kind = "application/json" if path == "/invocations" else "multipart/form-data; boundary=b"
        with taken(lonely.application.extensions["scoring"].turns):
            answer = lonely.post(path, input_stream=Unread(b"-" * 1000), content_type=kind)
        assert answer.status_code == 429


def test_evidence_is_drawn_for_so_many_pictures_at_once(web):
    with taken(web.application.extensions["drawing"]):
        for path in ("/v1/evidence", "/v1/analyze", "/v1/report"):
            assert web.post(path, data=form((DARK, "a.jpg"))).status_code == 429
        page = web.post("/predict", data=form((DARK, "a.jpg")), headers=BROWSER)
        assert page.status_code == 429
        assert web.post("/predict", data=form((DARK, "a.jpg"))).status_code == 200
    assert web.post("/v1/analyze", data=form((DARK, "a.jpg"))).status_code == 200


def test_a_refusal_says_when_to_come_back(lonely):
    with taken(lonely.application.extensions["scoring"].turns):
        answer = lonely.post("/predict", data=form((DARK, "a.jpg")))
    assert answer.headers["Retry-After"] == "101"  # the work lasts a little longer meanwhile
    assert answer.json["error"]["message"] == "Too many pictures at once. Try again in 101 s."
    document = lonely.get("/openapi.json").json
    for path in ("/predict", "/invocations", "/v1/evidence"):
        assert "Retry-After" in document["paths"][path]["post"]["responses"]["429"]["headers"]


def test_those_who_wait_for_a_turn_leave_threads_to_others(settings):
    few = settings.model_copy(
        update={"web_threads": 10, "scoring_concurrency": 4, "evidence_concurrency": 2}
    )
    application = create_app(few)
    turns = application.extensions["drawing"]

    def ask() -> int:
        client = application.test_client()
        return client.post("/v1/evidence", data=form((DARK, "a.jpg"))).status_code

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        with turns.turn(), turns.turn():
            waiting = [threads.submit(ask) for _ in range(8)]
            first = concurrent.futures.as_completed(waiting, timeout=120)
            assert [next(first).result() for _ in range(5)] == [429] * 5
            assert not all(request.done() for request in waiting)
        assert sorted(request.result() for request in waiting) == [200] * 3 + [429] * 5


def test_all_uploads_together_are_limited(settings):
    few = settings.model_copy(update={"max_request_mb": 1, "max_held_mb": 1.5})
    application = create_app(few)
    held = application.wsgi_app.held
    held.add(2**20)
    padding = "x" * 600_000
    answer = application.test_client().post("/predict", data=form((DARK, "a.jpg"), padding=padding))
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"
    assert held.held == 2**20
    held.remove(2**20)
    answer = application.test_client().post("/predict", data=form((DARK, "a.jpg"), padding=padding))
    assert answer.status_code == 200
    assert held.held == 0


def test_a_full_disk_of_uploads_is_told_apart(lonely, monkeypatch):
    def full(**facts) -> io.RawIOBase:
        return Path("/dev/full").open("w+b", buffering=0)

    monkeypatch.setattr("werkzeug.wrappers.request.default_stream_factory", full)
    answer = lonely.post("/predict", data=form((DARK, "a.jpg")))
    assert answer.status_code == 503
    assert answer.json["error"]["code"] == "no_room"
