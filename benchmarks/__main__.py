"""`python -m benchmarks [PART ...]`: prints tables and writes `reports/bench.json`.

bare: the detector and its parts on one core, in JPEG saves. servers: page and scoring server
under load from wrk, beside the same detector behind FastAPI, LitServe and BentoML, and the usual
Keras network behind `mlflow models serve` and Flask. footprint: start and memory of the scoring
server and of the plain Keras model, each alone. By default all.
"""

import argparse
import logging
import sys
import tempfile
from pathlib import Path

from pydantic import BaseModel

from benchmarks import bare, comparison, footprint, load, servers, table
from benchmarks.bare import Measurement
from benchmarks.comparison import Row
from benchmarks.footprint import Footprint
from benchmarks.load import LoadError
from benchmarks.machine import Machine
from benchmarks.requirement import Requirement, lines
from benchmarks.servers import KERAS_PYFUNC, PAGE, SCORING
from benchmarks.targets import Target, targets
from forgery_lab.files import write_whole
from forgery_lab.progress import shown
from serving.services import available_cpus

PARTS = ("bare", "servers", "footprint")
REPORT = Path("reports/bench.json")


class Servers(BaseModel):
    """The servers under load; see `Row` and `Target`."""

    seconds: int
    turns: int
    workers: int
    rows: list[Row]
    versions: dict[str, str] = {}
    left_out: dict[str, str]
    targets: list[Target]


class Footprints(BaseModel):
    """What servers take; see `Footprint` and `Requirement`."""

    found: list[Footprint]
    left_out: dict[str, str]
    requirements: list[Requirement]


class Report(BaseModel):
    """What `reports/bench.json` holds; a part that was not asked for, or failed, is null."""

    machine: Machine
    bare: list[Measurement] | None = None
    servers: Servers | None = None
    footprint: Footprints | None = None


def main() -> int:
    """Measure, print and write; return 2 where wrk is missing or could not do its work."""
    given = arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    report, status = Report(machine=Machine.here()), 0
    print(report.machine)
    if "bare" in given.parts:
        report.bare = measure_bare()
    for part, measure in (("servers", measure_servers), ("footprint", measure_footprints)):
        if part in given.parts:
            try:
                setattr(report, part, measure(given))
            except LoadError as error:
                print(f"{part}: {error}", file=sys.stderr)
                status = 2
    write_whole(given.report, report.model_dump_json(indent=1) + "\n")
    return status


def arguments() -> argparse.Namespace:
    """Return what was asked for; say what is allowed where that is something else."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help="bare, servers, footprint; all by default"
    )
    parser.add_argument("--servers", nargs="+", choices=servers.NAMES, default=servers.NAMES)
    parser.add_argument("--seconds", type=positive, default=2, help="of each load; by default 2")
    parser.add_argument("--turns", type=positive, default=3, help="how often each; by default 3")
    parser.add_argument(
        "--workers", type=positive, default=available_cpus(),
        help="of scoring server and FastAPI; by default as many as `make serve` starts",
    )  # fmt: skip
    parser.add_argument("--report", type=Path, default=REPORT)
    given = parser.parse_args()
    given.parts = given.parts or PARTS
    for part in given.parts:
        if part not in PARTS:
            parser.error(f"there is no part {part!r}; allowed: {', '.join(PARTS)}")
    if PAGE in given.servers and SCORING not in given.servers:
        parser.error(f"--servers: {PAGE} asks {SCORING}, which has to be named too")
    return given


def positive(text: str) -> int:
    """Return a whole number above 0."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"got {text!r}; allowed: whole numbers above 0")
    return int(text)


def measure_bare() -> list[Measurement]:
    """Print and return what the detector and its parts cost on one core."""
    found = bare.measure_all()
    print("\n".join(bare.lines(found)))
    return found


def measure_servers(given: argparse.Namespace) -> Servers:
    """Print and return how the servers do under load, and which targets are met.

    Raises:
        LoadError: wrk is not installed, or could not do its work.
    """
    load.generator()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted, not_made = servers.known(given.workers, folder, given.servers)
        with (
            servers.running(wanted, folder) as started,
            shown("measuring", "loads") as progress,
        ):
            rows = comparison.compare(started.servers, folder, given.seconds, given.turns, progress)
    reached, left_out = targets(rows), {**not_made, **started.left_out}
    versions = {server.name: server.version for server in started.servers if server.version}
    print("\n".join(table.lines(rows, versions, left_out, reached)))
    return Servers(
        seconds=given.seconds, turns=given.turns, workers=given.workers,
        rows=rows, versions=versions, left_out=left_out, targets=reached,
    )  # fmt: skip


def measure_footprints(given: argparse.Namespace) -> Footprints:
    """Print and return what the scoring server and the plain Keras model take.

    Raises:
        LoadError: as `measure_servers`.
    """
    load.generator()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted, left_out = servers.known(given.workers, folder, (SCORING, KERAS_PYFUNC))
        measured = {server.name: footprint.measure(server, folder) for server in wanted}
    found = [one for one in measured.values() if one]
    left_out |= {name: "it did not start" for name, one in measured.items() if not one}
    required = list(footprint.requirements(found))
    print("\n".join([*(f"{n}: not measured: {r}" for n, r in left_out.items()), *lines(required)]))
    return Footprints(found=found, left_out=left_out, requirements=required)


if __name__ == "__main__":
    sys.exit(main())
