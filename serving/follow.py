"""Serves whatever version a registry's alias points at, and changes over without losing a request.

A scoring server with the new version is started beside the running one. Once it answers, the page
is pointed at it, through a file that the page reads; the old one finishes its requests and is
stopped. Where the new version does not start, the old one goes on serving.
"""

import logging
import math
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from serving.errors import ServiceError
from serving.pointer import write_pointer
from serving.services import LOOPBACK
from serving.supervisor import DRAIN_SECONDS, Service, Supervisor, answers

logger = logging.getLogger("follow")

POLL_SECONDS = 5.0
"""Time between two questions to the registry."""
GRACE_SECONDS = 3.0
"""Between the change and the old server's end: time for requests that are just being sent."""
RETRY_SECONDS = 300.0
"""Time after which a version that did not start is tried again."""


def free_port() -> int:
    """Return a port on loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


@dataclass
class Follower:
    """Watches the registry in a thread of its own.

    Attributes:
        supervisor: whose services are exchanged.
        serving: the scoring server that runs.
        version: that it serves, as `newest` names it.
        newest: returns the version that should be served; raises `ServiceError` where the
            registry does not say.
        prepare: returns a scoring server for a version on a port; may raise `ServiceError`.
        pointer: the file that the page reads.
    """

    supervisor: Supervisor
    serving: Service
    version: str
    newest: Callable[[], str]
    prepare: Callable[[str, int], Service]
    pointer: Path
    refused: dict[str, float] = field(default_factory=dict)
    last_error: str = ""

    def start(self) -> None:
        """Watch until the process ends."""
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not self.supervisor.stopping:
            time.sleep(POLL_SECONDS)
            try:
                version = self.newest()
                self.last_error = ""
                if version != self.version and not self._was_refused(version):
                    self._change(version)
            except Exception as error:  # of any kind: following must go on
                if str(error) != self.last_error:  # once, not every few seconds
                    unknown = None if isinstance(error, ServiceError) else error
                    logger.warning(
                        "%s continues to serve: %s", self.version, error, exc_info=unknown
                    )
                self.last_error = str(error)

    def _was_refused(self, version: str) -> bool:
        return time.monotonic() < self.refused.get(version, -math.inf) + RETRY_SECONDS

    def _change(self, version: str) -> None:
        logger.info("switching from %s to %s", self.version, version)
        port, new = free_port(), None
        try:
            new = self.prepare(version, port)
            self._bring_up(new, version)
            write_pointer(self.pointer, port, version)
        except Exception:
            self.refused[version] = time.monotonic()
            if new is not None:
                self._retire(new)
            raise
        old = self.serving
        self.supervisor.exchange(old, new)
        self.serving, self.version = new, version
        logger.info("%s is now serving", version)
        time.sleep(GRACE_SECONDS)
        self._retire(old)

    def _bring_up(self, new: Service, version: str) -> None:
        """Start a server and wait for its answer; raise `ServiceError` where none comes."""
        self.supervisor.start_beside(new)
        deadline = time.monotonic() + new.start_seconds
        while not answers(new.ping):
            ended = new.process is None or new.process.poll() is not None
            if ended or time.monotonic() > deadline or self.supervisor.stopping:
                raise ServiceError(f"the scoring server with {version} did not start")
            time.sleep(0.2)

    def _retire(self, service: Service) -> None:
        service.signal(signal.SIGTERM)
        deadline = time.monotonic() + DRAIN_SECONDS
        while not service.gone() and time.monotonic() < deadline:
            time.sleep(0.1)
        service.signal(signal.SIGKILL)
        self.supervisor.beside.remove(service)
