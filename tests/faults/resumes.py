"""Kill steps of the pipeline at random times, start them again, and compare what they leave.

`python -m tests.faults.resumes --kills 50` kills every step so often, each time in a fresh copy of
what it starts from: at a moment drawn evenly over the time that the step takes undisturbed, and
every other time over the last fifth of it, where outputs are written. Every other copy has older
outputs of the same step. The exit status is 1 where a step that was started again leaves anything
else than one that was never disturbed.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.trust import Line, record
from forgery_lab.data import ingestion, manifest
from steps.settings.configuration import PROJECT_ROOT
from tests.conftest import write_pictures
from tests.faults.outputs import Outputs, outputs_of
from tests.stores import STORE, make_store, move_store

BIN = Path(sys.executable).parent
STEPS = ("ingest", "preprocess", "train", "score", "promote")
LATE = 0.2
"""Share of the time at the end of a step over which every other kill is drawn."""
SECONDS = 300.0
"""Longest time of a step, undisturbed or started again."""
MOST_DRAWS = 20
"""Of a moment; a step that ended before its moment was not killed."""


@dataclass(frozen=True)
class Step:
    """How a step is started.

    Attributes:
        name: of the step.
        options: `--key value …`.
        older: options of an earlier run, whose outputs every other copy has; empty: none has.
    """

    name: str
    options: tuple[str, ...]
    older: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bench:
    """What all kills of a step have in common.

    Attributes:
        step: which.
        starts: folders with what it starts from; the last has older outputs where it may have.
        after: folder of an undisturbed run.
        outputs: of that.
        older: outputs in each of `starts`.
        seconds: that an undisturbed run takes.
    """

    step: Step
    starts: tuple[Path, ...]
    after: Path
    outputs: Outputs
    older: tuple[Outputs, ...]
    seconds: float


@dataclass(frozen=True)
class Trial:
    """A step that was killed and started again.

    Attributes:
        step: which.
        number: of the kill, from 0.
        killed_after: seconds from the step's start.
        ended_before: starts that had ended when they were to be killed.
        half: outputs that were neither whole nor absent after the kill.
        differences: from an undisturbed run.
    """

    step: str
    number: int
    killed_after: float
    ended_before: int
    half: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether anything is not as an undisturbed run leaves it."""
        return bool(self.half or self.differences)

    def __str__(self) -> str:
        faults = [*(f"half-written: {one}" for one in self.half), *self.differences]
        end = "".join(f"\n  {one}" for one in faults) if faults else ", the same outputs"
        again = f" at attempt {self.ended_before + 1}" if self.ended_before else ""
        return f"{self.step} {self.number}: killed after {self.killed_after:.2f} s{again}{end}"


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a step, as the Makefile would give it, with a store in `folder`."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    return {
        **inherited,
        "PATH": f"{BIN}:{inherited['PATH']}",
        "PYTHONPATH": str(PROJECT_ROOT),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/{STORE}",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }


def start(name: str, options: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    """Start a step in a process group of its own; what it prints goes to `NAME.log` in `folder`."""
    with (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            ["python", "-m", "steps", name, "--workspace", str(folder), *options],
            cwd=folder, env=environment(folder), start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process group, and wait until nothing of it is left."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    while True:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)


def run(name: str, options: Sequence[str], folder: Path) -> str:
    """Run a step to its end; return what is wrong about how it ended, empty where nothing is."""
    process = start(name, options, folder)
    try:
        status = process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        kill(process)
        return f"it did not end within {SECONDS:g} s"
    said = (folder / f"{name}.log").read_text("utf-8", "replace").strip().splitlines()
    return f"exit status {status}: {said[-1] if said else 'silent'}" if status else ""


def copied(start: Path, folder: Path) -> Path:
    """Return `folder`, now a copy of what a step starts from, with a tracking store of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(start, folder, symlinks=True)
    move_store(folder, start)
    return folder


def prepare(scratch: Path) -> dict[str, Step]:
    """Make a small data set, a frozen one and pictures to score; return the steps on them."""
    source = write_pictures(scratch / "source", 24)
    add_masks(source)
    frozen = write_pictures(scratch / "frozen", 14, first=70_001, seed=3)
    digest = manifest.digest(ingestion.ingest(frozen)[0])
    pictures = write_pictures(scratch / "pictures", 20, first=80_001, seed=5)
    judges = ("--frozen", str(frozen), "--frozen_digest", digest)
    ingest = ("--source", str(source), *judges)
    preprocess = ("--draws", "1", "--rescaled", "0", "--features", "residual")
    other_split = ("--split", "random", "--history", "raw")
    score = ("--input", str(pictures), "--output", "scores/table.parquet")
    gate = ("--least_sources", "14", "--margin", "1", "--false_alarms", "1",
            "--calibration_error", "1", "--latency_ratio", "1000")  # fmt: skip
    older = write_pictures(scratch / "older", 24, seed=9)
    return {
        "ingest": Step("ingest", ingest, older=("--source", str(older), *judges)),
        "preprocess": Step("preprocess", preprocess, older=(*preprocess, *other_split)),
        "train": Step("train", ("--epochs", "2"), older=("--epochs", "1", "--seed", "7")),
        "score": Step("score", score, older=(*score, "--threshold", "0.5")),
        "promote": Step("promote", (*judges, *gate)),
        "register": Step("register", ()),
    }


def add_masks(source: Path) -> None:
    """Write the masks of the forgeries that `write_pictures` made."""
    (source / "Groundtruth").mkdir()
    for forgery in sorted((source / "Tp").iterdir()):
        mask = np.zeros((96, 128), np.uint8)
        mask[16:80, 16:112] = 255
        Image.fromarray(mask).save(source / "Groundtruth" / f"{forgery.stem}_gt.png")


def benches(names: Sequence[str], scratch: Path, jobs: int) -> Iterator[Bench]:
    """Yield the benches of steps; those before them are run on the way."""
    steps = prepare(scratch)
    at = scratch / "start"
    at.mkdir()
    make_store(at)
    for name in ("ingest", "preprocess", "train", "register", "score", "promote"):
        step = steps[name]
        if name in names:
            one = bench(step, at, scratch / name, jobs)
            yield one
            at = one.after
        else:
            at = copied(at, scratch / f"after {name}")
            must(run(name, step.options, at), name)


def bench(step: Step, at: Path, folder: Path, jobs: int) -> Bench:
    """Return the bench of a step that starts from the folder `at`.

    As many undisturbed runs as there are jobs go on at the same time, so that the times are those
    of the trials; runs from all starts must leave the same outputs, else no kill could be judged.
    """
    folder.mkdir()
    starts = [at]
    if step.older:
        starts.append(copied(at, folder / "older"))
        must(run(step.name, step.older, starts[1]), f"the earlier {step.name}")
    runs = [copied(starts[n % len(starts)], folder / f"run {n}") for n in range(max(2, jobs))]
    seconds = []

    def undisturbed(where: Path) -> None:
        began = time.monotonic()
        must(run(step.name, step.options, where), f"the undisturbed {step.name}")
        seconds.append(time.monotonic() - began)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(undisturbed, runs))
    found = [outputs_of(step.name, one) for one in runs]
    for other in found[1:]:
        must("; ".join(found[0].differences(other)), f"two undisturbed runs of {step.name} differ")
    older = tuple(outputs_of(step.name, one) for one in starts)
    for one in runs[1:]:
        shutil.rmtree(one)
    return Bench(step, tuple(starts), runs[0], found[0], older, sum(seconds) / len(seconds))


def must(fault: str, what: str) -> None:
    """End the program where there is a fault before any kill."""
    if fault:
        raise SystemExit(f"{what}: {fault}")


def trial(bench: Bench, folder: Path, seed: int, number: int) -> Trial:
    """Kill a step and start it again in a copy of its start; return what differs."""
    dice = random.Random(f"{seed} {bench.step.name} {number}")
    which = number // 2 % len(bench.starts)
    first = 1 - LATE if number % 2 else 0.0
    killed_after, ended_before = start_and_kill(bench, bench.starts[which], folder, dice, first)
    half = outputs_of(bench.step.name, folder).half_written(bench.outputs, bench.older[which])
    fault = run(bench.step.name, bench.step.options, folder)
    differences = (
        [fault] if fault else bench.outputs.differences(outputs_of(bench.step.name, folder))
    )
    return Trial(bench.step.name, number, killed_after, ended_before, half, differences)


def start_and_kill(
    bench: Bench, at: Path, folder: Path, dice: random.Random, first: float
) -> tuple[float, int]:
    """Start a step in a copy of the folder `at`, and kill it at a random moment.

    A step that ends before its moment is started anew. `first` is the earliest moment, as a share
    of the time that the step takes.

    Returns:
        Seconds from the start to the kill, and the number of starts that had ended before.
    """
    seconds = bench.seconds
    for ended_before in range(MOST_DRAWS):
        moment = dice.uniform(first, 1.0) * seconds
        copied(at, folder)
        began = time.monotonic()
        process = start(bench.step.name, bench.step.options, folder)
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            kill(process)
            return moment, ended_before
        seconds = time.monotonic() - began  # the machine is faster than it was
    raise SystemExit(f"{bench.step.name} ended {MOST_DRAWS} times before it was to be killed")


def trials(bench: Bench, scratch: Path, kills: int, seed: int, jobs: int) -> Iterator[Trial]:
    """Yield the trials of a step; so many as there are jobs go on at the same time.

    The folder of a trial that differs is kept as long as `scratch` is.
    """

    def one(number: int) -> Trial:
        folder = scratch / f"{bench.step.name} {number}"
        done = trial(bench, folder, seed, number)
        if not done.differs:
            shutil.rmtree(folder)
        return done

    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(one, range(kills))


def report(found: Sequence[Trial], seconds: Mapping[str, float], command: str) -> None:
    """Record the figures for the table of what the project withstands."""
    differ = sum(one.differs for one in found)
    kills = Counter(one.step for one in found)
    line = Line(
        what="steps of the pipeline that were killed at random and started again, and left other "
        "outputs than undisturbed ones",
        seen=f"{differ} of {len(found)}",
        to_reach="0 of ≥ 250",
    )
    details = {
        "kills": dict(kills),
        "differ": dict(Counter(one.step for one in found if one.differs)),
        "ended_before_the_kill": sum(one.ended_before for one in found),
        "seconds_undisturbed": {name: round(value, 2) for name, value in seconds.items()},
        "trials": [asdict(one) for one in found],
    }
    record("resumes", command, [line], details)


@contextmanager
def folder(kept: Path | None) -> Iterator[Path]:
    """Yield a new folder to work in, which goes again unless a place for it is given."""
    if kept:
        kept.mkdir(parents=True)
        yield kept.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="resumes-") as temporary:
        yield Path(temporary)


def main() -> int:
    """Kill the steps that are asked for; return 1 where one differs after it was started again."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS)
    parser.add_argument("--kills", type=int, default=50, help="of every step")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--jobs", type=int, default=1, help="trials at the same time")
    parser.add_argument("--keep", type=Path, help="new folder that keeps all that differs")
    parser.add_argument("--record", action="store_true", help="the figures in reports/trust.json")
    asked = parser.parse_args()
    found: list[Trial] = []
    seconds: dict[str, float] = {}
    with folder(asked.keep) as scratch:
        for one in benches(asked.steps, scratch, asked.jobs):
            seconds[one.step.name] = one.seconds
            print(f"{one.step.name}: {one.seconds:.1f} s undisturbed", flush=True)
            for done in trials(one, scratch, asked.kills, asked.seed, asked.jobs):
                print(done, flush=True)
                found.append(done)
    differ = [one for one in found if one.differs]
    print(f"{len(differ)} of {len(found)} steps differ after they were killed and started again")
    if asked.record:
        report(found, seconds, f"make faults KILLS={asked.kills}")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
