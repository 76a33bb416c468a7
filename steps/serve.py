"""A scoring server (`mlflow models serve`, loopback only) and the web page in front of it."""

import logging
import os
import tempfile
from pathlib import Path
from typing import cast

import mlflow
from mlflow.exceptions import MlflowException

from forgery_pyfunc.contract import VERSION_VARIABLE
from forgery_pyfunc.detector import NETWORK_FILE
from forgery_pyfunc.errors import ForgeryError
from serving.errors import DeployError
from serving.follow import Follower, write_pointer
from serving.services import LOOPBACK, available_cpus, check_port_free, scoring_server, web_page
from serving.supervisor import Service, Supervisor
from steps import promote, register
from steps.errors import SettingsError, first_line
from steps.register import detector_digest, ensure_champion
from steps.registry.model_registry import Registry, resolve
from steps.settings.configuration import ConfigurationManager, Workspace, feedback_store
from steps.settings.entities import PromoteSettings, RegisterSettings, ServeSettings

logger = logging.getLogger(__name__)


def run(settings: ServeSettings, workspace: Workspace) -> None:
    """Serve until stopped.

    Raises:
        ForgeryError: there is no such model, a port is taken, or a service keeps dying.
    """
    if not settings.model:
        ensure_version(workspace)
    uri, version = resolve(settings.model, workspace.registered_model)
    for port in (settings.port, settings.scoring_port):
        check_port_free(LOOPBACK, port)
    with tempfile.TemporaryDirectory() as folder:
        pointer = Path(folder) / "scoring.json"
        write_pointer(pointer, settings.scoring_port, version)
        scoring = scoring_service(uri, version, settings.scoring_port)
        page = web_page(LOOPBACK, settings.port, settings.scoring_port, pointer)
        if "FEEDBACK_DB" not in os.environ:  # empty: no feedback is taken
            page.environment["FEEDBACK_DB"] = str(feedback_store())
        supervisor = Supervisor([scoring, page])
        if settings.follow:
            follower(settings, workspace, supervisor, version, pointer).start()
        logger.info("serving %s on http://%s:%d", version or uri, LOOPBACK, settings.port)
        if supervisor.run():
            raise ForgeryError("a service kept dying; the lines above say why")


def ensure_version(workspace: Workspace) -> None:
    """Fill an empty registry with the shipped detector; show the workspace's own to the gate.

    That one was trained here, or `dvc pull` brought it. Where it is new to the registry it becomes
    a challenger, and the champion if the gate lets it; else the champion stays.
    """
    ensure_champion(workspace)
    detector, registry = workspace.path("detector"), Registry(workspace.registered_model)
    if not (detector / NETWORK_FILE).is_file() or registry.by_digest(detector_digest(detector)):
        return
    register.run(RegisterSettings(detector=None), workspace)
    try:
        promote.run(cast(PromoteSettings, ConfigurationManager().settings("promote")), workspace)
    except (ForgeryError, MlflowException) as error:  # a refusal, or the gate could not judge
        logger.warning("the detector in %s: %s", detector, first_line(error))


def scoring_service(uri: str, version: str, port: int) -> Service:
    """Return the scoring server of a model, which answers as `version`."""
    tracking = {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(), VERSION_VARIABLE: version}
    return scoring_server(uri, port, available_cpus(), tracking)


def follower(
    settings: ServeSettings,
    workspace: Workspace,
    supervisor: Supervisor,
    version: str,
    pointer: Path,
) -> Follower:
    """Return what changes over whenever the alias moves.

    Raises:
        SettingsError: the model is no alias.
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
            raise DeployError(first_line(error)) from error

    def prepare(wanted: str, port: int) -> Service:
        return scoring_service(f"models:/{wanted}", wanted, port)

    return Follower(supervisor, supervisor.services[0], version, newest, prepare, pointer)
