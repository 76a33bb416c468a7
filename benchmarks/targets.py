"""What the page's and the scoring server's speed has to reach, beside what was run with them."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, computed_field

from benchmarks.bodies import INVOCATIONS, PREDICT, SMALL
from benchmarks.comparison import CONNECTIONS, Case, Row
from benchmarks.load import Connection
from benchmarks.servers import (
    BENTOML,
    FASTAPI,
    KERAS_PYFUNC,
    LITSERVE,
    PAGE,
    SCORING,
    USUAL,
)

ADDED_BY_PAGE_MS = 6.0
KEPT_ABOVE_NEW_MS = 3.0
"""Less than the 40 ms for which a client holds back an acknowledgement."""
SHARES = (
    (PAGE, PREDICT, FASTAPI, PREDICT, 0.7),
    (PAGE, INVOCATIONS, FASTAPI, INVOCATIONS, 0.7),
    (SCORING, INVOCATIONS, FASTAPI, INVOCATIONS, 0.95),
    (SCORING, INVOCATIONS, LITSERVE, INVOCATIONS, 1.0),
    (SCORING, INVOCATIONS, BENTOML, INVOCATIONS, 1.0),
    (PAGE, PREDICT, KERAS_PYFUNC, INVOCATIONS, 3.0),
    (PAGE, PREDICT, USUAL, PREDICT, 5.0),
)
"""Server and path, those that they are compared with, and the least share of their answers."""
MEDIAN_OF_LATEST = 0.33
SHARE_OF_GOODPUT = 0.9
FEW, MANY = 8, 64


class Target(BaseModel):
    """A figure with its limit; the figure is None where it was not measured.

    Attributes:
        what: in words.
        figure: milliseconds, or a ratio.
        limit: the highest allowed milliseconds, or the lowest allowed ratio.
        unit: "ms" or "×".
    """

    what: str
    figure: float | None
    limit: float
    unit: Literal["ms", "×"]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def met(self) -> bool | None:
        """Whether it is reached; None where it was not measured."""
        if self.figure is None:
            return None
        return self.figure <= self.limit if self.unit == "ms" else self.figure >= self.limit


def targets(rows: Sequence[Row]) -> list[Target]:
    """Return all targets with what these rows say."""
    by_case = {row.case: row for row in rows}
    return [
        *(_added_by_page(by_case, path) for path in (PREDICT, INVOCATIONS)),
        *(_share(by_case, *share) for share in SHARES),
        *(_even(by_case, *ours) for ours in ((PAGE, PREDICT), (SCORING, INVOCATIONS))),
        *(_goodput(by_case, path) for path in (PREDICT, INVOCATIONS)),
        *kept_above_new(rows),
    ]


def kept_above_new(rows: Sequence[Row]) -> list[Target]:
    """Return a target per server and path that was measured over both kinds of connections."""
    by_case = {row.case: row for row in rows if row.case.clients == 1}
    pairs = [
        (row, by_case.get(replace(case, connection="new")))
        for case, row in by_case.items()
        if case.connection == "kept"
    ]
    return [
        Target(
            what=f"{new.case.server} {new.case.path}: p50 over a kept connection above a new one's",
            figure=_added(kept, [new]),
            limit=KEPT_ABOVE_NEW_MS,
            unit="ms",
        )
        for kept, new in pairs
        if new is not None
    ]


def _added_by_page(rows: Mapping[Case, Row], path: str) -> Target:
    """Compare with the faster way of asking the scoring server: a stall there is not hidden."""
    page = rows.get(_case(PAGE, path, 1))
    ways = [rows.get(_case(SCORING, INVOCATIONS, 1, connection)) for connection in CONNECTIONS]
    scoring = [row for row in ways if row is not None]
    return Target(
        what=f"{PAGE} {path}: p50 over a kept connection above {SCORING}'s, 1 client",
        figure=_added(page, scoring) if page and scoring else None,
        limit=ADDED_BY_PAGE_MS,
        unit="ms",
    )


def _share(
    rows: Mapping[Case, Row], server: str, path: str, other: str, other_path: str, least: float
) -> Target:
    return Target(
        what=f"{server} {path}: answers a second as a share of {other}'s, {FEW} clients",
        figure=ratio(rows, _case(server, path, FEW), _case(other, other_path, FEW)),
        limit=least,
        unit="×",
    )


def _even(rows: Mapping[Case, Row], server: str, path: str) -> Target:
    row = rows.get(_case(server, path, FEW))
    shares = [turn.p50_ms / turn.p99_ms for turn in row.turns if turn.p99_ms] if row else []
    return Target(
        what=f"{server} {path}: p50 as a share of p99, {FEW} clients",
        figure=statistics.median(shares) if shares else None,
        limit=MEDIAN_OF_LATEST,
        unit="×",
    )


def _goodput(rows: Mapping[Case, Row], path: str) -> Target:
    return Target(
        what=f"{PAGE} {path}: answers a second with {MANY} clients as a share of those with {FEW}",
        figure=ratio(rows, _case(PAGE, path, MANY), _case(PAGE, path, FEW)),
        limit=SHARE_OF_GOODPUT,
        unit="×",
    )


def _case(server: str, path: str, clients: int, connection: Connection = "kept") -> Case:
    return Case(server, path, SMALL, connection, clients)


def ratio(rows: Mapping[Case, Row], case: Case, base: Case) -> float | None:
    """Return the answers a second as a share of another case's, the median over the turns.

    Only loads of the same turn are compared: the machine may be slower in another one. The share
    is None where a case is missing, or where the base had no answers.
    """
    if case not in rows or base not in rows:
        return None
    turns = zip(rows[case].turns, rows[base].turns, strict=True)
    shares = [one.per_second / other.per_second for one, other in turns if other.per_second]
    return statistics.median(shares) if shares else None


def _added(row: Row, others: Sequence[Row]) -> float:
    """Return by how much p50 is above the lowest of others, the median over the turns."""
    turns = zip(row.turns, *(other.turns for other in others), strict=True)
    return statistics.median(
        one.p50_ms - min(other.p50_ms for other in rest) for one, *rest in turns
    )
