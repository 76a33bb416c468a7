"""`python -m benchmarks.check`: what costs more than `benchmarks/baseline.json` says.

It reads what `python -m benchmarks` has written and compares ratios, not times, so that machines
can be compared: a piece of work in JPEG saves of the same picture, a server's seconds for an answer
in those of FastAPI with the same detector. Exit status 1: something costs over 15 % more; 2: there
is nothing to compare. `--write` makes what was measured the new baseline.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from benchmarks.__main__ import REPORT, Report
from benchmarks.servers import FASTAPI, PAGE, SCORING
from benchmarks.targets import ratio
from forgery_lab.files import write_whole

BASELINE = Path(__file__).with_name("baseline.json")
WORSE = 1.15
RATIOS = TypeAdapter(dict[str, float])


def main() -> int:
    """Compare, print every ratio and what is worse; return the exit status."""
    asked = arguments()
    try:
        report = Report.model_validate_json(asked.report.read_bytes())
    except (OSError, ValidationError) as error:
        print(f"{asked.report}: no report of `python -m benchmarks`: {error}", file=sys.stderr)
        return 2
    now = dict(ratios(report))
    if asked.write:
        kept = {name: round(value, 3) for name, value in now.items()}
        write_whole(asked.baseline, json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
        print(f"{asked.baseline} has {len(kept)} ratios now")
        return 0
    baseline = RATIOS.validate_json(asked.baseline.read_bytes())
    common = [name for name in baseline if name in now]
    if not common:
        print(f"{asked.report} has none of the ratios of {asked.baseline}", file=sys.stderr)
        return 2
    for name in common:
        print(f"{name:72}{baseline[name]:8.2f}{now[name]:8.2f}")
    found = worse(baseline, now)
    for name in found:
        print(f"worse: {name}: {now[name] / baseline[name]:.2f} × the baseline", file=sys.stderr)
    return int(bool(found))


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.check", description=__doc__)
    parser.add_argument("--report", type=Path, default=REPORT)
    parser.add_argument("--baseline", type=Path, default=BASELINE)
    parser.add_argument("--write", action="store_true", help="a new baseline")
    return parser.parse_args()


def ratios(report: Report) -> Iterator[tuple[str, float]]:
    """Yield the names and the costs of what was measured; more is worse."""
    for one in report.bare or ():
        yield f"{one.what}, {one.size}, in JPEG saves", one.jpeg_saves
    rows = {row.case: row for row in report.servers.rows} if report.servers else {}
    for case in rows:
        share = ratio(rows, case, replace(case, server=FASTAPI))
        if case.server in (PAGE, SCORING) and case.picture and share:
            what = f"{case.server} {case.path} {case.picture} {case.connection}"
            yield f"{what}, {case.clients} clients, in answers of {FASTAPI}", 1 / share


def worse(baseline: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
    """Return the names of what costs over 15 % more than it did, the worst first."""
    grown = {name: now[name] / before for name, before in baseline.items() if name in now}
    return [
        name for name, growth in sorted(grown.items(), key=lambda pair: -pair[1]) if growth > WORSE
    ]


if __name__ == "__main__":
    sys.exit(main())
