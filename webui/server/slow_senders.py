"""Upload bodies that give up on slow senders: a slowest rate and a longest time."""

import contextlib
import socket
import time
from collections.abc import Callable
from typing import Any, BinaryIO

from werkzeug.exceptions import RequestTimeout

from webui.server.deadlines import due
from webui.server.held_uploads import HeldUploads
from webui.settings import Settings

GRACE_SECONDS = 30
"""How long an upload may take before its rate counts."""

TOO_SLOW = "The upload took too long; please send it again."


class PacedInput:
    """A request body that gives up on senders slower than a floor.

    Silence is bounded by the socket's own timeout (see `gunicorn_settings`); this bounds senders of
    a byte now and then, and the whole upload.
    """

    def __init__(
        self,
        body: BinaryIO,
        settings: Settings,
        held: HeldUploads,
        connection: socket.socket | None = None,
    ) -> None:
        """Wrap a body, and the connection it comes from, where the server names it."""
        self.body = body
        self.held = held
        self.connection = connection
        self.floor = settings.upload_floor_kb * 1024
        self.started = time.monotonic()
        self.last = self.started + settings.upload_seconds
        self.received = 0

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes; raise RequestTimeout when the sender is too slow."""
        return self._receive(self.body.read, size)

    def readline(self, size: int = -1) -> bytes:
        """Return one line of at most `size` bytes."""
        return self._receive(self.body.readline, size)

    def _receive(self, read: Callable[[int], bytes], size: int) -> bytes:
        expected = self.received + size if size > 0 else float("inf")
        try:
            with self._due(self._deadline(expected)):
                chunk = read(size)
        except (TimeoutError, BlockingIOError) as error:  # as sockets report a long silence
            raise RequestTimeout(TOO_SLOW) from error
        self.received += len(chunk)
        self.held.add(len(chunk))
        reached = self.received if chunk else expected  # after the end there is nothing to wait for
        if time.monotonic() > self._deadline(reached):
            raise RequestTimeout(TOO_SLOW)
        return chunk

    def _due(self, deadline: float) -> contextlib.AbstractContextManager[None]:
        return due(self.connection, deadline) if self.connection else contextlib.nullcontext()

    def _deadline(self, count: float) -> float:
        """Return when so many bytes must be here."""
        if not self.floor:
            return self.last
        return min(self.last, self.started + GRACE_SECONDS + count / self.floor)


class Pacing:
    """WSGI middleware that puts a `PacedInput` under every request."""

    def __init__(self, application: Any, settings: Settings, held: HeldUploads) -> None:
        self.application = application
        self.settings = settings
        self.held = held

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer a request."""
        connection = environ.get("gunicorn.socket")
        body = PacedInput(environ["wsgi.input"], self.settings, self.held, connection)
        environ["wsgi.input"] = body
        try:
            return self.application(environ, start_response)
        finally:
            self.held.remove(body.received)
