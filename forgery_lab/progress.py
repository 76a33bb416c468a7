"""Progress of long work: a bar in a terminal, a line now and then in a log, and one at the end."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

Progress = Callable[[int, int], None]
"""Called with what is done and the total, 0 when it is unknown."""

WORTH_SHOWING = 2.0
"""Seconds: shorter work shows neither a bar nor a line, except to whoever listens to details."""
SECONDS_BETWEEN_LINES = 60.0
SECONDS_BETWEEN_DETAILS = 5.0

logger = logging.getLogger(__name__)


@contextmanager
def shown(title: str, unit: str) -> Iterator[Progress]:
    """Yield a `Progress` that shows itself as "`title`: 12 of 80 `unit`"; at the end, how long."""
    began, last = time.monotonic(), 0

    with _bar(title, unit) if sys.stderr.isatty() else _lines(title, unit) as show:

        def progress(done: int, total: int) -> None:
            nonlocal last
            last = done
            show(done, total)

        yield progress
    if not last:
        return
    seconds = time.monotonic() - began
    level = logging.INFO if seconds >= WORTH_SHOWING else logging.DEBUG
    logger.log(level, "%s: %s %s in %s", title, f"{last:,}", unit, duration(seconds))


def duration(seconds: float) -> str:
    """Return a time as people say it: 48 s, or 3 min 5 s."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


@contextmanager
def _bar(title: str, unit: str) -> Iterator[Progress]:
    with tqdm(
        desc=title, unit=f" {unit}", unit_scale=True, leave=False, delay=WORTH_SHOWING
    ) as bar:

        def move(done: int, total: int) -> None:
            bar.total = total or None
            bar.update(done - bar.n)

        yield move


@contextmanager
def _lines(title: str, unit: str) -> Iterator[Progress]:
    line = detail = time.monotonic()

    def say(done: int, total: int) -> None:
        nonlocal line, detail
        now = time.monotonic()
        if now - line < SECONDS_BETWEEN_LINES and now - detail < SECONDS_BETWEEN_DETAILS:
            return
        is_line, detail = now - line >= SECONDS_BETWEEN_LINES, now
        line = now if is_line else line
        level = logging.INFO if is_line else logging.DEBUG
        of_total = f" of {total:,}" if total else ""
        logger.log(level, "%s: %s%s %s", title, f"{done:,}", of_total, unit)

    yield say
