"""Whether the scoring server is ready: it must score a small picture."""

import threading
import time

import numpy as np

from forgery.client import Client, ClientError
from forgery_pyfunc.contract import HEALTH_CHECK
from forgery_pyfunc.imaging.jpeg_encoder import encode
from webui.observability import Metrics
from webui.scoring.pointer import Upstream


class Probe:
    """Whether the scoring server can score an image, which it is sent at most every few seconds.

    The outcome is remembered and reported again only while the server still answers `/ping`: no
    remembered outcome hides that nobody can score. While one thread asks, the others get the last
    outcome.
    """

    def __init__(self, upstream: Upstream, metrics: Metrics, cache_seconds: float) -> None:
        self.upstream = upstream
        self.metrics = metrics
        self.cache_seconds = cache_seconds
        self.lock = threading.Lock()
        self.image = probe_image()
        self.failure: str | None = "The scoring server has not been checked yet."
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
        client = self.upstream.current().health
        if client is not self.client:
            self.client = client
            self.remembered_until = float("-inf")
        try:
            client.ping()
        except ClientError as error:
            self.remembered_until = float("-inf")  # the next process that answers is tested anew
            return str(error)
        if time.monotonic() > self.remembered_until:
            self.remembered = self._score(client)
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
    """Return a small JPEG that every sound model can score: a soft gradient, 128×128.

    What follows the picture tells the scoring server that nobody asks for a verdict.
    """
    ramp = np.linspace(40, 215, 128)
    levels = (ramp[:, None] + ramp[None, :]) / 2
    pixels = np.repeat(levels[:, :, None], 3, axis=2).astype(np.uint8)
    return encode(pixels, quality=90) + HEALTH_CHECK
