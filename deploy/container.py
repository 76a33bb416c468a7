"""The process that the container runs: `python -m deploy.container`.

Reads its settings, prepares the model, and supervises the scoring server and the web page. It
imports nothing heavy, because it lives as long as the service does.
"""

import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from deploy import model
from serving.errors import ServiceError
from serving.follow import Follower
from serving.pointer import write_pointer
from serving.registry import champion_by_rest
from serving.services import (
    LOOPBACK,
    available_cpus,
    check_port_free,
    listen,
    scoring_server,
    web_page,
)
from serving.supervisor import Service, Supervisor

logger = logging.getLogger("container")

BAKED_MODEL = Path("/opt/model")
PLACES = ("model", "model-1")
"""Folders for fetched models: one is served, into the other the next one is fetched."""
REFUSED = 2
"""Exit status after one sentence with the reason."""
SCRATCH_BYTES = 64 * 2**20
"""Least free space in the temporary folder: for uploads, gunicorn and a fetched model."""


@dataclass(frozen=True)
class Settings:
    """What may be set from outside, beside the settings of the web page.

    Attributes:
        port: PORT, of the web page.
        scoring_port: SCORING_PORT, on loopback inside the container.
        workers: SCORING_WORKERS, processes of the scoring server; 0: one per CPU.
        model_uri: MODEL_URI, fetched at start; empty: the model inside the image.
        follow: MODEL_FOLLOW, whether to change over when the alias in MODEL_URI moves; 0 or 1.
        host: HOST, the address of the web page.
    """

    port: int
    scoring_port: int
    workers: int
    model_uri: str
    follow: bool
    host: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Return the settings; raise `ServiceError` for a value that is not allowed."""
        settings = cls(
            port=whole_number(environment, "PORT", 8080, 1, 65535),
            scoring_port=whole_number(environment, "SCORING_PORT", 5001, 1, 65535),
            workers=whole_number(environment, "SCORING_WORKERS", 0, 0, 64),
            model_uri=environment.get("MODEL_URI", ""),
            follow=bool(whole_number(environment, "MODEL_FOLLOW", 0, 0, 1)),
            host=environment.get("HOST") or "0.0.0.0",  # noqa: S104 the container's own network
        )
        if settings.port == settings.scoring_port:
            raise ServiceError(f"PORT and SCORING_PORT are both {settings.port}; they must differ")
        return settings


def whole_number(
    environment: Mapping[str, str], name: str, default: int, lowest: int, highest: int
) -> int:
    """Return a variable as a number; raise `ServiceError` where it is not one, or out of bounds."""
    text = environment.get(name) or str(default)
    if not (text.isascii() and text.isdecimal() and lowest <= int(text) <= highest):
        raise ServiceError(
            f"{name} is {text!r}; it must be a whole number from {lowest} to {highest}"
        )
    return int(text)


def run(settings: Settings) -> int:
    """Serve until stopped; return the exit status.

    Raises:
        ServiceError: what is needed to start is not there.
    """
    check_scratch()
    check_port_free(settings.host, settings.port)
    check_port_free(LOOPBACK, settings.scoring_port)
    newest = champion_by_rest(settings.model_uri) if settings.follow else None
    version = newest() if newest else ""
    folder = prepare_model(f"models:/{version}" if newest else settings.model_uri)
    workers = settings.workers or available_cpus()
    pointer = Path(tempfile.gettempdir()) / "scoring.json"
    write_pointer(pointer, settings.scoring_port, version)
    logger.info("serving %s on port %d, %d workers", version or folder, settings.port, workers)
    scoring = scoring_server(str(folder), settings.scoring_port, workers)
    page = web_page(
        settings.host,
        settings.port,
        settings.scoring_port,
        pointer,
        workers,
        listen(settings.host, settings.port),
    )
    supervisor = Supervisor([scoring, page])
    if newest:
        follower(supervisor, version, newest, workers, pointer).start()
    return supervisor.run()


def follower(
    supervisor: Supervisor,
    version: str,
    newest: Callable[[], str],
    workers: int,
    pointer: Path,
) -> Follower:
    """Return the follower, which switches to the new version whenever the alias moves."""

    def fetch(command: list[str]) -> int:
        return supervisor.finish(Service("fetch", command))

    def prepare(wanted: str, port: int) -> Service:
        try:
            fetched = prepare_model(f"models:/{wanted}", spare_place(following.serving), fetch)
        except SystemExit as error:  # at the start a refusal ends the process
            raise ServiceError(f"the model {wanted} is refused") from error
        return scoring_server(str(fetched), port, workers)

    following = Follower(supervisor, supervisor.services[0], version, newest, prepare, pointer)
    return following


def spare_place(serving: Service) -> str:
    """Return which of the two places for a model the scoring server does not read from."""
    places = Path(tempfile.gettempdir())
    return next(place for place in PLACES if str(places / place) not in serving.command)


def prepare_model(
    uri: str, place: str = PLACES[0], finish: Callable[[list[str]], int] = subprocess.call
) -> Path:
    """Return the folder of the model to serve, fetched where a URI is given, and checked."""
    if not uri:
        model.check(BAKED_MODEL)
        return BAKED_MODEL
    folder = Path(tempfile.gettempdir()) / place
    status = finish([sys.executable, "-m", "deploy.model", uri, str(folder)])
    if status == REFUSED:
        sys.exit(REFUSED)  # the process has printed the reason
    if status:
        raise ServiceError(f"fetching the model {uri} ended with status {status}")
    return folder


def check_scratch() -> None:
    """Raise `ServiceError` where there is no temporary folder with some space in it."""
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError as error:
        raise ServiceError(
            "no temporary folder is writable; if the root file system is read-only, mount one: "
            "--tmpfs /tmp"
        ) from error
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    if free < SCRATCH_BYTES:
        raise ServiceError(
            f"no disk: {folder} has {free >> 20} MiB left; {SCRATCH_BYTES >> 20} MiB are needed"
        )


def stop(number: int, frame: FrameType | None) -> NoReturn:
    """End before anything serves; a fetch that is under way is killed. Later `Supervisor` stops."""
    logger.info("%s received; nothing served yet", signal.Signals(number).name)
    sys.exit(0)


def main() -> int:
    """Run from the environment; return the exit status."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level="INFO")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)  # process 1 ignores what it does not handle
    try:
        return run(Settings.from_environment(os.environ))
    except ServiceError as error:
        logger.critical("%s", error)
        return REFUSED


if __name__ == "__main__":
    sys.exit(main())
