"""The files of a registered version."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

import mlflow
from mlflow.entities.model_registry import ModelVersion

from forgery_lab.export.detector_folder import DetectorFolder
from steps.errors import TrackingError, first_line
from steps.registry.model_registry import Registry, number


def fetch(registry: Registry, version: ModelVersion, stack: ExitStack) -> DetectorFolder:
    """Return a version in a folder of its own, which lives as long as the stack.

    Raises:
        TrackingError: its files could not be downloaded.
    """
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    name = f"version {number(version)}"
    try:
        path = Path(mlflow.artifacts.download_artifacts(registry.uri(version), dst_path=folder))
    except Exception as error:  # artefact stores raise what they like
        raise TrackingError(
            f"could not download the files of {name}: {first_line(error)}"
        ) from error
    if not (path / "MLmodel").is_file():  # MLflow takes what is gone for a model without files
        raise TrackingError(
            f"could not download the files of {name}: there are none at {version.source}"
        )
    return DetectorFolder(path, name)
