"""Log the detector as a pyfunc and create a version of the registered model, a challenger."""

import hashlib
import json
import logging
from pathlib import Path

import mlflow

from forgery_lab import packaging
from forgery_pyfunc.detector import NETWORK_FILE, read_description
from steps import tracking
from steps.configuration import Workspace
from steps.entities import RegisterSettings
from steps.registry import DIGEST_TAG, Registry, number

logger = logging.getLogger(__name__)


def run(settings: RegisterSettings, workspace: Workspace) -> None:
    """Register the detector; one that is in the registry already keeps its version."""
    folder = settings.detector or workspace.path("detector")
    read_description(folder)
    registry = Registry(workspace.registered_model)
    digest = detector_digest(folder)
    version = registry.by_digest(digest)
    if version is not None:
        logger.info("this detector is version %d of %s already", number(version), registry.name)
        return
    training = training_run(workspace) if settings.detector is None else None
    model = packaging.log_model(folder, {DIGEST_TAG: digest})
    tags = {DIGEST_TAG: digest, **facts(folder, workspace)}
    if training:
        tags["training_run_id"] = training
    version = registry.create(model.model_uri, model.run_id, tags)
    mlflow.set_tag("registered_version", number(version))
    logger.info("registered version %d of %s as challenger", number(version), registry.name)


def detector_digest(folder: Path) -> str:
    """Return the SHA-256 of the network and its description: what decides every answer."""
    digest = hashlib.sha256()
    for name in ("detector.json", NETWORK_FILE):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def training_run(workspace: Workspace) -> str | None:
    """Return the id of the run that trained the detector; say where this server lacks it."""
    note = workspace.run_file("train")
    found = tracking.find_run(note)
    if found is None:
        uri = mlflow.get_tracking_uri()
        logger.warning(
            "the training run noted in %s is not on %s: DVC restored the detector from its cache, "
            "or it was tracked elsewhere; it is registered without a link to its run",
            note.name,
            uri,
        )
        return None
    return found.info.run_id


def facts(folder: Path, workspace: Workspace) -> dict[str, str]:
    """Return the tags of a version: provenance, the digest of its data and its scores."""
    training = read_description(folder).get("training", {})
    tags = {f"training.{key}": str(value) for key, value in training.items()}
    metrics = workspace.path("metrics")
    if metrics.is_file():
        for key, value in flat(json.loads(metrics.read_text("utf-8"))).items():
            tags[f"metric.{key}"] = str(value)
    return {**tracking.provenance(workspace), **tags}


def flat(values: dict, prefix: str = "") -> dict[str, object]:
    """Return nested dicts as one, with dotted keys."""
    result: dict[str, object] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        result.update(flat(value, f"{name}.") if isinstance(value, dict) else {name: value})
    return result
