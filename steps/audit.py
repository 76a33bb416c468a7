"""How much of a data set's labels can be predicted without looking at the images."""

import logging

from forgery_lab.evaluation import audit
from forgery_lab.progress import shown
from steps.settings.configuration import Workspace
from steps.settings.entities import AuditSettings
from steps.tracking import runs

logger = logging.getLogger(__name__)


def run(settings: AuditSettings, workspace: Workspace) -> None:
    """Audit a folder of two classes; write and log the report and its verdict."""
    with shown("reading", "files") as progress:
        found = audit.audit(settings.data, settings.seed, progress=progress)
    folder = settings.output or workspace.path("audit")
    audit.write(folder, found)
    for finding in found.findings:
        if finding.auc.value is not None:
            runs.log_metrics({f"auc.{finding.rule}": finding.auc.value})
    runs.set_tags({"verdict": found.telling})
    runs.log_artifacts(folder, "audit")
    logger.info("%s", found.verdict)
    for advice in found.advice:
        logger.info("%s", advice)
    logger.info("the report is %s", folder / audit.PAGE)
