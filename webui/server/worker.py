"""Gunicorn's threaded worker, extended to disconnect senders that take too long over a request.

Gunicorn has no setting for this: its `timeout` is for workers, and the timeout of a socket starts
anew with every byte. The base class is gunicorn's own code, so
`tests/webui/server/test_gunicorn.py` tries every bound against the version in the lock.

Why by hand: three servers were run against those tests in November 2026, with their own settings
for the bounds. None of them has a deadline for a body or a slowest rate of upload, and none lets
the application word the answer to malformed HTTP.

| test | this worker | waitress 3.0 | granian 2.8 | hypercorn 0.18 |
| --- | --- | --- | --- | --- |
| headers sent a byte at a time are cut off | yes | no | yes | yes |
| a silent upload gets 408 | yes | no | no | no (400) |
| an upload sent a byte at a time gets 408 | yes | no | no | no |
| an unread body holds no thread | yes | yes | yes | yes |
| silent connections hold no thread | yes | yes | yes | yes |
| peers that do not close are closed | yes | no | yes | yes |
| malformed HTTP: 400, JSON, `X-Request-ID` | yes | no (text) | no (empty) | no (empty) |
| a body beyond the limit: 413, JSON, before it is sent | yes | no (text) | yes | no |
| connections are kept | yes | yes | yes | yes |
| SIGTERM: requests in flight are answered | yes | yes, within 5 s | yes | yes |

A subclass of waitress' channel could pass, but it would rest on private methods too, and requests
that fail before the application would be missing from its metrics and access log.
"""

import contextlib
import json
import socket
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn import util
from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import DEFAULT_WORKER_DATA_TIMEOUT, TConn, ThreadWorker

from webui.errors import ErrorAnswer, ErrorDetail
from webui.server.deadlines import due, expire, met
from webui.settings import Settings

SILENT_SECONDS = 5.0
"""How long a new connection may be silent, how long a peer may take to close one, and for how long
one without a request is kept when the worker is told to stop."""

DROPPED_BYTES = 65_536
"""Bytes discarded at once from a connection that is being closed."""


class Worker(ThreadWorker):
    """Wait for a first byte without a thread, and for headers and body no longer than allowed."""

    def init_process(self) -> None:
        """Start to work; returns when the worker ends."""
        self.header_seconds = Settings.from_environment().header_seconds
        super().init_process()

    def enqueue_req(self, conn: TConn) -> None:
        """Hand a connection to a thread once data has arrived."""
        if conn.initialized or conn.data_ready:
            super().enqueue_req(conn)
            return
        conn.sock.setblocking(False)
        self._await(conn, self.on_pending_socket_readable)

    def _await(self, conn: TConn, on_readable: Callable[[TConn, socket.socket], None]) -> None:
        """Keep a connection until there is something to read, or `murder_pending` closes it."""
        conn.timeout = time.monotonic() + SILENT_SECONDS
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(on_readable, conn))

    def handle(self, conn: TConn) -> Any:
        """Answer a request; its headers must be here in time."""
        with due(conn.sock, time.monotonic() + self.header_seconds):
            return super().handle(conn)

    def handle_request(self, req: Any, conn: TConn) -> bool:
        """Answer a request whose headers are read; `PacedInput` bounds the body."""
        met(conn.sock)
        return super().handle_request(req, conn)

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        """Read to its end what is left of a body; gunicorn's bound starts anew with every KiB."""
        deadline = time.monotonic() + DEFAULT_WORKER_DATA_TIMEOUT
        with due(conn.sock, deadline):
            kept = super()._keepalive_after(conn, keepalive)
        return kept and time.monotonic() < deadline  # what may still arrive is not a new request

    def finish_request(self, conn: TConn, answered: Future[Any]) -> None:
        """Keep or close a connection; gunicorn would wait here, in its only loop.

        What the answer said to keep is kept at shutdown too, where gunicorn would close it: the
        client may be sending its next request, whose answer will say that it is the last.
        """
        kept = not answered.cancelled() and not answered.exception() and answered.result()
        if kept:
            self._keep(conn)
            return
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:  # the peer has gone
            self._close(conn)
        else:
            self._await(conn, self.on_closing_socket_readable)

    def _keep(self, conn: TConn) -> None:
        conn.sock.setblocking(False)
        conn.set_timeout()
        self.keepalived_conns.append(conn)
        on_readable = partial(self.on_client_socket_readable, conn)
        self.poller.register(conn.sock, EVENT_READ, on_readable)

    def on_closing_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        """Discard what still arrives (a reset would lose the answer), then close."""
        with contextlib.suppress(OSError):
            if client.recv(DROPPED_BYTES):
                return
        self.poller.unregister(client)
        self.pending_conns.remove(conn)
        self._close(conn)

    def _close(self, conn: TConn) -> None:
        self.nr_conns -= 1
        conn.close()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Look for late senders every second, at shutdown too, where gunicorn would not."""
        super().wait_for_and_dispatch_events(min(timeout, 1.0))

    def murder_keepalived(self) -> None:
        """Close connections that were kept for long enough; gunicorn calls this at every turn.

        Requests that have just arrived on such a connection are read first: they would be lost.
        """
        if not self.alive:
            latest = time.monotonic() + SILENT_SECONDS
            for conn in self.keepalived_conns:
                conn.timeout = min(conn.timeout, latest)
        if self.keepalived_conns and self.keepalived_conns[0].timeout <= time.monotonic():
            super().wait_for_and_dispatch_events(0)
        super().murder_keepalived()

    def murder_pending(self) -> None:
        """Disconnect late senders; gunicorn calls this at every turn."""
        super().murder_pending()
        expire()

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer malformed HTTP in the shape of every other error."""
        if not isinstance(exc, ParseException):
            super().handle_error(req, client, addr, exc)
            return
        self.log.warning("malformed HTTP request: %s", type(exc).__name__)
        error = ErrorAnswer(
            error=ErrorDetail(code="bad_request", message="Malformed HTTP request.")
        )
        body = json.dumps(error.model_dump())
        head = (
            "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/json\r\n"
            f"X-Request-ID: {uuid.uuid4().hex}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with contextlib.suppress(OSError):
            util.write_nonblock(client, f"{head}{body}".encode())
