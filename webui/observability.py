"""Request ids, structured logs and Prometheus metrics; none holds image content or file names."""

import json
import logging
import logging.config
import math
import re
import time
import uuid
from collections.abc import Mapping, Sequence, Sized
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from forgery_pyfunc.contract import Record

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
QUIET = frozenset(
    {
        *("health.livez", "health.readyz", "health.ping", "health.health", "health.metrics"),
        *("jobs.get_job", "static"),
    }
)
"""Endpoints whose successes are logged at DEBUG only."""

CONTAINER_MEMORY = {
    "forgery_container_memory_bytes": (
        Path("/sys/fs/cgroup/memory.current"),
        "Memory of page and scoring server together",
    ),
    "forgery_container_memory_limit_bytes": (
        Path("/sys/fs/cgroup/memory.max"),
        "What the container may take",
    ),
}
"""Gauges of the container's memory, where its control group tells.

Source: https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

logger = logging.getLogger("webui.access")


class Queue(Protocol):
    """Whose length is told: `scoring.turns.Turns`."""

    @property
    def waiting(self) -> Sized:
        """Those who wait for their turn."""

    @property
    def working(self) -> Sized:
        """Those who hold a turn."""


class Metrics:
    """The counters of one application; each has a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry)
        self.requests = counter(
            "forgery_requests", "Requests answered", ["endpoint", "method", "status"]
        )
        self.seconds = histogram(
            "forgery_request_seconds", "Time to answer a request", ["endpoint"]
        )
        self.verdicts = counter("forgery_verdicts", "Images answered, by verdict", ["verdict"])
        self.scores = histogram(
            "forgery_score",
            "Probability that an image is forged",
            buckets=[level / 10 for level in range(1, 11)],
        )
        self.errors = counter("forgery_errors", "Failed requests, by error code", ["code"])
        self.declined = counter(
            "forgery_declined", "Images that were read and not judged, by reason", ["reason"]
        )
        self.image_errors = counter(
            "forgery_image_errors", "Images that could not be scored, by error code", ["code"]
        )
        self.upstream_seconds = histogram(
            "forgery_upstream_seconds", "Time the scoring server took"
        )
        self.upstream_up = Gauge(
            "forgery_upstream_up",
            "Whether the scoring server answered when last checked",
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)
        for name, (file, meaning) in CONTAINER_MEMORY.items():
            if not math.isnan(_bytes_of(file)):
                gauge = Gauge(name, meaning, registry=self.registry)
                gauge.set_function(partial(_bytes_of, file))

    def watch(self, queues: Mapping[str, Queue]) -> None:
        """Tell of each queue how many requests wait in it and how many are at work."""
        waiting, working = (
            Gauge(name, meaning, ["queue"], registry=self.registry)
            for name, meaning in (
                ("forgery_waiting", "Requests that wait for their turn"),
                ("forgery_working", "Requests that hold a turn"),
            )
        )
        for name, turns in queues.items():
            waiting.labels(name).set_function(partial(_waiting, turns))
            working.labels(name).set_function(partial(_working, turns))

    def count_records(self, records: Sequence[Record]) -> None:
        """Count the answers for single images."""
        for record in records:
            if record.error_code:
                self.image_errors.labels(record.error_code).inc()
                continue
            self.verdicts.labels(record.verdict or "none").inc()
            if record.reason_code:
                self.declined.labels(record.reason_code).inc()
            if record.probability is not None:
                self.scores.observe(record.probability)


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a log record; `extra={"facts": {...}}` adds fields."""
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(getattr(record, "facts", {}))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def logging_config(level: str) -> dict[str, Any]:
    """Return what sends all logs to standard error, one JSON object per line.

    `level` is that of our own lines and of gunicorn's: other packages log details of
    pictures, so they stay at INFO or above.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"level": "INFO" if level == "DEBUG" else level, "handlers": ["stderr"]},
        "loggers": {
            "webui": {"level": level},
            "gunicorn.error": {"level": level, "handlers": ["stderr"], "propagate": False},
        },
    }


def configure_logging(level: str) -> None:
    """Send the logs of this process to standard error; see `logging_config`."""
    logging.config.dictConfig(logging_config(level))


def register(app: Flask, metrics: Metrics) -> None:
    """Give every request an id, a log line and its place in the metrics."""

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()
        given = request.headers.get("X-Request-ID", "")
        g.request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        g.facts = {}

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers["X-Request-ID"] = g.request_id
        seconds = time.perf_counter() - g.started
        endpoint = request.endpoint or "none"
        metrics.requests.labels(endpoint, _known_method(), response.status_code).inc()
        metrics.seconds.labels(endpoint).observe(seconds)
        if code := g.get("error_code"):
            metrics.errors.labels(code).inc()
            g.facts["error"] = code
        rule = request.url_rule  # who knows the name of a result may see it: the log has none
        path = rule.rule if rule and request.view_args else request.path
        quiet = endpoint in QUIET and response.status_code < 400
        failed = endpoint not in QUIET and response.status_code >= 500
        level = logging.DEBUG if quiet else logging.WARNING if failed else logging.INFO
        logger.log(
            level,
            "%s %s %d",
            request.method,
            path[:200],
            response.status_code,
            extra={
                "facts": {
                    "request_id": g.request_id,
                    "endpoint": endpoint,
                    "status": response.status_code,
                    "milliseconds": round(1000 * seconds, 1),
                    "request_bytes": request.content_length,
                    **g.facts,
                }
            },
        )
        return response


def _waiting(queue: Queue) -> float:
    return len(queue.waiting)


def _working(queue: Queue) -> float:
    return len(queue.working)


def _bytes_of(file: Path) -> float:
    """Return the number in a file of the control group; NaN where there is none, or no limit."""
    try:
        return float(file.read_text())
    except (OSError, ValueError):
        return math.nan


def _known_method() -> str:
    known = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}
    return request.method if request.method in known else "other"
