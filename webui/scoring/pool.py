"""The pooled connections to the scoring server, with their limits and metrics."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from flask import current_app, g
from urllib3 import BaseHTTPResponse

from forgery.client import Client, ClientError
from forgery_pyfunc.contract import Record
from webui.observability import Metrics
from webui.scoring.pointer import Upstream
from webui.scoring.probe import Probe
from webui.scoring.turns import Turns
from webui.settings import Settings

T = TypeVar("T")

PATIENCE_SECONDS = 2.0
"""The longest wait for a turn that is expected of a request."""


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

    def check_room(self) -> None:
        """Raise `ApiError`, `too_many_requests`, where the queue is too long to read an upload."""
        self.turns.check_room()

    def score(
        self,
        images: Sequence[bytes],
        threshold: float | None = None,
        heatmap: bool = False,
        *,
        explain: bool = False,
    ) -> list[Record]:
        """Return one record per image; see `Client.score`.

        Raises:
            ApiError: `too_many_requests`.
            ClientError: the scoring server is absent, late or failing.
        """
        return self._ask(
            len(images),
            lambda: self.client.score(
                images, threshold, heatmap, request_id=g.request_id, explain=explain
            ),
        )

    def score_when_idle(self, image: bytes, threshold: float | None, request_id: str) -> Record:
        """Return the record of a picture that nobody waits for; requests go first.

        Raises:
            ClientError: the scoring server is absent, late or failing.
        """
        with self.turns.idle_turn():
            (record,), _ = self._timed(
                lambda: self.client.score([image], threshold, request_id=request_id)
            )
        return record

    def invoke(self, body: bytes, pictures: int) -> BaseHTTPResponse:
        """Return the raw answer to a validated body with so many pictures; see `Client.invoke`."""
        return self._ask(pictures, lambda: self.client.invoke(body, g.request_id))

    def count(self, records: Sequence[Record]) -> None:
        """Remember the records in the metrics and in the request's log line."""
        self.note(records)
        g.facts["verdicts"] = [record.verdict or record.error_code for record in records]

    def note(self, records: Sequence[Record]) -> None:
        """Remember the records in the metrics."""
        self.metrics.count_records(records)
        versions = [record.model_version for record in records if record.model_version]
        if versions:
            self.probe.model_version = versions[-1]

    def _ask(self, pictures: int, question: Callable[[], T]) -> T:
        with self.turns.turn(pictures):
            answer, seconds = self._timed(question)
        g.facts["upstream_milliseconds"] = round(1000 * seconds, 1)
        return answer

    def _timed(self, question: Callable[[], T]) -> tuple[T, float]:
        """Return an answer of the scoring server and how many seconds it took."""
        started = time.perf_counter()
        try:
            answer = question()
        except ClientError as error:
            self.metrics.upstream_up.set(bool(error.status and error.status < 500))
            raise
        seconds = time.perf_counter() - started
        status = answer.status if isinstance(answer, BaseHTTPResponse) else 200
        self.metrics.upstream_up.set(status < 500)
        self.metrics.upstream_seconds.observe(seconds)
        return answer, seconds


def scoring() -> Scoring:
    """Return the scoring server of the application that handles the current request."""
    return current_app.extensions["scoring"]
