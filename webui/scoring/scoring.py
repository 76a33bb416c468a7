"""The way from this web application to the scoring server, with its limits and its metrics."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import requests
from flask import current_app, g

from forgery.client import Client, ClientError
from forgery_pyfunc.contract import Record
from forgery_pyfunc.imaging import jpeg
from webui.observability import Metrics
from webui.scoring.turns import Turns
from webui.settings import Settings

T = TypeVar("T")

PATIENCE_SECONDS = 2.0
PROBE_SECONDS = 5.0
"""How long the scoring server may take over a small picture and still be called ready."""


@dataclass(frozen=True)
class Target:
    """A scoring server: its client, which version it has, since when; None where nobody said."""

    client: Client
    model_version: str | None = None
    since: str | None = None


class Upstream:
    """Which scoring server to ask: always the same, or the one that a file names at the time.

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
                said = json.loads(self.pointer.read_text("utf-8"))
                client = self._client(said["url"])
                self.target = Target(client, said["model_version"] or None, said["since"])
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
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_ino


class Scoring:
    """The scoring server as the views see it; one object per application, used from threads."""

    def __init__(self, settings: Settings, metrics: Metrics, places: threading.Semaphore) -> None:
        self.upstream = Upstream(settings)
        self.metrics = metrics
        self.turns = Turns(settings.scoring_concurrency, PATIENCE_SECONDS, places)
        self.probe = Probe(self.upstream, metrics, settings.ready_cache_seconds)

    @property
    def client(self) -> Client:
        """The client of the scoring server that is asked now."""
        return self.upstream.current().client

    def score(
        self, images: Sequence[bytes], threshold: float | None = None, heatmap: bool = False
    ) -> list[Record]:
        """Return one record per image; see `Client.score`.

        Raises:
            ApiError: `too_many_requests`.
            ClientError: the scoring server is absent, late or failing.
        """
        return self._ask(
            lambda: self.client.score(images, threshold, heatmap, request_id=g.request_id)
        )

    def invoke(self, body: bytes) -> requests.Response:
        """Return the raw answer to a body that has been validated; see `Client.invoke`."""
        return self._ask(lambda: self.client.invoke(body, g.request_id))

    def count(self, records: Sequence[Record]) -> None:
        """Remember the records in the metrics and in the request's log line."""
        self.metrics.count_records(records)
        g.facts["verdicts"] = [record.verdict or record.error_code for record in records]
        versions = [record.model_version for record in records if record.model_version]
        if versions:
            self.probe.model_version = versions[-1]

    def _ask(self, question: Callable[[], T]) -> T:
        with self.turns.turn():
            started = time.perf_counter()
            try:
                answer = question()
            except ClientError as error:
                self.metrics.upstream_up.set(bool(error.status and error.status < 500))
                raise
            seconds = time.perf_counter() - started
        status = answer.status_code if isinstance(answer, requests.Response) else 200
        self.metrics.upstream_up.set(status < 500)
        self.metrics.upstream_seconds.observe(seconds)
        g.facts["upstream_milliseconds"] = round(1000 * seconds, 1)
        return answer


class Probe:
    """Whether the scoring server answers a real image, which is asked at most every few seconds.

    The answer to the image is remembered, and told again only while the server still answers
    `/ping`: when nobody is there to score, no remembered answer says otherwise. While one thread
    asks, the others are told what was found last.
    """

    def __init__(self, upstream: Upstream, metrics: Metrics, cache_seconds: float) -> None:
        self.upstream = upstream
        self.metrics = metrics
        self.cache_seconds = cache_seconds
        self.lock = threading.Lock()
        self.image = probe_image()
        self.failure: str | None = "The scoring server has not been asked yet."
        self.client: Client | None = None
        self.model_version: str | None = None
        self.remembered: str | None = None
        self.remembered_until = float("-inf")

    def failing(self) -> str | None:
        """Return why the scoring server is not ready, or None when it is."""
        if self.lock.acquire(False):
            try:
                self.failure = self._ask()
                self.metrics.upstream_up.set(self.failure is None)
            finally:
                self.lock.release()
        return self.failure

    def _ask(self) -> str | None:
        url = self.upstream.current().client.url
        if self.client is None or self.client.url != url:
            self.client = Client(url, PROBE_SECONDS, PROBE_SECONDS, pool_size=1)
            self.remembered_until = float("-inf")
        try:
            self.client.ping()
        except ClientError as error:
            self.remembered_until = float("-inf")  # whoever answers next is asked anew
            return str(error)
        if time.monotonic() > self.remembered_until:
            self.remembered = self._score(self.client)
            self.remembered_until = time.monotonic() + self.cache_seconds
        return self.remembered

    def _score(self, client: Client) -> str | None:
        try:
            record = client.score([self.image], request_id="readyz")[0]
        except ClientError as error:
            return str(error)
        self.model_version = record.model_version
        return record.error


def probe_image() -> bytes:
    """Return a small JPEG that every sound model can score: a soft gradient, 128×128."""
    ramp = np.linspace(40, 215, 128)
    levels = (ramp[:, None] + ramp[None, :]) / 2
    return jpeg.encode(np.repeat(levels[:, :, None], 3, axis=2).astype(np.uint8), quality=90)


def scoring() -> Scoring:
    """Return the scoring server of the application that handles the current request."""
    return current_app.extensions["scoring"]
