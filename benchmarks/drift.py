"""Drift on pictures that the detector scored: how often an alarm is false, and how late a true one.

`python -m benchmarks.drift FOLDER` scores the pictures of a CASIA-style folder, as they are and
saved again, and writes logs of drawn pictures, which it reads and compares as `monitor` does:
400 windows without drift, and months of 30 days in which every other picture is saved again from
day 20 on. Pictures are drawn with replacement, one forged picture in ten.
"""

import argparse
import io
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.answers import spread
from forgery import SHIPPED
from forgery_lab.monitoring import drift, window
from forgery_lab.monitoring.window import Days
from forgery_pyfunc.detector import Detector
from forgery_pyfunc.features import channels
from forgery_pyfunc.prediction_log.line import Line
from forgery_pyfunc.prediction_log.parts import Parts

LIMITS = drift.Limits(alarm_rate=1 / 400, least_reference=500, least_current=200, least_shift=0.05)
"""The defaults of `monitor`."""
WINDOWS, FORGED, QUALITY = 400, 0.1, 75
DAYS, REFERENCE_DAYS, CHANGE = 30, 10, 20
"""Of a month: all, those of the reference, and the first on which pictures are saved again."""
FIRST_DAY = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Result:
    """What was found; `days_late` has the days from the change to the alarm, one per month.

    `days_silent` counts the days before the change on which a window was judged.
    """

    pictures: int
    windows: int
    false_alarms: int
    months: int
    days_silent: int
    alarms_before: int
    days_late: list[int]


@dataclass(frozen=True)
class Pool:
    """Lines of pictures as they are and saved again, by whether they are forged."""

    as_they_are: tuple[list[Line], list[Line]]
    saved_again: tuple[list[Line], list[Line]]

    def draw(self, rng: np.random.Generator, number: int, again: float = 0.0) -> Iterator[Line]:
        """Yield lines of drawn pictures, a share of them saved again."""
        for forged, is_saved in zip(
            rng.random(number) < FORGED, rng.random(number) < again, strict=True
        ):
            lines = (self.saved_again if is_saved else self.as_they_are)[int(forged)]
            yield lines[rng.integers(len(lines))]


def scored(detector: Detector, folder: Path, of_each_side: int) -> Pool:
    """Return the lines that the prediction log would have of the pictures of a folder."""
    sides = [
        [path.read_bytes() for path in spread(folder / side, "*.jpg", of_each_side)]
        for side in ("Au", "Tp")
    ]
    as_they_are, saved = (
        tuple([Line.of(detector.examine(change(data))) for data in side] for side in sides)
        for change in (bytes, saved_again)
    )
    return Pool(as_they_are, saved)


def saved_again(data: bytes) -> bytes:
    """Return a picture as a messenger would pass it on."""
    output = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("RGB").save(output, "JPEG", quality=QUALITY)
    return output.getvalue()


def write(parts: Parts, day: int, lines: Sequence[Line]) -> None:
    """Write the lines of one day, counted from 1."""
    time = FIRST_DAY + timedelta(days=day - 1)
    dated = [replace(line, time=time) for line in lines]
    parts.write(f"date={time:%Y-%m-%d}/part.parquet", dated, [0] * len(dated))


def has_alarm(log: str, reference: Days, current: Days) -> bool:
    """Return whether `monitor` would raise an alarm."""
    before, now = (window.read(log, days).frame for days in (reference, current))
    return bool(drift.compare(before, now, LIMITS).drifted)


def days(first: int, final: int) -> Days:
    """Return days of a month, counted from 1."""
    start = FIRST_DAY.date() - timedelta(days=1)
    return Days(start + timedelta(days=first), start + timedelta(days=final))


def false_alarms(pool: Pool, names: Sequence[str], rng: np.random.Generator) -> int:
    """Return how many of `WINDOWS` windows without drift raise an alarm."""
    alarms = 0
    with tempfile.TemporaryDirectory() as folder:
        parts = Parts(folder, names)
        for number in range(WINDOWS):
            if number % 20 == 0:
                write(parts, 1, list(pool.draw(rng, LIMITS.least_reference)))
            write(parts, 2, list(pool.draw(rng, LIMITS.least_current)))
            alarms += has_alarm(folder, days(1, 1), days(2, 2))
    return alarms


def month(pool: Pool, names: Sequence[str], rng: np.random.Generator) -> list[int]:
    """Return the days of a month on which there is an alarm, of 100 pictures a day.

    Each day the last two are compared with the first ten.
    """
    with tempfile.TemporaryDirectory() as folder:
        parts = Parts(folder, names)
        for day in range(1, DAYS + 1):
            again = 0.5 if day >= CHANGE else 0.0
            write(parts, day, list(pool.draw(rng, LIMITS.least_current // 2, again)))
        return [
            day
            for day in range(REFERENCE_DAYS + 2, DAYS + 1)
            if has_alarm(folder, days(1, REFERENCE_DAYS), days(day - 1, day))
        ]


def measured(pool: Pool, names: Sequence[str], months: int, seed: int) -> Result:
    """Return the figures of a pool."""
    rng = np.random.default_rng(seed)
    alarms = [month(pool, names, rng) for _ in range(months)]
    late = [min((day for day in found if day >= CHANGE), default=DAYS + 1) for found in alarms]
    return Result(
        pictures=sum(map(len, pool.as_they_are)),
        windows=WINDOWS,
        false_alarms=false_alarms(pool, names, rng),
        months=months,
        days_silent=months * (CHANGE - REFERENCE_DAYS - 2),
        alarms_before=sum(day < CHANGE for found in alarms for day in found),
        days_late=[day - CHANGE for day in late],
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--of-each-side", type=int, default=350)
    parser.add_argument("--months", type=int, default=10)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    detector = Detector.load(SHIPPED)
    pool = scored(detector, asked.folder, asked.of_each_side)
    result = measured(pool, channels(detector.features), asked.months, asked.seed)
    if asked.json:
        asked.json.write_text(json.dumps(asdict(result), indent=2) + "\n", "utf-8")
    print(f"{result.pictures} pictures")
    print(f"without drift: {result.false_alarms} alarms in {result.windows} windows")
    print(
        f"months: {result.alarms_before} alarms on {result.days_silent} days before the change; "
        f"the alarm comes {result.days_late} days after it"
    )


if __name__ == "__main__":
    main()
