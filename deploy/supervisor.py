"""Keeps the scoring server and the web page running, and stops both together.

One process that passes signals on, restarts what dies with growing pauses, and gives up, with
a non-zero exit status, when a service keeps dying.
"""

import logging
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FrameType

logger = logging.getLogger("supervisor")

MAX_DEATHS = 5
"""A service that dies this often within `DEATH_WINDOW` seconds is given up."""
DEATH_WINDOW = 120.0
FIRST_PAUSE = 0.5
DRAIN_SECONDS = 18.0
"""Time for requests in flight after SIGTERM; then what still runs is killed."""


@dataclass
class Service:
    """A command that is to run for as long as the supervisor does."""

    name: str
    command: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_DEATHS))
    restart_at: float = 0.0

    def start(self) -> None:
        """Start the command in a process group of its own."""
        environment = {**os.environ, **self.environment}
        self.process = subprocess.Popen(self.command, env=environment, start_new_session=True)
        logger.info("%s started as process %d", self.name, self.process.pid)

    def died(self) -> bool:
        """Return whether the process has ended; plan its restart, each pause twice the last."""
        if self.process is None or self.process.poll() is None:
            return False
        status, self.process = self.process.returncode, None
        now = time.monotonic()
        self.deaths.append(now)
        recent = sum(now - death < DEATH_WINDOW for death in self.deaths)
        pause = FIRST_PAUSE * 2 ** (recent - 1)
        self.restart_at = now + pause
        logger.error("%s ended with status %s; restart in %.1f s", self.name, status, pause)
        return True

    def hopeless(self) -> bool:
        """Return whether it has died too often to try again."""
        full = len(self.deaths) == MAX_DEATHS
        return full and self.deaths[-1] - self.deaths[0] < DEATH_WINDOW

    def signal(self, number: int) -> None:
        """Send a signal to the whole process group, if it still runs."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, number)


class Supervisor:
    """Runs services until a signal stops them or one of them is hopeless."""

    def __init__(self, services: Sequence[Service]) -> None:
        self.services = services
        self.stopping = False

    def run(self) -> int:
        """Run until stopped; return 0 after SIGTERM or SIGINT, 1 after giving up."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        for service in self.services:
            service.start()
        status = 0
        while not self.stopping and status == 0:
            time.sleep(0.1)
            status = self._restart_the_dead()
        self._drain()
        return status

    def _restart_the_dead(self) -> int:
        for service in self.services:
            if service.died() and service.hopeless():
                logger.critical("%s died %d times; giving up", service.name, MAX_DEATHS)
                return 1
            if service.process is None and time.monotonic() >= service.restart_at:
                service.start()
        return 0

    def _drain(self) -> None:
        """Stop in reverse order: the page first, so that its last requests are still scored."""
        deadline = time.monotonic() + DRAIN_SECONDS
        for service in reversed(self.services):
            service.signal(signal.SIGTERM)
            if service.process is not None:
                try:
                    service.process.wait(max(deadline - time.monotonic(), 0.1))
                except subprocess.TimeoutExpired:
                    logger.error("%s did not end in time and is killed", service.name)
                    service.signal(signal.SIGKILL)
                    service.process.wait()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        logger.info("%s received", signal.Signals(number).name)
        self.stopping = True
