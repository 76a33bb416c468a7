"""`python -m benchmarks`: prints a table and writes `reports/bench.json`.

The unit is the time that Pillow takes to save the same picture as a JPEG of quality 90, measured
in turn with what it is compared with.
"""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import proxy
from forgery import SHIPPED
from forgery_lab.files import write_whole
from forgery_lab.forgeries.scenes import render
from forgery_pyfunc.detector import Detector
from forgery_pyfunc.features import FAMILIES, extract
from forgery_pyfunc.imaging import ela
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.jpeg_encoder import encode

SIZES = {"384x256": (256, 384), "12 megapixels": (3000, 4000)}
REPEATS = {"384x256": 30, "12 megapixels": 3}
REPORT = Path("reports/bench.json")


@dataclass(frozen=True)
class Measurement:
    """Median time of one piece of work on one core, and how many JPEG saves it is worth."""

    what: str
    size: str
    milliseconds: float
    jpeg_saves: float


def measure(
    what: str, size: str, work: Callable[[], object], unit: Callable[[], object]
) -> Measurement:
    """Return the median of several turns of work and unit, one after the other."""
    times: list[tuple[float, float]] = []
    for _ in range(REPEATS[size]):
        start = time.perf_counter()
        work()
        middle = time.perf_counter()
        unit()
        times.append((middle - start, time.perf_counter() - middle))
    spent, saved = (statistics.median(column) for column in zip(*times, strict=True))
    return Measurement(what, size, 1000 * spent, spent / saved)


def benchmarks(detector: Detector) -> list[Measurement]:
    """Return all measurements, of a detector and of its parts."""
    found = []
    scene = render("arc", np.random.default_rng(0))
    for size, (height, width) in SIZES.items():
        repeats = (-(-height // scene.shape[0]), -(-width // scene.shape[1]), 1)
        pixels = np.tile(scene, repeats)[:height, :width]
        data = encode(pixels, quality=90)
        image = decode(data)

        work: dict[str, Callable[[], object]] = {
            "decode": partial(decode, data),
            "error levels": partial(ela.error_levels, pixels),
        }
        for family in FAMILIES:
            work[f"features: {family}"] = partial(extract, image, [family])
        work["decode to verdict with map"] = partial(detector.score, data, None, True)
        unit = partial(encode, pixels, quality=90)
        found += [measure(what, size, one, unit) for what, one in work.items()]
    return found


def main() -> None:
    """Measure on one core, print the tables and write the report."""
    with threadpool_limits(1):
        found = benchmarks(Detector.load(SHIPPED))
    print(f"{'':32}{'size':16}{'ms':>10}{'JPEG saves':>14}")
    for one in found:
        print(f"{one.what:32}{one.size:16}{one.milliseconds:10.2f}{one.jpeg_saves:14.2f}")
    front_end = measure_front_end(SHIPPED)
    report = {"work": [asdict(one) for one in found], "front_end": front_end}
    write_whole(REPORT, json.dumps(report, indent=1) + "\n")


def measure_front_end(detector: Path) -> list[dict[str, object]]:
    """Print and return what the page's server adds to the scoring server's latency."""
    with proxy.servers(detector) as urls:
        rows = proxy.measure(*urls)
    print(
        f"\n{'one picture to /invocations':32}{'scoring ms':>12}{'through page':>14}{'allowed':>10}"
    )
    for row in rows:
        columns = [row[name] for name in ("scoring_server_ms", "front_end_ms", "allowed_ms")]
        print(f"{row['picture']:32}{columns[0]:>12}{columns[1]:>14}{f'+{columns[2]}':>10}"
              f"  {'met' if row['met'] else 'NOT MET'}")  # fmt: skip
    return rows


if __name__ == "__main__":
    main()
