"""A scoring server (`mlflow models serve`, loopback only) and the web page in front of it."""

import logging
import os

import mlflow

from deploy.services import LOOPBACK, available_cpus, check_port_free, scoring_server, web_page
from deploy.supervisor import Supervisor
from forgery_pyfunc.errors import ForgeryError
from forgery_pyfunc.model import VERSION_VARIABLE
from steps.configuration import Workspace, feedback_store
from steps.entities import ServeSettings
from steps.register import ensure_champion
from steps.registry import resolve

logger = logging.getLogger(__name__)


def run(settings: ServeSettings, workspace: Workspace) -> None:
    """Serve until stopped.

    Raises:
        ForgeryError: there is no such model, a port is taken, or a service keeps dying.
    """
    if not settings.model:
        ensure_champion(workspace)
    uri, version = resolve(settings.model, workspace.registered_model)
    for port in (settings.port, settings.scoring_port):
        check_port_free(LOOPBACK, port)
    tracking = {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(), VERSION_VARIABLE: version}
    scoring = scoring_server(uri, settings.scoring_port, available_cpus(), tracking)
    page = web_page(LOOPBACK, settings.port, settings.scoring_port)
    if "FEEDBACK_DB" not in os.environ:  # empty: no feedback is taken
        page.environment["FEEDBACK_DB"] = str(feedback_store())
    logger.info("serving %s on http://%s:%d", version or uri, LOOPBACK, settings.port)
    if Supervisor([scoring, page]).run():
        raise ForgeryError("a service kept dying; the lines above say why")
