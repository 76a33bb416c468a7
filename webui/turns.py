"""Heavy work takes turns: so many requests at once; the others wait a little, then get a 429."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import current_app

from webui.errors import ApiError


class Turns:
    """A number of turns, shared by the threads of one application."""

    def __init__(self, number: int, patience: float) -> None:
        """Set how many have a turn at once, and how many seconds the next one waits."""
        self.free = threading.BoundedSemaphore(number)
        self.patience = patience

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold a turn.

        Raises:
            ApiError: `too_many_requests`: none came free in time.
        """
        if not self.free.acquire(timeout=self.patience):
            raise ApiError("too_many_requests", "Too many pictures at once; try again shortly.")
        try:
            yield
        finally:
            self.free.release()


def drawing() -> Turns:
    """Return the turns of those who draw evidence, which needs much memory."""
    return current_app.extensions["drawing"]
