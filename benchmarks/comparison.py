"""All measurements of the servers: which, in which order, and what is kept of each."""

import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, computed_field

from benchmarks import bodies, load
from benchmarks.bodies import LARGE, PING, SMALL
from benchmarks.load import Answers, Connection
from benchmarks.servers import USUAL, Server, wait_until_idle
from forgery_lab.progress import Progress

CONNECTIONS: tuple[Connection, ...] = ("kept", "new")
CLIENTS = (1, 8, 64)
CLIENTS_OF_LARGE = (1, 8)
CROWD = 64
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
    """Return what is measured of these servers.

    The large picture is measured over kept connections with few clients, and not of the usual
    application, which reduces every picture at once. `/ping` shows the time of a connection.
    """
    found = []
    for server in servers:
        for path in server.paths:
            picture = "" if path == PING else SMALL
            found += [
                Case(server.name, path, picture, connection, clients)
                for clients in (CLIENTS if picture else CLIENTS[:1])
                for connection in CONNECTIONS
            ]
            if picture and server.name != USUAL:
                found += [Case(server.name, path, LARGE, "kept", n) for n in CLIENTS_OF_LARGE]
    return found


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
            duration = 2 * seconds if _is_slow(case) else seconds
            measured[case].append(load.send(asked[case], case.connection, case.clients, duration))
            progress(sum(map(len, measured.values())), turns * len(every))
    return [Row(case=case, turns=answers) for case, answers in measured.items()]


def _is_slow(case: Case) -> bool:
    """Return whether it takes time until answers flow: a queue has to fill, or work is long."""
    return case.clients >= CROWD or case.picture == LARGE
