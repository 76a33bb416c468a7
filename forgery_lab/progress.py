"""Progress of long work: a bar in a terminal, a line now and then in a log."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

Progress = Callable[[int, int], None]
"""Called with what is done and the total, 0 when nobody knows the total."""

SECONDS_BETWEEN_LINES = 5.0

logger = logging.getLogger(__name__)


@contextmanager
def shown(what: str, unit: str) -> Iterator[Progress]:
    """Yield a `Progress` that shows itself as "`what`: 12 of 80 `unit`"."""
    if sys.stderr.isatty():
        with tqdm(desc=what, unit=f" {unit}", unit_scale=True, leave=False) as bar:
            yield lambda done, total: _move(bar, done, total)
    else:
        yield _lines(what, unit)


def _move(bar: tqdm, done: int, total: int) -> None:
    bar.total = total or None
    bar.update(done - bar.n)


def _lines(what: str, unit: str) -> Progress:
    last = time.monotonic()

    def say(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES or (total and done >= total):
            last = time.monotonic()
            logger.info("%s: %s%s %s", what, f"{done:,}", f" of {total:,}" if total else "", unit)

    return say
