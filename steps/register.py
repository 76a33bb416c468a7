"""From a detector to a version in the model registry, a challenger."""

from steps.pipeline import registration
from steps.settings.configuration import Workspace
from steps.settings.entities import RegisterSettings


def run(settings: RegisterSettings, workspace: Workspace) -> None:
    """Register the detector; one that is in the registry already keeps its version."""
    registration.register_detector(settings.detector, settings.promote, workspace)
