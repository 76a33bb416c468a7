import json
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import groupby
from typing import ClassVar

import pytest

from forgery.client import REQUESTS_UNTIL_ONE_CLOSES, Client, ClientError, read_records
from forgery.evidence.why import explained
from forgery_pyfunc.contract import RECORD_FIELDS
from tests.webui.pictures import picture


def test_the_client_gives_typed_answers(front_end):
    client = Client(front_end)
    assert [r.verdict for r in client.score([picture(20), b"?"])] == ["authentic", None]
    analysis = client.analyze("a.jpg", picture(240))
    assert analysis.record.verdict == "forged"
    assert analysis.evidence.facts.format == "JPEG"
    with pytest.raises(ClientError, match="not a picture") as refusal:
        client.analyze("a.jpg", b"hello")
    assert refusal.value.code == "not_an_image"


@pytest.mark.parametrize("field", ["note", "explanation"])
def test_the_records_of_older_models_lack_a_field(field):
    old = {name: None for name in RECORD_FIELDS if name != field}
    (record,) = read_records(json.dumps({"predictions": [old]}).encode(), expected=1)
    assert getattr(record, field) is None


def test_a_server_tells_why_when_it_is_asked(front_end):
    client = Client(front_end)
    asked, plain = (client.score([picture(240)], explain=asked)[0] for asked in (True, False))
    assert plain.explanation is None
    explanation = explained(asked)
    assert [one.family for one in explanation.contributions] == ["residual"]
    assert client.analyze("a.jpg", picture(240)).why.reasons[0].title == "Grain and error levels"


class Listener(BaseHTTPRequestHandler):
    """Answers 200, keeps connections, and remembers from which port each question came."""

    protocol_version = "HTTP/1.1"
    ports: ClassVar[list[int]] = []

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.ports.append(self.client_address[1])
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_a_request_is_sent_at_once(monkeypatch):
    """In two parts it would wake up the server twice."""
    sent = []
    send = socket.socket.sendall
    monkeypatch.setattr(
        socket.socket, "sendall", lambda end, data: sent.append(bytes(data)) or send(end, data)
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        Client(f"http://127.0.0.1:{server.server_port}").invoke(b'{"a": 1}')
        server.shutdown()
    (request,) = [data for data in sent if data.startswith(b"POST")]
    assert request.endswith(b'\r\n\r\n{"a": 1}')


def test_connections_are_opened_anew_now_and_then_for_processes_that_came_later():
    Listener.ports.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = Client(f"http://127.0.0.1:{server.server_port}")
        for _ in range(2 * REQUESTS_UNTIL_ONE_CLOSES + 1):
            assert client.invoke(b"{}").status == 200
        client.close()
        server.shutdown()
    connections = [len(list(questions)) for _, questions in groupby(Listener.ports)]
    assert connections == [REQUESTS_UNTIL_ONE_CLOSES, REQUESTS_UNTIL_ONE_CLOSES, 1]


@pytest.mark.parametrize("url", ["foo", "127.0.0.1:8080", "http://", "ftp://x", "http://a:99999"])
def test_what_is_no_address_is_named(url):
    with pytest.raises(ClientError, match=re.escape(f"got {url.rstrip('/')!r} as the address")):
        Client(url)
