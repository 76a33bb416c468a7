"""How many bytes of uploads the application holds at the same time, in memory and on disk."""

import threading
from collections.abc import Callable

from forgery_pyfunc.memory import Leftovers
from webui.errors import ApiError

BYTES_LEFT = 2**24
"""After so many the memory that uploads left is given back."""


class HeldUploads:
    """Counts what has arrived of the requests that are not answered yet.

    A slow sender takes no more of the limit than what it has sent.
    """

    def __init__(self, limit: int, expected_wait: Callable[[], float]) -> None:
        """Set the limit in bytes, and who knows how long the queue is that holds them."""
        self.limit = limit
        self.expected_wait = expected_wait
        self.lock = threading.Lock()
        self.held = 0
        self.leftovers = Leftovers(BYTES_LEFT)

    def add(self, count: int) -> None:
        """Count bytes that have arrived; they stay counted where this raises.

        Raises:
            ApiError: `too_many_requests`: all uploads together exceed the limit.
        """
        with self.lock:
            self.held += count
            full = self.held > self.limit
        if full:
            message = "The server holds too many uploads."
            raise ApiError("too_many_requests", message, retry_after=self.expected_wait())

    def remove(self, count: int) -> None:
        """Forget the bytes of a request that is answered."""
        with self.lock:
            self.held -= count
        self.leftovers.add(count)
