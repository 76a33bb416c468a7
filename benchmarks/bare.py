"""What the detector and its parts cost on one core, without a server.

The unit is the time that Pillow takes to save the same picture as a JPEG of quality 90, measured
in turn with what it is compared with.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from forgery import SHIPPED
from forgery_lab.forgeries.scenes import render
from forgery_pyfunc.detector import Detector
from forgery_pyfunc.features import FAMILIES, extract
from forgery_pyfunc.imaging import ela
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.jpeg_encoder import encode

SIZES = {"384x256": (256, 384), "12 megapixels": (3000, 4000)}
REPEATS = {"384x256": 30, "12 megapixels": 3}


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


def scene(size: str) -> np.ndarray:
    """Return a rendered scene, uint8[H, W, 3], repeated until it has a size of `SIZES`."""
    height, width = SIZES[size]
    rendered = render("arc", np.random.default_rng(0))
    repeats = (-(-height // rendered.shape[0]), -(-width // rendered.shape[1]), 1)
    return np.tile(rendered, repeats)[:height, :width]


def benchmarks(detector: Detector) -> list[Measurement]:
    """Return all measurements, of a detector and of its parts."""
    found = []
    for size in SIZES:
        pixels = scene(size)
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


def measure_all() -> list[Measurement]:
    """Return all measurements of the shipped detector, on one core."""
    with threadpool_limits(1):
        return benchmarks(Detector.load(SHIPPED))


def lines(found: Sequence[Measurement]) -> Iterator[str]:
    """Yield the table."""
    yield f"{'':32}{'size':16}{'ms':>10}{'JPEG saves':>14}"
    for one in found:
        yield f"{one.what:32}{one.size:16}{one.milliseconds:10.2f}{one.jpeg_saves:14.2f}"
