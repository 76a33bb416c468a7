"""Brings registries of earlier versions of this project to the present layout.

Metrics and parameters of a version were tags, about eighty, and belong to its logged model, which
did not name the version. Events stood as JSON among the tags that people see, and the registered
model had no description.
"""

import json
import time
from collections.abc import Iterator

from mlflow.entities import LifecycleStage, Metric
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from steps.registry import events
from steps.registry.logged_model import (
    METRIC_TAG,
    TRAINING,
    comparison,
    is_figure,
    is_unlinked,
    link,
    model_of,
)
from steps.registry.model_registry import (
    GATE_TAG,
    Registry,
    is_absent,
    number,
    retry_on_conflict,
)

_FIGURES_TAG = "promotion.figures"
_IN_THE_EVENT = (
    _FIGURES_TAG,
    *(f"promotion.{key}" for key in ("limits", "version", "frozen_digest", "forced")),
)
"""Tags of a promoted version that the event of its promotion holds too."""


def outdated(registry: Registry) -> list[str]:
    """Return a sentence for all that `migrate` would change."""
    shown = len(_shown_events(registry))
    sentences = [f"{shown} events are JSON, and not in words"] if shown else []
    sentences += [
        f"the logged model of version {number(version)} does not name it"
        for version in registry.versions()
        if is_unlinked(version)
    ]
    return sentences + [
        f"version {number(version)} has {len(tags)} tags that belong elsewhere"
        for version, tags in _outdated_tags(registry)
    ]


def migrate(registry: Registry) -> list[str]:
    """Bring the registry to the present layout; return what `outdated` returned before."""
    sentences = outdated(registry)
    client = registry.client
    for key, text in _shown_events(registry).items():
        hidden = key.replace(events.SHOWN_EVENT_TAG, events.EVENT_TAG, 1)
        retry_on_conflict(client.set_registered_model_tag, registry.name, hidden, text)
        retry_on_conflict(client.delete_registered_model_tag, registry.name, key)
    registry.introduce()
    for version in registry.versions():
        link(version)
    for version, tags in _outdated_tags(registry):
        _move_to_model(registry, version, tags)
        words = comparison(json.loads(tags.get(_FIGURES_TAG, "{}")))
        if words:
            registry.tag(version, {GATE_TAG: words})
        for key in tags:
            delete = client.delete_model_version_tag
            retry_on_conflict(delete, registry.name, version.version, key)
    return sentences


def _shown_events(registry: Registry) -> dict[str, str]:
    tags = registry.tags().items()
    return {key: text for key, text in tags if key.startswith(events.SHOWN_EVENT_TAG)}


def _outdated_tags(registry: Registry) -> Iterator[tuple[ModelVersion, dict[str, str]]]:
    """Yield versions with the tags to remove; what has no other place stays where it is."""
    for version in registry.versions():
        tags = {key: value for key, value in version.tags.items() if key in _IN_THE_EVENT}
        of_model = {
            key: value
            for key, value in version.tags.items()
            if key.startswith((METRIC_TAG, TRAINING))
        }
        if of_model and _takes_metrics(registry, version):
            tags |= of_model
        if tags:
            yield version, tags


def _takes_metrics(registry: Registry, version: ModelVersion) -> bool:
    """Return whether a version has a logged model, and the run by which metrics reach it."""
    if model_of(version) is None or not version.run_id:
        return False
    try:
        run = registry.client.get_run(version.run_id)
    except MlflowException as error:
        if is_absent(error):
            return False
        raise
    return run.info.lifecycle_stage == LifecycleStage.ACTIVE


def _move_to_model(registry: Registry, version: ModelVersion, tags: dict[str, str]) -> None:
    """Log metrics and parameters that are tags to the logged model."""
    model = model_of(version)
    if model is None or version.run_id is None:
        return
    figures = {key: value for key, value in tags.items() if key.startswith(METRIC_TAG)}
    figures |= {key: value for key, value in tags.items() if is_figure(key)}
    at = version.creation_timestamp or int(time.time() * 1000)
    metrics = [
        Metric(key.removeprefix(METRIC_TAG), float(value), at, 0, model_id=model.model_id)
        for key, value in figures.items()
    ]
    if metrics:
        registry.client.log_batch(version.run_id, metrics=metrics)
    known = model.params or {}
    params = {
        key: value
        for key, value in tags.items()
        if key.startswith(TRAINING) and key not in figures and key not in known
    }
    if params:
        registry.client.log_model_params(model.model_id, params)
