"""From a model and a split data set to the figures of every protocol that the model allows."""

from steps.pipeline import evaluation
from steps.settings.configuration import Workspace
from steps.settings.entities import EvaluateSettings


def run(settings: EvaluateSettings, workspace: Workspace) -> None:
    """Score the model on all images that are new to it; write and log figures and report."""
    evaluation.evaluate(settings, workspace)
