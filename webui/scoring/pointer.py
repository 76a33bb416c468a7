"""Which scoring server is asked: a fixed one, or the one that a file names."""

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from forgery.client import Client
from webui.settings import Settings

PROBE_SECONDS = 5.0
"""How long the scoring server may take over a health check and still be called ready."""

SECONDS_BETWEEN_LOOKS = 0.1
"""So often the file is looked at under load: a look costs a third of a millisecond."""


@dataclass(frozen=True)
class Target:
    """A scoring server: its model's version and since when; None where not stated.

    Attributes:
        client: for questions.
        health: for health checks, which wait a little only.
    """

    client: Client
    health: Client
    model_version: str | None = None
    since: str | None = None


class Upstream:
    """The scoring server to ask: a fixed one, or the one that a file names at the time.

    The file is `{"url": …, "model_version": …, "since": …}` and is replaced as a whole; a request
    that has begun stays with the server that it was sent to.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pointer = Path(settings.scoring_pointer) if settings.scoring_pointer else None
        self.written: tuple[int, int] | None = None  # time and inode of the file that was read
        self.next_look = 0.0
        self.lock = threading.Lock()
        self.target = self._target(settings.scoring_url)

    def current(self) -> Target:
        """Return the scoring server to ask now."""
        if self.pointer is None or time.monotonic() < self.next_look:
            return self.target
        with self.lock:
            self.next_look = time.monotonic() + SECONDS_BETWEEN_LOOKS
            written = _version(self.pointer) or self.written
            if written != self.written:
                named = json.loads(self.pointer.read_text("utf-8"))
                version = named["model_version"] or None
                self.target = self._target(named["url"], version, named["since"])
                self.written = written
            return self.target

    def _target(
        self, url: str, model_version: str | None = None, since: str | None = None
    ) -> Target:
        settings = self.settings
        client = Client(
            url,
            settings.scoring_connect_timeout,
            settings.scoring_read_timeout,
            pool_size=settings.scoring_concurrency,
        )
        health = Client(url, PROBE_SECONDS, PROBE_SECONDS, pool_size=1)
        return Target(client, health, model_version, since)


def _version(path: Path) -> tuple[int, int] | None:
    """Return what differs between two contents of a file that is replaced as a whole.

    The time alone does not: its clock ticks every few milliseconds.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_ino
