"""What happened to every request of the load."""

import math
from http import HTTPStatus

from pydantic import BaseModel

from benchmarks.load import REFUSALS

LONGEST_SLICE_SECONDS = 60.0


class Outcome(BaseModel):
    """What happened to a request.

    Attributes:
        at: when it was sent, in seconds from the start.
        size: its class.
        pictures: in it.
        seconds: until the whole answer was there.
        status: of the answer; None where none came.
        retry_after: of a refusal, in seconds; None where it names no whole number.
        problem: what is wrong with the answer; empty where nothing is.
        difference: largest |Δp| in it.
    """

    at: float
    size: str
    pictures: int
    seconds: float
    status: int | None
    retry_after: int | None = None
    problem: str = ""
    difference: float = 0.0

    @property
    def is_answer(self) -> bool:
        """Whether it was admitted, and answered."""
        return self.status == HTTPStatus.OK

    @property
    def is_refusal(self) -> bool:
        """Whether it was refused for now."""
        return self.status in REFUSALS


class SlowOutcome(BaseModel):
    """How the server ended a request that came a byte at a time.

    Attributes:
        seconds: from its first byte.
        status: of the answer; None where the connection was closed without one.
    """

    seconds: float
    status: int | None


class Load(BaseModel):
    """All that was sent.

    Attributes:
        clients: that sent whole requests.
        seconds: for which they did.
        slow_senders: that sent beside them, in every second slice of the time.
        sent: whole requests.
        outcomes: of those.
        slow: what became of the slow ones that the server ended.
    """

    clients: int
    seconds: float
    slow_senders: int
    sent: int = 0
    outcomes: list[Outcome] = []
    slow: list[SlowOutcome] = []

    @property
    def slice_seconds(self) -> float:
        """How long a slice of the time is, without slow senders or with them."""
        return min(LONGEST_SLICE_SECONDS, self.seconds / 2)

    def is_slow_time(self, at: float) -> bool:
        """Return whether slow senders send at a time, in seconds from the start."""
        return at < self.seconds and int(at / self.slice_seconds) % 2 == 1

    @property
    def slow_seconds(self) -> float:
        """For how long slow senders sent."""
        slices = range(1, math.ceil(self.seconds / self.slice_seconds), 2)
        starts = [number * self.slice_seconds for number in slices]
        return sum(min(self.slice_seconds, self.seconds - start) for start in starts)
