"""What MLflow keeps with a logged model: the metrics and parameters of the detector in it.

Versions that were registered before this existed have both as tags; `migration` moves them.
"""

import json
from collections.abc import Mapping
from typing import Any

from mlflow.entities import LoggedModel
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

TRAINING, METRIC_TAG = "training.", "metric."
"""Prefixes: of what a detector says of its training, and of the tags that metrics once were."""
_FIGURES = (f"{TRAINING}held_out", f"{TRAINING}onnx_max_difference")
"""Beginnings of the names of what a training gave; all else that it says was set."""
_URI = "models:/"


def is_figure(name: str) -> bool:
    """Return whether a fact of a training, such as `training.epochs`, is a result of it."""
    return name.startswith(_FIGURES)


def readable(value: Any) -> str:
    """Return a value as text; a number that is no integer has four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def comparison(figures: Mapping[str, float]) -> str:
    """Return the gate's figures in words: "AUC 0.81 against 0.7; MB 3.2 against 3.1".

    Those at a threshold (`recall_at_half`) are left out: no limit is set for them.
    """
    names = [
        name.partition(".")[2]
        for name in figures
        if name.startswith("challenger.") and "_at_" not in name
    ]
    return "; ".join(
        f"{name.replace('_', ' ')} {figures[f'challenger.{name}']:.3g} against "
        f"{figures[f'champion.{name}']:.3g}"
        for name in names
    )


def model_of(version: ModelVersion) -> LoggedModel | None:
    """Return the logged model of a version; None where there is none, or the server lacks it."""
    return existing(version.model_id or (version.source or "").removeprefix(_URI))


def existing(identity: str | None) -> LoggedModel | None:
    """Return the logged model with this id; None where the server has none."""
    if not identity or not identity.startswith("m-"):
        return None
    try:
        return MlflowClient().get_logged_model(identity)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "ENDPOINT_NOT_FOUND"):
            return None
        raise


def is_unlinked(version: ModelVersion) -> bool:
    """Return whether a version has a logged model that does not name it."""
    model = model_of(version)
    return model is not None and _link(version) not in _links(model)


def link(version: ModelVersion) -> None:
    """Have the logged model name the version, as `mlflow.register_model` does."""
    model = model_of(version)
    if model is not None and _link(version) not in _links(model):
        text = json.dumps([*_links(model), _link(version)])
        MlflowClient().set_logged_model_tags(model.model_id, {MLFLOW_MODEL_VERSIONS: text})


def _link(version: ModelVersion) -> dict[str, str]:
    return {"name": version.name, "version": str(version.version)}


def _links(model: LoggedModel) -> list[dict[str, str]]:
    links = json.loads(model.tags.get(MLFLOW_MODEL_VERSIONS, "[]"))
    return [{key: str(value) for key, value in one.items()} for one in links]


def metrics_of(version: ModelVersion) -> dict[str, float]:
    """Return the metrics of a version, those of its logged model or those among its tags."""
    model = model_of(version)
    of_model = {one.key: one.value for one in (model.metrics or [])} if model else {}
    of_tags = {
        name.removeprefix(METRIC_TAG): float(value)
        for name, value in version.tags.items()
        if name.startswith(METRIC_TAG)
    }
    return of_model or of_tags
