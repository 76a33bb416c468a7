"""From cached features to a detector."""

from steps.pipeline import training
from steps.settings.configuration import Workspace
from steps.settings.entities import TrainSettings


def run(settings: TrainSettings, workspace: Workspace) -> None:
    """Train, calibrate and export a network; a training that was killed is continued."""
    training.train(settings, workspace)


def unfinished_run(settings: TrainSettings, workspace: Workspace) -> str | None:
    """Return the id of the run whose training `run` would continue, or None."""
    return training.unfinished_run(settings, workspace)
