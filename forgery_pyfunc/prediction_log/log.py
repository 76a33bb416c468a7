"""The prediction log of one process: requests hand lines over, a thread writes them.

A request never waits for it and never fails because of it. Where the disk is full or the store is
away, lines are kept in memory as long as there is room, then lost and counted.
"""

from __future__ import annotations

import atexit
import logging
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from forgery_pyfunc.errors import ModelError
from forgery_pyfunc.prediction_log.line import Line

if TYPE_CHECKING:
    from forgery_pyfunc.prediction_log.parts import Parts

PLACE_VARIABLE, DAYS_VARIABLE = "PREDICTION_LOG", "PREDICTION_LOG_DAYS"
"""Environment variables: a folder or `s3://BUCKET/PREFIX`, and how many days it is kept."""
DAYS = 90

QUEUED, KEPT = 2_000, 20_000
"""Lines that wait for the thread, and lines in its hands, at most."""
PART_LINES, PART_SECONDS = 2_000, 600.0
"""Size of a part, and how long one is added to."""
SAVE_SECONDS = 10.0
"""How often a part is written anew with what came: so much is lost when the process is killed."""
CLOSE_SECONDS = 15.0
"""The longest that the end of the process waits for the last lines."""

logger = logging.getLogger(__name__)


@dataclass
class Part:
    """A file that is still added to.

    Attributes:
        path: in the store.
        began: by the monotonic clock.
        lines: of one day, in order.
        lost: for each line, how many could not be kept since the line before.
        written: how many lines the file has.
    """

    path: str
    began: float
    lines: list[Line] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    written: int = 0

    @property
    def is_full(self) -> bool:
        """Whether nothing is added any more."""
        return len(self.lines) >= PART_LINES or time.monotonic() > self.began + PART_SECONDS


class PredictionLog:
    """Takes lines from threads; a thread of its own writes them."""

    def __init__(self, parts: Parts, days: int, save_seconds: float = SAVE_SECONDS) -> None:
        """Begin to write into `parts`, and to remove what is older than `days`."""
        self.parts = parts
        self.days = days
        self.save_seconds = save_seconds
        self.queue: queue.Queue[Line] = queue.Queue(QUEUED)
        self.lock = threading.Lock()
        self.lost = 0
        self.open: list[Part] = []
        self.cleaned: date | None = None
        self.fails = False
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._run, name="prediction log", daemon=True)
        self.thread.start()
        atexit.register(self.close)

    def add(self, line: Line) -> None:
        """Hand a line over; where the thread is far behind, it is lost and counted."""
        try:
            self.queue.put_nowait(line)
        except queue.Full:
            self._lose(1)

    def close(self) -> None:
        """Write what there is, as far as that takes no longer than `CLOSE_SECONDS`."""
        atexit.unregister(self.close)
        self.ending.set()
        self.thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        while not self.ending.wait(self.save_seconds):
            self._work()
        self._work()

    def _work(self) -> None:
        try:
            self._take()
            for part in list(self.open):
                self._write(part)
            self._remove_old(datetime.now(UTC).date())
            if self.fails:
                logger.warning("the prediction log is written again")
            self.fails = False
        except Exception as error:  # a store raises what it likes; the next turn tries again
            if not self.fails:
                logger.warning("the prediction log cannot be written: %s", error)
            self.fails = True

    def _take(self) -> None:
        """Sort the lines that wait into parts."""
        room = KEPT - sum(len(part.lines) for part in self.open)
        for _ in range(self.queue.qsize()):
            line = self.queue.get_nowait()
            if room <= 0:
                self._lose(1)
                continue
            room -= 1
            part = self._part_of(line.time.date())
            with self.lock:
                lost, self.lost = self.lost, 0
            part.lines.append(line)
            part.lost.append(lost)

    def _part_of(self, day: date) -> Part:
        folder = f"date={day.isoformat()}/"
        for part in self.open:
            if part.path.startswith(folder) and not part.is_full:
                return part
        self.open.append(Part(f"{folder}{uuid4().hex}.parquet", time.monotonic()))
        return self.open[-1]

    def _write(self, part: Part) -> None:
        if part.written < len(part.lines):
            self.parts.write(part.path, part.lines, part.lost)
            part.written = len(part.lines)
        if part.is_full:
            self.open.remove(part)

    def _remove_old(self, today: date) -> None:
        if self.cleaned != today:
            self.parts.remove_before(today - timedelta(days=self.days))
            self.cleaned = today

    def _lose(self, number: int) -> None:
        with self.lock:
            self.lost += number


def open_log(environment: Mapping[str, str], channels: Sequence[str]) -> PredictionLog | None:
    """Return the log that the environment asks for, None where it asks for none.

    Args:
        environment: `PREDICTION_LOG` and `PREDICTION_LOG_DAYS`.
        channels: of the features whose means are kept.

    Raises:
        ModelError: a value is not allowed, the folder cannot be made, or what writes the log is not
            installed.
    """
    place = environment.get(PLACE_VARIABLE)
    if not place:
        return None
    text = environment.get(DAYS_VARIABLE) or str(DAYS)
    if not text.isdecimal() or int(text) == 0:
        raise ModelError(f"{DAYS_VARIABLE} is {text!r}; it must be a whole number above 0")
    try:
        from forgery_pyfunc.prediction_log.parts import Parts
    except ImportError as error:
        raise ModelError(
            f"{PLACE_VARIABLE} is set, and {error.name} is not installed: "
            "pip install arro3-core arro3-io obstore"
        ) from error
    return PredictionLog(Parts(place, channels), int(text))
