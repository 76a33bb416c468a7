"""A number of turns for the threads of one process: first come, first served."""

import threading
from collections import deque


class Turns:
    """A context for so many threads at once; who leaves hands the turn to whoever came first.

    `threading.Semaphore` has no order: a thread that leaves and comes back at once, as it does for
    the next image of a batch, is in again before one that waits has woken up.
    """

    def __init__(self, number: int) -> None:
        self.lock = threading.Lock()
        self.free = number
        self.waiting: deque[threading.Event] = deque()

    def __enter__(self) -> None:
        with self.lock:
            if self.free:
                self.free -= 1
                return
            called = threading.Event()
            self.waiting.append(called)
        called.wait()

    def __exit__(self, *_error: object) -> None:
        with self.lock:
            if self.waiting:
                self.waiting.popleft().set()
            else:
                self.free += 1
