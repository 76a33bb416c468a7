"""Which scoring server is asked: a fixed one, or the one that a file names."""

import json
import threading
from dataclasses import dataclass
from pathlib import Path

from forgery.client import Client
from webui.settings import Settings


@dataclass(frozen=True)
class Target:
    """A scoring server: its client, its model's version and since when; None where not stated."""

    client: Client
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
        self.lock = threading.Lock()
        self.target = Target(self._client(settings.scoring_url))

    def current(self) -> Target:
        """Return the scoring server to ask now."""
        if self.pointer is None:
            return self.target
        with self.lock:
            written = _version(self.pointer) or self.written
            if written != self.written:
                named = json.loads(self.pointer.read_text("utf-8"))
                client = self._client(named["url"])
                self.target = Target(client, named["model_version"] or None, named["since"])
                self.written = written
            return self.target

    def _client(self, url: str) -> Client:
        return Client(
            url,
            self.settings.scoring_connect_timeout,
            self.settings.scoring_read_timeout,
            pool_size=self.settings.scoring_concurrency,
        )


def _version(path: Path) -> tuple[int, int] | None:
    """Return what differs between two contents of a file that is replaced as a whole.

    The time alone does not: its clock ticks every few milliseconds.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_ino
