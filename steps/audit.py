"""How much of the label of a data set can be told without looking at the pictures."""

import logging

import mlflow

from forgery_lab import audit
from forgery_lab.progress import shown
from steps.configuration import Workspace
from steps.entities import AuditSettings

logger = logging.getLogger(__name__)


def run(settings: AuditSettings, workspace: Workspace) -> None:
    """Audit a folder of two classes; write and log the report, and say the verdict."""
    with shown("reading", "files") as progress:
        found = audit.audit(settings.data, settings.seed, progress=progress)
    folder = settings.output or workspace.path("audit")
    audit.write(folder, found)
    for one in found.findings:
        mlflow.log_metric(f"auc.{one.rule}", one.auc["value"])
    mlflow.set_tag("verdict", found.telling)
    mlflow.log_artifacts(str(folder), "audit")
    logger.info("%s", found.verdict)
    for advice in found.advice:
        logger.info("%s", advice)
    logger.info("the report is %s", folder / audit.PAGE)
