"""Kills every process of a running service in turn, under load, and counts what is lost.

A round starts the service as the container does, with the stand-in for a detector, and kills one
process of each kind with SIGKILL while clients ask all the time. Every request must be answered
with the right verdict, or with 429 or 503 and `Retry-After`; those that the killed process itself
was working on are counted apart. A killed process has recovered once all processes are back,
`/readyz` answers 200 and a verdict has been given since.

Usage: python -m tests.faults.service [--rounds N] [--only KIND] [--record]
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from benchmarks import trust
from tests.deploy.engine import status
from tests.faults import processes
from tests.faults.load import Exchange, Load
from tests.faults.processes import KINDS
from tests.faults.running import RunningService, running_service, save_model

SETTLE_SECONDS = 1.0
RECOVERY_SECONDS = 120.0
POLL_SECONDS = 0.05
SHOWN = 5
"""Lost requests of a kill, of which the rest is not printed."""
WORST_SECONDS = 30.0
DECODERS = (
    processes.PAGE_DECODER, processes.SCORING_DECODER,
    processes.PAGE_FORK_SERVER, processes.FORK_SERVERS,
)  # fmt: skip
"""Kinds in whose processes files are decoded: a fork server's decoders end with it."""


@dataclass(frozen=True)
class Kill:
    """What a kill did.

    Attributes:
        kind: of the process.
        silent_s: the longest time without a verdict from the kill to the recovery.
        recovered_s: until all processes were back, `/readyz` answered 200 and a verdict was given.
        right, refused, inside, lost: numbers of requests that were not answered yet at the kill,
            or sent until the recovery: with the right verdict; told when to come back; in the
            killed process; all others.
        says: of each that was lost, what it was answered with.
    """

    kind: str
    silent_s: float
    recovered_s: float
    right: int
    refused: int
    inside: int
    lost: int
    says: tuple[str, ...]


def kill_one(service: RunningService, load: Load, kind: str) -> Kill:
    """Kill a process of a kind, wait for the recovery, and return what that did."""
    time.sleep(SETTLE_SECONDS)
    before = processes.processes(service.supervisor)
    victim = random.choice(before[kind])
    killed = time.monotonic()
    victim.kill()
    wait_until_back(service, victim, before)
    recovered = load.next_right(time.monotonic()).ended
    exchanges = load.since(killed)
    counts: dict[str, int] = defaultdict(int)
    for exchange in exchanges:
        counts[outcome(exchange, kind, killed)] += 1
    lost = [exchange for exchange in exchanges if outcome(exchange, kind, killed) == "lost"]
    return Kill(
        kind,
        silent_s=longest_silence(exchanges, killed),
        recovered_s=recovered - killed,
        **{name: counts[name] for name in ("right", "refused", "inside", "lost")},
        says=tuple(f"after {one.sent - killed:.2f} s: {one.status} {one.says}" for one in lost),
    )


def outcome(exchange: Exchange, kind: str, killed: float) -> str:
    """Return "right", "refused", "inside" or "lost"."""
    if exchange.is_right:
        return "right"
    if exchange.may_return:
        return "refused"
    if kind == processes.PAGE_WORKER and exchange.status == 0 and exchange.connected < killed:
        return "inside"  # its connection ended there
    if kind in DECODERS and "decoder_failed" in exchange.says and exchange.sent < killed:
        return "inside"
    return "lost"


def longest_silence(exchanges: Sequence[Exchange], killed: float) -> float:
    """Return the longest time without a right answer since the kill."""
    moments = [killed, *sorted(exchange.ended for exchange in exchanges if exchange.is_right)]
    return max(after - before for before, after in pairwise(moments))


def wait_until_back(
    service: RunningService, victim: psutil.Process, before: dict[str, list[psutil.Process]]
) -> None:
    """Return once all processes are there again, and `/readyz` says so.

    Raises:
        TimeoutError: they were not.
    """
    deadline = time.monotonic() + RECOVERY_SECONDS
    while time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        now = processes.processes(service.supervisor)
        if any(victim in of_kind for of_kind in now.values()):
            continue
        if processes.all_there(before, now) and status(f"{service.url}/readyz") == HTTPStatus.OK:
            return
    said = service.log.read_text(errors="replace")[-20000:]
    raise TimeoutError(f"no recovery from the death of {victim}:\n{said}")


def rounds(kinds: Sequence[str], number: int) -> list[Kill]:
    """Return what so many kills of each kind did; each round has a service of its own."""
    kills = []
    with tempfile.TemporaryDirectory() as folder:
        model = save_model(Path(folder))
        for turn in range(number):
            with (
                running_service(model, Path(folder) / str(turn)) as service,
                Load(service.port) as load,
            ):
                for kind in kinds:
                    kills.append(kill_one(service, load, kind))
                    print(in_words(kills[-1]), flush=True)
    return kills


def in_words(kill: Kill) -> str:
    """Return a kill in a line, and one more for each of the first requests that were lost."""
    times = f"silent {kill.silent_s:5.2f} s, recovered {kill.recovered_s:5.2f} s"
    counts = f"{kill.right} right, {kill.refused} refused, {kill.inside} inside, {kill.lost} lost"
    return "\n  ".join([f"{kill.kind:28} {times}; {counts}", *kill.says[:SHOWN]])


def lines(kills: Sequence[Kill]) -> list[trust.Line]:
    """Return the rows for the table of what the service withstands."""
    kinds = len({kill.kind for kill in kills})
    requests = sum(kill.right + kill.refused + kill.inside + kill.lost for kill in kills)
    inside, lost = sum(kill.inside for kill in kills), sum(kill.lost for kill in kills)
    return [
        trust.Line(
            what=f"requests lost in {len(kills)} kills of {kinds} kinds of processes under load, "
            "those inside the killed process apart",
            seen=f"{lost} of {requests:,} ({inside} inside)",
            to_reach="0",
        ),
        trust.Line(
            what="longest time without a verdict after a kill, median and worst",
            seen=median_and_worst([kill.silent_s for kill in kills]),
            to_reach=f"{WORST_SECONDS:g} s",
        ),
        trust.Line(
            what="from a kill until all processes are back, median and worst",
            seen=median_and_worst([kill.recovered_s for kill in kills]),
            to_reach=f"{WORST_SECONDS:g} s",
        ),
    ]


def median_and_worst(seconds: Sequence[float]) -> str:
    """Return both in words."""
    return f"{statistics.median(seconds):.1f} s, {max(seconds):.1f} s"


def details(kills: Sequence[Kill]) -> dict[str, Any]:
    """Return the figures of each kind of process, for JSON."""
    of_kind: dict[str, list[Kill]] = {}
    for kill in kills:
        of_kind.setdefault(kill.kind, []).append(kill)
    return {
        kind: {
            "kills": len(some),
            **{
                name: sum(getattr(kill, name) for kill in some)
                for name in ("right", "refused", "inside", "lost")
            },
            **{
                f"{name}_{of}": round(reduce(getattr(kill, name) for kill in some), 2)
                for name in ("silent_s", "recovered_s")
                for of, reduce in (("median", statistics.median), ("worst", max))
            },
        }
        for kind, some in of_kind.items()
    }


def main() -> int:
    """Kill, print what that did, and return 1 where a request was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="each kills one of each kind")
    parser.add_argument("--only", choices=KINDS, action="append", help="this kind of process")
    parser.add_argument("--record", action="store_true", help="into reports/trust.json")
    asked = parser.parse_args()
    kills = rounds(asked.only or KINDS, asked.rounds)
    print(json.dumps(details(kills), indent=2))
    for line in lines(kills):
        print(f"{line.what}: {line.seen} (to reach: {line.to_reach})")
    if asked.record:
        command = f"make faults ROUNDS={asked.rounds}"
        trust.record("kills", command, lines(kills), details(kills))
    return int(any(kill.lost for kill in kills))


if __name__ == "__main__":
    sys.exit(main())
