"""Back to the previous champion, in one step and without the gate, which it has passed before."""

import logging

from steps.registry.model_registry import CHAMPION, Registry, number
from steps.settings.configuration import Workspace
from steps.settings.entities import RollbackSettings
from steps.tracking.runs import current_run

logger = logging.getLogger(__name__)


def run(settings: RollbackSettings, workspace: Workspace) -> None:
    """Make the last champion before the present one the champion again."""
    registry = Registry(workspace.registered_model)
    champion = registry.by_alias(CHAMPION)
    finished = registry.finish_move(champion) if champion is not None else None
    if champion is not None and finished and finished.get("action") == "rollback":
        logger.info(
            "version %d is the champion again; the rollback to it had been killed", number(champion)
        )
        return
    former = registry.previous_champion()
    registry.move(
        former,
        "Production",
        {
            "action": "rollback",
            "reason": settings.reason,
            "run_id": current_run().info.run_id,
        },
    )
    left = f"version {number(champion)}" if champion is not None else "none"
    logger.info("version %d is the champion again; it was %s", number(former), left)
