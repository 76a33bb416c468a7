"""Deadlines by which a connection must have sent what a thread waits for."""

import contextlib
import socket
import time
from collections.abc import Iterator

_deadlines: dict[socket.socket, float] = {}


@contextlib.contextmanager
def due(connection: socket.socket, deadline: float) -> Iterator[None]:
    """Bound the wait for a connection inside the block, by `time.monotonic()`.

    After the deadline the reader sees the end of the data; an answer can still be sent.
    """
    _deadlines[connection] = deadline
    try:
        yield
    finally:
        met(connection)


def met(connection: socket.socket) -> None:
    """Lift the bound of a connection."""
    _deadlines.pop(connection, None)


def expire() -> None:
    """End the data of every connection that is late."""
    now = time.monotonic()
    for connection, deadline in list(_deadlines.items()):
        if now > deadline:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
