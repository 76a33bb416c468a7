"""What a server takes: seconds until its first answer, memory at rest and after large pictures."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel

from benchmarks import bodies
from benchmarks.bodies import HUGE, INVOCATIONS, SMALL
from benchmarks.load import LoadError, send
from benchmarks.requirement import Requirement
from benchmarks.servers import KERAS_PYFUNC, SCORING, Server, running, wait_until_idle
from benchmarks.soak import memory

LARGE_PICTURES = 100
CLIENTS = 2
REST_SECONDS = 5
START_OF_PLAIN, MEMORY_OF_PLAIN, AFTER_LARGE = 0.4, 0.3, 1.3


class Footprint(BaseModel):
    """What was seen of a server that ran alone.

    Attributes:
        server: its name.
        start_seconds: from its start to the answer for a first picture.
        rest_megabytes: memory of all its processes after that, what they share counted once.
        after_large_megabytes: the same after a hundred pictures of 12 megapixels.
    """

    server: str
    start_seconds: float
    rest_megabytes: float
    after_large_megabytes: float


def measure(server: Server, folder: Path) -> Footprint | None:
    """Return the footprint of a server, None where it does not start.

    Raises:
        LoadError: wrk is not installed, or no large picture is answered.
    """
    small, large = (bodies.request(server.url, INVOCATIONS, size, folder) for size in (SMALL, HUGE))
    began = time.monotonic()
    with running([server], folder) as started:
        if not started.servers:
            return None
        bodies.ask_once(small)
        start_seconds = time.monotonic() - began
        rest = _megabytes(server)
        answered = 0
        while answered < LARGE_PICTURES:
            answers = send(large, "kept", CLIENTS, seconds=10).statuses
            if not answers:
                raise LoadError(f"{server.name} answers no picture of {HUGE}")
            answered += sum(answers.values())
        after = _megabytes(server)
    return Footprint(
        server=server.name,
        start_seconds=start_seconds,
        rest_megabytes=rest,
        after_large_megabytes=after,
    )


def requirements(found: Sequence[Footprint]) -> Iterator[Requirement]:
    """Yield what the scoring server has to reach, beside the plain Keras model."""
    by_name = {one.server: one for one in found}
    ours, plain = by_name.get(SCORING), by_name.get(KERAS_PYFUNC)
    if ours:
        growth = ours.after_large_megabytes / ours.rest_megabytes
        yield Requirement(
            what=f"{SCORING}: memory after {LARGE_PICTURES} large pictures, of that at rest",
            seen=f"{growth:.2f} × ({ours.after_large_megabytes:.0f} MB)",
            to_reach=f"≤ {AFTER_LARGE:g} ×",
            met=growth <= AFTER_LARGE,
        )
    if not (ours and plain):
        return
    for what, own, other, most in (
        ("seconds to the first answer", ours.start_seconds, plain.start_seconds, START_OF_PLAIN),
        ("MB at rest", ours.rest_megabytes, plain.rest_megabytes, MEMORY_OF_PLAIN),
    ):
        yield Requirement(
            what=f"{SCORING}: {what}, of {KERAS_PYFUNC}'s",
            seen=f"{own / other:.2f} × ({own:.1f} of {other:.1f})",
            to_reach=f"≤ {most:g} ×",
            met=own / other <= most,
        )


def _megabytes(server: Server) -> float:
    """Return the memory of a server's processes at rest, what they share counted once."""
    wait_until_idle([server])
    time.sleep(REST_SECONDS)
    return memory.measure({server.name: server.service}, at=0).megabytes[memory.TOTAL]
