"""All measurements of the servers: which, in which order, and what is kept of each."""

import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from pydantic import BaseModel, computed_field

from benchmarks import bodies, load
from benchmarks.bodies import HUGE, INVOCATIONS, LARGE, LARGER, PING, PREDICT, SMALL
from benchmarks.load import Answers, Connection
from benchmarks.servers import OWN_NETWORK, Server, wait_until_idle
from forgery_lab.progress import Progress

CONNECTIONS: tuple[Connection, ...] = ("kept", "new")
CLIENTS = (1, 8, 32, 64)
CLIENTS_OF_NEW = (1, 8, 64)
CLIENTS_OF_LARGE = (1, 8)
CLIENTS_OF_HUGE = (8,)
WARM_UP = 3
"""Requests before each measurement."""


@dataclass(frozen=True)
class Case:
    """One thing that is measured; `picture` is empty where none is sent."""

    server: str
    path: str
    picture: str
    connection: Connection
    clients: int


class Spread(BaseModel):
    """Median, lowest and highest of several turns."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of values."""
        return cls(median=statistics.median(values), low=min(values), high=max(values))


class Row(BaseModel):
    """What was measured of a case, in all turns."""

    case: Case
    turns: list[Answers]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def per_second(self) -> Spread:
        """Answers with status 200 a second."""
        return Spread.of([turn.per_second for turn in self.turns])

    @computed_field  # type: ignore[prop-decorator]
    @property
    def p50_ms(self) -> Spread:
        """Median times of an answer."""
        return Spread.of([turn.p50_ms for turn in self.turns])

    @computed_field  # type: ignore[prop-decorator]
    @property
    def p99_ms(self) -> Spread:
        """99th percentiles of the time of an answer."""
        return Spread.of([turn.p99_ms for turn in self.turns])

    @computed_field  # type: ignore[prop-decorator]
    @property
    def refused(self) -> int:
        """Answers that tell the client to come back later, in all turns."""
        return sum(turn.refused for turn in self.turns)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def failed(self) -> int:
        """Other answers than 200 and refusals, and requests without an answer, in all turns."""
        return sum(turn.failed for turn in self.turns)


def cases(servers: Collection[Server]) -> list[Case]:
    """Return what is measured of these servers; all servers follow each other at the same load.

    Larger pictures are sent over kept connections by few clients, and not to servers with the
    usual network, which reduce every picture at once. `/ping` shows the time of a connection.
    """
    verdicts = (PREDICT, INVOCATIONS)
    loads: list[tuple[str, str, int, Connection]] = [
        *product(verdicts, (SMALL,), CLIENTS, CONNECTIONS[:1]),
        *product(verdicts, (SMALL,), CLIENTS_OF_NEW, CONNECTIONS[1:]),
        *product(verdicts, (LARGE,), CLIENTS_OF_LARGE, CONNECTIONS[:1]),
        *product(verdicts, (HUGE,), CLIENTS_OF_HUGE, CONNECTIONS[:1]),
        *product((PING,), ("",), CLIENTS[:1], CONNECTIONS),
    ]
    return [
        Case(server.name, path, picture, connection, clients)
        for path, picture, clients, connection in loads
        for server in servers
        if path in server.paths and not (picture in LARGER and server.name in OWN_NETWORK)
    ]


def rotated(every: Sequence[Case], turns: int, turn: int) -> list[Case]:
    """Return all cases in the order of a turn: each turn starts at another place."""
    start = len(every) * turn // turns
    return [*every[start:], *every[:start]]


def compare(
    servers: Sequence[Server],
    folder: Path,
    seconds: int,
    turns: int,
    progress: Progress,
) -> list[Row]:
    """Return a row per case: all are measured once in each of several turns.

    A long answer keeps a load of few seconds from being counted, and a queue takes time to fill:
    loads with larger pictures or many clients last longer.

    Args:
        servers: that answer.
        folder: for the bodies of the requests.
        seconds: of load, for each measurement.
        turns: how often each case is measured.
        progress: is told how many measurements are done.

    Raises:
        LoadError: wrk is not installed, or could not connect.
    """
    every = cases(servers)
    urls = {server.name: server.url for server in servers}
    asked = {
        case: bodies.request(urls[case.server], case.path, case.picture, folder) for case in every
    }
    measured: dict[Case, list[Answers]] = {case: [] for case in every}
    for turn in range(turns):
        for case in rotated(every, turns, turn):
            wait_until_idle(servers)
            for _ in range(WARM_UP):
                bodies.ask_once(asked[case])
            duration = seconds * _longer(case)
            measured[case].append(load.send(asked[case], case.connection, case.clients, duration))
            progress(sum(map(len, measured.values())), turns * len(every))
    return [Row(case=case, turns=answers) for case, answers in measured.items()]


def _longer(case: Case) -> int:
    """Return how many times as long as others a load lasts."""
    if case.picture == HUGE:
        return 5
    return 2 if case.picture == LARGE or case.clients == max(CLIENTS) else 1
