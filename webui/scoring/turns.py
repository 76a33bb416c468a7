"""Heavy work takes turns: a limited number of requests at once, the others in a queue.

A request joins the queue while the expected wait is bearable; beyond that it is refused with the
expected wait as `Retry-After`. The expectation comes from what is in the queue and from how long
the last pictures took, so it follows the machine, the model and the size of the pictures.
"""

import heapq
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flask import current_app

from webui.errors import ApiError

MEMORY = 0.9
"""How much of what is known of the service time stays when another turn ends."""

PAUSE_SECONDS = 0.25
"""How long a refusal takes."""


@dataclass(eq=False)
class Ticket:
    """A request's place: in the queue, then at work."""

    pictures: int
    started: float = 0.0
    called: threading.Event = field(default_factory=threading.Event)


class Turns:
    """A number of turns, shared by the threads of one application; first come, first served."""

    def __init__(self, number: int, patience: float, places: threading.Semaphore) -> None:
        """Set the number of turns, the longest wait expected of a request, and all places to wait.

        An expectation may be wrong, so a request in the queue waits up to twice as long.
        """
        self.number = number
        self.patience = patience
        self.places = places
        self.lock = threading.Lock()
        self.unwanted = threading.Condition(self.lock)  # a turn that nobody in the queue takes
        self.working: set[Ticket] = set()
        self.waiting: deque[Ticket] = deque()
        self.past_seconds = 0.0
        self.past_pictures = 0.0

    @contextmanager
    def turn(self, pictures: int = 1) -> Iterator[None]:
        """Hold a turn for the work on so many pictures.

        Raises:
            ApiError: `too_many_requests`: the wait would be, or has been, too long.
        """
        ticket = Ticket(pictures)
        if self._joins_queue(ticket):
            self._wait(ticket)
        try:
            yield
        finally:
            self._end(ticket)

    @contextmanager
    def idle_turn(self) -> Iterator[None]:
        """Hold a turn for one picture that can wait: everybody in the queue goes first."""
        ticket = Ticket(pictures=1)
        with self.unwanted:
            self.unwanted.wait_for(lambda: len(self.working) < self.number)
            self._begin(ticket)
        try:
            yield
        finally:
            self._end(ticket)

    def check_room(self) -> None:
        """Refuse what would be refused a turn, before its upload is read; raises as `turn`.

        A refusal takes a moment where there are places to wait: clients that try again at once
        would take the processors from those who are served.
        """
        if self.expected_wait() > self.patience and self.places.acquire(blocking=False):
            time.sleep(PAUSE_SECONDS)
            self.places.release()
        wait = self.expected_wait()
        if wait > self.patience:
            raise refusal(wait)

    def expected_wait(self) -> float:
        """Return how many seconds a request that comes now would wait for its turn."""
        with self.lock:
            return self._expected_wait()

    def _joins_queue(self, ticket: Ticket) -> bool:
        """Return whether a ticket must wait; where not, its work has begun."""
        with self.lock:
            if len(self.working) < self.number:
                self._begin(ticket)
                return False
            wait = self._expected_wait()
            if wait > self.patience or not self.places.acquire(blocking=False):
                raise refusal(wait)
            self.waiting.append(ticket)
            return True

    def _wait(self, ticket: Ticket) -> None:
        try:
            ticket.called.wait(2 * self.patience)
            with self.lock:
                if not ticket.called.is_set():
                    self.waiting.remove(ticket)
                    raise refusal(self._expected_wait())
        finally:
            self.places.release()

    def _begin(self, ticket: Ticket) -> None:
        ticket.started = time.monotonic()
        self.working.add(ticket)
        ticket.called.set()

    def _end(self, ticket: Ticket) -> None:
        with self.lock:
            self.working.remove(ticket)
            seconds = time.monotonic() - ticket.started
            self.past_seconds = MEMORY * self.past_seconds + seconds
            self.past_pictures = MEMORY * self.past_pictures + ticket.pictures
            if self.waiting:
                self._begin(self.waiting.popleft())
            else:
                self.unwanted.notify()

    def _expected_wait(self) -> float:
        if len(self.working) < self.number:
            return 0.0
        seconds = self._seconds_per_picture()
        ends = [ticket.pictures * seconds for ticket in self.working]
        heapq.heapify(ends)
        for ticket in self.waiting:  # each takes the turn that ends first: nobody waits for a batch
            heapq.heapreplace(ends, ends[0] + ticket.pictures * seconds)
        return ends[0]

    def _seconds_per_picture(self) -> float:
        """Return what the last pictures took, or those at work already do where that is longer."""
        now = time.monotonic()
        seconds = sum(now - ticket.started for ticket in self.working)
        pictures = sum(ticket.pictures for ticket in self.working)
        past = self.past_seconds / self.past_pictures if self.past_pictures else 0.0
        return max(past, seconds / pictures)


def refusal(wait: float) -> ApiError:
    """Return the error that asks a client to come back when the queue will have been served."""
    return ApiError("too_many_requests", "Too many pictures at once.", retry_after=wait)


def waiting_places(web_threads: int, turns: int) -> threading.Semaphore:
    """Return the places of those who wait for any turn, each of which holds a web thread.

    A quarter of the threads that hold no turn stays free of them, for uploads and health checks.
    """
    return threading.BoundedSemaphore(max(0, web_threads - turns) * 3 // 4)


def drawing() -> Turns:
    """Return the turns of those who draw evidence, which needs much memory."""
    return current_app.extensions["drawing"]
