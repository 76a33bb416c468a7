"""Heavy work takes turns: a limited number of requests at once; others wait a little, then get 429.

Only a few may wait: each holds a web thread, and `/livez` needs one too.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import current_app

from webui.errors import ApiError


class Turns:
    """A number of turns, shared by the threads of one application."""

    def __init__(self, number: int, patience: float, places: threading.Semaphore) -> None:
        """Set the number of turns, how long others wait, and the places for those who wait."""
        self.free = threading.BoundedSemaphore(number)
        self.patience = patience
        self.places = places

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold a turn.

        Raises:
            ApiError: `too_many_requests`: none came free in time, or too many wait already.
        """
        if not self._take():
            raise ApiError("too_many_requests", "Too many pictures at once; try again shortly.")
        try:
            yield
        finally:
            self.free.release()

    def _take(self) -> bool:
        if self.free.acquire(blocking=False):
            return True
        if not self.places.acquire(blocking=False):
            return False
        try:
            return self.free.acquire(timeout=self.patience)
        finally:
            self.places.release()


def waiting_places(web_threads: int) -> threading.Semaphore:
    """Return the places of those who wait for any turn: less than half of the web threads."""
    return threading.BoundedSemaphore((web_threads - 1) // 2)


def drawing() -> Turns:
    """Return the turns of those who draw evidence, which needs much memory."""
    return current_app.extensions["drawing"]
