"""What it costs to decode in a sandbox: `python -m benchmarks.sandbox [--record]`.

Processor time of the service's process and its decoder together, against that of decoding in this
process and of a whole verdict; medians of several turns, in which all three follow one another.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from benchmarks.bare import SIZES, scene
from benchmarks.trust import Line, record
from forgery_pyfunc.detector import Detector
from forgery_pyfunc.imaging import decoding
from forgery_pyfunc.imaging.jpeg_encoder import encode
from forgery_pyfunc.imaging.sandbox.pool import Sandbox

TURNS = 7
REPEATS = {"384x256": 40, "12 megapixels": 2}


@dataclass(frozen=True)
class Cost:
    """Milliseconds of processor time for one picture."""

    size: str
    in_process: float
    in_sandbox: float
    verdict: float

    @property
    def added(self) -> float:
        """What the sandbox adds, as a share of a verdict in one process."""
        return (self.in_sandbox - self.in_process) / self.verdict


def spent(box: Sandbox) -> float:
    """Return the seconds of processor time of this process and the decoders of a sandbox."""
    decoders = psutil.Process(box.servers[0].process.pid).children()
    stats = (Path(f"/proc/{one.pid}/schedstat").read_text("ascii") for one in decoders)
    return time.process_time() + sum(int(text.split()[0]) for text in stats) / 1e9


def measure(size: str, detector: Detector) -> Cost:
    """Return what decoding here, decoding in a sandbox and a verdict take."""
    data = encode(scene(size), quality=90)
    turns = []
    for _ in range(TURNS):
        box = Sandbox(decoders=1)  # whose decoder lasts for the turn, so that its time is counted
        ways: tuple[Callable[[bytes], object], ...] = (decoding.decode, box.decode, detector.score)
        for way in ways:
            way(data)
        turn = []
        for way in ways:
            before = spent(box)
            for _ in range(REPEATS[size]):
                way(data)
            turn.append(1000 * (spent(box) - before) / REPEATS[size])
        turns.append(turn)
        box.close()
    return Cost(size, *(statistics.median(column) for column in zip(*turns, strict=True)))


def main() -> None:
    """Print a row per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="for the table in the README")
    asked, detector = parser.parse_args(), Detector.shipped()
    costs = [measure(size, detector) for size in SIZES]
    for one in costs:
        print(
            f"{one.size}: decoding {one.in_process:.1f} ms here, {one.in_sandbox:.1f} ms in a "
            f"sandbox; {one.added:.1%} of a verdict, {one.verdict:.0f} ms"
        )
    if asked.record:
        line = Line(
            what="processor time that the sandbox adds to a verdict, "
            + "; ".join(one.size.replace("384x256", "384×256") for one in costs),
            seen="; ".join(f"{one.added:.1%}" for one in costs).replace("%", " %"),
            to_reach="at most 10 %",
        )
        details = {one.size: asdict(one) for one in costs}
        record("sandbox", "python -m benchmarks.sandbox", [line], details)


if __name__ == "__main__":
    main()
