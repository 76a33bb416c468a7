"""How much of the label of a data set can be told without looking at the pictures."""

import logging

from forgery_lab import audit
from forgery_lab.progress import shown
from steps import tracking
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
        tracking.log_metrics({f"auc.{one.rule}": one.auc["value"]})
    tracking.set_tags({"verdict": found.telling})
    tracking.log_artifacts(folder, "audit")
    logger.info("%s", found.verdict)
    for advice in found.advice:
        logger.info("%s", advice)
    logger.info("the report is %s", folder / audit.PAGE)
