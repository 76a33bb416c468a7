"""A scoring server (`mlflow models serve`, loopback only) and the web page in front of it."""

import logging
import os
import socket
import sys

import mlflow

from deploy.supervisor import Service, Supervisor
from forgery_pyfunc.errors import ForgeryError
from forgery_pyfunc.model import VERSION_VARIABLE
from steps.configuration import Workspace
from steps.entities import ServeSettings
from steps.registry import resolve

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"


def run(settings: ServeSettings, workspace: Workspace) -> None:
    """Serve until stopped; raise `ForgeryError` where a port is taken or a service keeps dying."""
    uri, version = resolve(settings.model, workspace.registered_model)
    for port in (settings.port, settings.scoring_port):
        check_free(port)
    logger.info("serving %s on http://%s:%d", version, LOOPBACK, settings.port)
    if Supervisor(services(uri, version, settings.port, settings.scoring_port)).run():
        raise ForgeryError("a service kept dying; the lines above say why")


def services(uri: str, version: str, port: int, scoring_port: int) -> list[Service]:
    """Return the two services: the model on loopback, and the page on the public port."""
    workers = str(os.cpu_count() or 1)
    bin_folder = os.path.dirname(sys.executable)  # noqa: PTH120
    scoring = Service(
        "scoring",
        [f"{bin_folder}/mlflow", "models", "serve", "--model-uri", uri, "--env-manager", "local",
         "--host", LOOPBACK, "--port", str(scoring_port), "--workers", workers],
        {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(), VERSION_VARIABLE: version},
    )  # fmt: skip
    page = Service(
        "page",
        [
            f"{bin_folder}/gunicorn",
            "--config",
            "python:webui.gunicorn_settings",
            "webui.application:create_app()",
        ],
        {"PORT": str(port), "SCORING_URL": f"http://{LOOPBACK}:{scoring_port}"},
    )
    return [scoring, page]


def check_free(port: int) -> None:
    """Raise `ForgeryError` where something listens on the port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise ForgeryError(f"port {port} is in use; choose another one") from error
