"""Serves whatever version a registry's alias points at, and changes over without losing a request.

A scoring server with the new version is started beside the running one. Once it answers, the page
is pointed at it, through a file that the page reads; the old one finishes what it has and is
stopped. A version that does not come up is left alone, and the old one goes on.
"""

import json
import logging
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from serving.errors import DeployError
from serving.services import LOOPBACK
from serving.supervisor import DRAIN_SECONDS, Service, Supervisor, answers

logger = logging.getLogger("follow")

POLL_SECONDS = 5.0
"""How often the registry is asked."""
GRACE_SECONDS = 3.0
"""Between the change and the old server's end: time for requests that are just being sent."""
RETRY_SECONDS = 300.0
"""After which a version that did not come up is tried again."""


def write_pointer(path: Path, port: int, version: str) -> None:
    """Point the page at a scoring server; the file appears whole."""
    content = {
        "url": f"http://{LOOPBACK}:{port}",
        "model_version": version,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content), "utf-8")
    partial.replace(path)


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
        newest: returns the version that should be served; raises `DeployError` where the
            registry does not say.
        prepare: returns a scoring server for a version on a port; may raise `DeployError`.
        pointer: the file that the page reads.
    """

    supervisor: Supervisor
    serving: Service
    version: str
    newest: Callable[[], str]
    prepare: Callable[[str, int], Service]
    pointer: Path
    refused: dict[str, float] = field(default_factory=dict)
    complaint: str = ""

    def start(self) -> None:
        """Watch until the process ends."""
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not self.supervisor.stopping:
            time.sleep(POLL_SECONDS)
            try:
                version = self.newest()
                self.complaint = ""
                if version != self.version and not self._was_refused(version):
                    self._change(version)
            except Exception as error:  # whatever it is, the service must not stop following
                if str(error) != self.complaint:  # once, not every few seconds
                    unknown = None if isinstance(error, DeployError) else error
                    logger.warning("%s goes on serving: %s", self.version, error, exc_info=unknown)
                self.complaint = str(error)

    def _was_refused(self, version: str) -> bool:
        return time.monotonic() < self.refused.get(version, -math.inf) + RETRY_SECONDS

    def _change(self, version: str) -> None:
        logger.info("changing over from %s to %s", self.version, version)
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
        logger.info("%s answers now", version)
        time.sleep(GRACE_SECONDS)
        self._retire(old)

    def _bring_up(self, new: Service, version: str) -> None:
        """Start a server and wait for its answer; raise where none comes."""
        self.supervisor.start_beside(new)
        deadline = time.monotonic() + new.start_seconds
        while not answers(new.ping):
            ended = new.process is None or new.process.poll() is not None
            if ended or time.monotonic() > deadline or self.supervisor.stopping:
                raise DeployError(f"the scoring server with {version} did not come up")
            time.sleep(0.2)

    def _retire(self, service: Service) -> None:
        service.signal(signal.SIGTERM)
        deadline = time.monotonic() + DRAIN_SECONDS
        while not service.gone() and time.monotonic() < deadline:
            time.sleep(0.1)
        service.signal(signal.SIGKILL)
        self.supervisor.beside.remove(service)


def champion_by_rest(model_uri: str) -> Callable[[], str]:
    """Return what asks an MLflow server for the version of `models:/NAME@ALIAS`, without MLflow.

    Raises:
        DeployError: the URI has no alias, or `MLFLOW_TRACKING_URI` is no http server.
    """
    name, at, alias = model_uri.removeprefix("models:/").partition("@")
    server = os.environ.get("MLFLOW_TRACKING_URI", "")
    if not at or not model_uri.startswith("models:/"):
        raise DeployError(
            f"MODEL_URI is {model_uri!r}; to follow the registry it must be models:/NAME@ALIAS"
        )
    if not server.startswith("http"):
        raise DeployError(
            f"MLFLOW_TRACKING_URI is {server!r}; to follow the registry it must be http(s)://…"
        )
    return lambda: ask_alias(server, name, alias)


def ask_alias(server: str, name: str, alias: str) -> str:
    """Return NAME/VERSION of an alias; raise `DeployError` where the server does not say."""
    import requests  # here, since only a follower pays for it

    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    secret = os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
    try:
        answer = requests.get(
            f"{server.rstrip('/')}/api/2.0/mlflow/registered-models/alias",
            params={"name": name, "alias": alias},
            auth=(user, secret) if user else None,
            timeout=10,
        )
        if answer.ok:
            return f"{name}/{answer.json()['model_version']['version']}"
        said = f"status {answer.status_code}"
    except (requests.RequestException, ValueError, KeyError) as error:
        said = type(error).__name__
    raise DeployError(f"{server} does not say which version has the alias {alias}: {said}")
