"""Labelled forgeries of one's own photographs, in CASIA layout, with a record of every step."""

import logging

from forgery_lab.forgeries.casia_folder import forge_folder
from forgery_lab.forgeries.forging import KINDS
from forgery_lab.progress import shown
from steps.settings.configuration import Workspace
from steps.settings.entities import ForgeSettings
from steps.tracking import runs

logger = logging.getLogger(__name__)


def run(settings: ForgeSettings, workspace: Workspace) -> None:
    """Forge the photographs of a folder and say what was made and what could not be used."""
    with shown("forging", "images") as progress:
        made = forge_folder(
            settings.input,
            settings.output,
            settings.count,
            settings.seed,
            kinds=settings.kinds or KINDS,
            progress=progress,
        )
    runs.log_metrics({"authentic": made.authentic, "forged": made.forged})
    runs.log_artifact(settings.output / "records.jsonl")
    for path, reason in made.unusable:
        logger.warning("left out: %s: %s", path, reason)
    kinds = ", ".join(f"{count} {kind}" for kind, count in made.kinds.items())
    logger.info("wrote %s: %d authentic, %s", settings.output, made.authentic, kinds)
