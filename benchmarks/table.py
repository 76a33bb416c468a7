"""What is printed on the terminal."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from benchmarks.comparison import Row, Spread
from benchmarks.servers import FASTAPI
from benchmarks.targets import Target, ratio

COLUMNS = ("200s/s", "(low - high)", "p50 ms", "(low - high)", "p99 ms", "refused", "failed",
           f"of {FASTAPI}")  # fmt: skip
WORDS = {True: "met", False: "NOT MET", None: "not measured"}


def lines(
    rows: Sequence[Row],
    versions: Mapping[str, str],
    left_out: Mapping[str, str],
    targets: Sequence[Target],
) -> Iterator[str]:
    """Yield the table of the servers, versions of peers, who is missing, and the targets."""
    yield _line("", COLUMNS)
    by_case = {row.case: row for row in rows}
    for row in rows:
        share = ratio(by_case, row.case, replace(row.case, server=FASTAPI))
        yield _line(_name(row), [
            _words(row.per_second.median), _interval(row.per_second),
            _words(row.p50_ms.median), _interval(row.p50_ms), _words(row.p99_ms.median),
            str(row.refused), str(row.failed), "" if share is None else f"{share:.0%}",
        ])  # fmt: skip
    for name, version in versions.items():
        yield f"{name}: version {version}"
    for name, reason in left_out.items():
        yield f"{name}: not measured: {reason}"
    yield ""
    for target in targets:
        bound = "at most" if target.unit == "ms" else "at least"
        figure = "" if target.figure is None else f"{target.figure:.2f} {target.unit}"
        limit = f"{bound} {target.limit:g} {target.unit}"
        yield f"{target.what:88}{figure:>12}  {limit:17}{WORDS[target.met]}"


def _name(row: Row) -> str:
    case = row.case
    clients = f"{case.clients} client{'s' * (case.clients > 1)}"
    return f"{case.server:16}{case.path:14}{case.picture:11}{case.connection:6}{clients:11}"


def _line(name: str, cells: Sequence[str]) -> str:
    return f"{name:58}" + "".join(
        f"{cell:>20}" if " - " in cell else f"{cell:>11}" for cell in cells
    )


def _interval(spread: Spread) -> str:
    return f"({_words(spread.low)} - {_words(spread.high)})"


def _words(figure: float) -> str:
    """Return the figure, or "none" for the time of an answer where none came."""
    return f"{figure:.1f}" if math.isfinite(figure) else "none"
