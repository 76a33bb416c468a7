"""A scoring server (`mlflow models serve`, loopback only) and the web page in front of it."""

import logging
import os
import shutil
import tempfile
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException

from forgery_pyfunc.contract import VERSION_VARIABLE
from forgery_pyfunc.detector import NETWORK_FILE
from forgery_pyfunc.errors import ForgeryError
from serving.errors import ServiceError
from serving.follow import Follower
from serving.pointer import write_pointer
from serving.services import (
    LOOPBACK,
    available_cpus,
    check_port_free,
    listen,
    scoring_server,
    web_page,
)
from serving.supervisor import Service, Supervisor
from steps.errors import SettingsError, first_line
from steps.pipeline import outcome, promotion, registration
from steps.registry.model_registry import Registry, resolve
from steps.settings.configuration import Workspace, feedback_store
from steps.settings.entities import PromoteSettings, ServeSettings

logger = logging.getLogger(__name__)

REQUEST_RETRIES = 3
"""Somebody waits for the page: fail in seconds, not after the minutes that MLflow would try for."""


def run(settings: ServeSettings, workspace: Workspace) -> None:
    """Serve until stopped.

    Raises:
        ForgeryError: there is no such model, a port is in use, or a service keeps failing.
    """
    if not settings.model:
        ensure_version(settings.promote, workspace)
    uri, version = resolve(settings.model, workspace.registered_model)
    for port in (settings.port, settings.scoring_port):
        check_port_free(LOOPBACK, port)
    with tempfile.TemporaryDirectory() as folder:
        pointer = Path(folder) / "scoring.json"
        write_pointer(pointer, settings.scoring_port, version)
        scoring = scoring_service(uri, version, settings.scoring_port, Path(folder))
        listener = listen(LOOPBACK, settings.port)
        page = web_page(LOOPBACK, settings.port, settings.scoring_port, pointer, listener=listener)
        if "FEEDBACK_DB" not in os.environ:  # empty: no feedback is taken
            page.environment["FEEDBACK_DB"] = str(feedback_store())
        supervisor = Supervisor([scoring, page])
        if settings.follow:
            follower(settings, workspace, supervisor, version, pointer).start()
        url = f"http://{LOOPBACK}:{settings.port}"
        said = outcome.summary(workspace, version or uri, url)
        supervisor.once_ready(f"{url}/readyz", lambda: print(said, flush=True))
        logger.info("starting the scoring server with %s, and the page", version or uri)
        if supervisor.run():
            raise ForgeryError("a service kept failing; the lines above give the reason")


def ensure_version(gate: PromoteSettings, workspace: Workspace) -> None:
    """Register the shipped detector in an empty registry; submit the workspace's to the gate.

    The latter was trained here or came with `dvc pull`. Where it is new to the registry it becomes
    a challenger, and the champion if it passes the gate.
    """
    registration.ensure_champion(gate, workspace)
    detector, registry = workspace.path("detector"), Registry(workspace.registered_model)
    if not (detector / NETWORK_FILE).is_file():
        return
    if registry.by_digest(registration.detector_digest(detector)):
        return
    registration.register_detector(None, gate, workspace)
    try:
        promotion.promote(promotion.to_production(gate), workspace)
    except (ForgeryError, MlflowException) as error:  # a refusal, or the gate could not judge
        logger.warning("the detector in %s: %s", detector, first_line(error))


def scoring_service(uri: str, version: str, port: int, folder: Path) -> Service:
    """Return the scoring server of a model, which answers as `version`.

    The model is fetched into a new folder inside `folder`: a restart needs no registry.
    """
    place = tempfile.mkdtemp(dir=folder)
    model = mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=place)
    return scoring_server(model, port, available_cpus(), {VERSION_VARIABLE: version})


def follower(
    settings: ServeSettings,
    workspace: Workspace,
    supervisor: Supervisor,
    version: str,
    pointer: Path,
) -> Follower:
    """Return the follower, which switches to the new version whenever the alias moves.

    Raises:
        SettingsError: the model is not given by an alias.
    """
    if not version:
        raise SettingsError(
            f"-P: serve.model is {settings.model!r}; to follow the registry it must be an alias "
            f"of {workspace.registered_model}, or empty"
        )

    def newest() -> str:
        try:
            return resolve(settings.model, workspace.registered_model)[1]
        except (ForgeryError, MlflowException) as error:
            raise ServiceError(first_line(error)) from error

    def prepare(wanted: str, port: int) -> Service:
        remove_other_models(pointer.parent, following.serving)
        try:
            return scoring_service(f"models:/{wanted}", wanted, port, pointer.parent)
        except (MlflowException, OSError) as error:
            raise ServiceError(f"{wanted} could not be fetched: {first_line(error)}") from error

    following = Follower(supervisor, supervisor.services[0], version, newest, prepare, pointer)
    return following


def remove_other_models(folder: Path, serving: Service) -> None:
    """Delete the models in a folder that the scoring server does not read from."""
    for place in folder.iterdir():
        if place.is_dir() and not any(part.startswith(str(place)) for part in serving.command):
            shutil.rmtree(place)
