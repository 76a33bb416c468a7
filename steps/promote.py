"""Through the gate to a stage: alias, stage tag and stage, with an audit trail."""

from steps.pipeline import promotion
from steps.settings.configuration import Workspace
from steps.settings.entities import PromoteSettings


def run(settings: PromoteSettings, workspace: Workspace) -> None:
    """Promote a version, or raise `GateRefusedError` with the gate's reasons."""
    promotion.promote(settings, workspace)
