"""Progress of long work: a bar in a terminal, a line now and then in a log."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

Progress = Callable[[int, int], None]
"""Called with what is done and the total, 0 when it is unknown."""

SECONDS_BETWEEN_LINES = 5.0

logger = logging.getLogger(__name__)


@contextmanager
def shown(title: str, unit: str) -> Iterator[Progress]:
    """Yield a `Progress` that shows itself as "`title`: 12 of 80 `unit`"."""
    if sys.stderr.isatty():
        with tqdm(desc=title, unit=f" {unit}", unit_scale=True, leave=False) as bar:
            yield lambda done, total: _move(bar, done, total)
    else:
        yield _lines(title, unit)


def _move(bar: tqdm, done: int, total: int) -> None:
    bar.total = total or None
    bar.update(done - bar.n)


def _lines(title: str, unit: str) -> Progress:
    last = time.monotonic()

    def log(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES or (total and done >= total):
            last = time.monotonic()
            logger.info("%s: %s%s %s", title, f"{done:,}", f" of {total:,}" if total else "", unit)

    return log
