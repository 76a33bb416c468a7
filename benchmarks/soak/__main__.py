"""`python -m benchmarks.soak`: many clients before the services of `make serve`.

Pictures of several sizes are scored offline first and then sent for some minutes; every answer is
compared. It prints a table and writes reports/soak.json; `--record` puts the figures into
reports/trust.json too. Exit status 1: a requirement is not met. Times and memory are required only
of loads of ten minutes and more.
"""

import argparse
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel

from benchmarks import requirement, trust
from benchmarks.__main__ import positive
from benchmarks.machine import Machine
from benchmarks.requirement import Requirement
from benchmarks.servers import PAGE, SCORING, known, running
from benchmarks.soak import judging, memory, pictures
from benchmarks.soak.judging import Times
from benchmarks.soak.load import Load, Outcome
from benchmarks.soak.memory import Growth, Sample
from benchmarks.soak.plan import Plan
from forgery_lab.files import write_whole
from forgery_lab.progress import shown
from forgery_pyfunc.detector import Detector
from serving.services import available_cpus
from serving.supervisor import Service

REPORT = Path("reports/soak.json")
CLIENTS = "benchmarks.soak.clients"
SLOW_SENDERS = 16
SAMPLE_SECONDS = 2
SHOWN_PROBLEMS = 10


class Report(BaseModel):
    """What reports/soak.json holds; `problems` are the first of the outcomes with one."""

    machine: Machine
    clients: int
    seconds: float
    requirements: list[Requirement]
    times: dict[str, Times]
    memory: dict[str, Growth]
    samples: list[Sample]
    problems: list[Outcome]


def main() -> int:
    """Load the service, print and write what was seen; return 1 where it is not what it must be."""
    asked = arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    machine = Machine.here()
    print(machine)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with shown("the pictures", "size classes") as progress:
            plan = pictures.plan(folder, Detector.shipped(), progress)
        load, samples = soak(plan, asked, folder)
    by_size, growth = judging.times(load, list(plan.shares)), memory.growth(samples, load.seconds)
    report = Report(
        machine=machine,
        clients=load.clients,
        seconds=load.seconds,
        requirements=list(judging.requirements(load, by_size, growth)),
        times=by_size,
        memory=growth,
        samples=samples,
        problems=[one for one in load.outcomes if one.problem][:SHOWN_PROBLEMS],
    )
    write_whole(REPORT, report.model_dump_json(indent=1) + "\n")
    print("\n".join(lines(report)))
    if asked.record:
        record(report)
    failed = judging.failed(load, report.requirements)
    for one in failed:
        print(f"not met: {one.what}: {one.seen}; to reach: {one.to_reach}", file=sys.stderr)
    return int(bool(failed))


def arguments() -> argparse.Namespace:
    """Return what was asked for; say what is allowed where that is something else."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--seconds", type=positive, default=1800, help="by default 1800")
    parser.add_argument("--clients", type=positive, default=64, help="by default 64")
    parser.add_argument("--record", action="store_true", help="in reports/trust.json, too")
    return parser.parse_args()


def soak(plan: Plan, asked: argparse.Namespace, folder: Path) -> tuple[Load, list[Sample]]:
    """Return what became of the load, and the memory of the servers meanwhile.

    Raises:
        SystemExit: a server did not start, or the clients failed.
    """
    load = Load(clients=asked.clients, seconds=asked.seconds, slow_senders=SLOW_SENDERS)
    wanted, _ = known(available_cpus(), folder, (SCORING, PAGE))
    plan_file, load_file = folder / "plan.json", folder / "load.json"
    plan_file.write_text(plan.model_dump_json(), "utf-8")
    load_file.write_text(load.model_dump_json(), "utf-8")
    with running(wanted, folder) as started:
        if started.left_out:
            raise SystemExit(f"not started: {started.left_out}")
        urls = {server.name: server.url for server in started.servers}
        command = [sys.executable, "-m", CLIENTS, plan_file, load_file, urls[PAGE]]
        services = {server.name: server.service for server in started.servers}
        with subprocess.Popen(command) as clients:
            try:
                samples = list(_samples(clients, services, asked.seconds))
            finally:
                clients.kill()
    if clients.returncode:
        raise SystemExit(f"the clients failed with status {clients.returncode}")
    return Load.model_validate_json(load_file.read_bytes()), samples


def _samples(
    clients: subprocess.Popen[bytes], services: dict[str, Service], seconds: int
) -> Iterator[Sample]:
    """Yield the memory of the services every few seconds, until the clients end."""
    began = time.monotonic()
    with shown("the load", "seconds") as progress:
        while clients.poll() is None:
            at = time.monotonic() - began
            yield memory.measure(services, at)
            progress(min(int(at), seconds), seconds)
            with suppress(subprocess.TimeoutExpired):
                clients.wait(SAMPLE_SECONDS)


def lines(report: Report) -> Iterator[str]:
    """Yield the tables: the requirements, the times by size class, the memory by process."""
    yield from requirement.lines(report.requirements)
    yield f"\n{'size class':20}{'answers':>10}{'p50 ms':>10}{'p99 ms':>10}{'p99/p50':>10}"
    for size, one in report.times.items():
        p50, p99 = 1000 * one.p50, 1000 * one.p99
        yield f"{size:20}{one.answers:10,}{p50:10.0f}{p99:10.0f}{one.ratio:10.1f}"
    yield f"\n{'memory':20}{'mean MB':>10}{'most MB':>10}{'MB/minute':>10}"
    for kind, one in report.memory.items():
        yield f"{kind:20}{one.mean:10.0f}{one.most:10.0f}{one.slope:+10.2f}"
    for one in report.problems:
        yield f"{one.size} at {one.at:.1f} s, status {one.status}: {one.problem}"


def record(report: Report) -> None:
    """Put the figures into reports/trust.json."""
    found = [
        trust.Line(what=one.what, seen=one.seen, to_reach=one.to_reach)
        for one in report.requirements
    ]
    details = report.model_dump(mode="json", include={"seconds", "clients", "times", "memory"})
    trust.record("soak", "make soak", found, details)


if __name__ == "__main__":
    sys.exit(main())
