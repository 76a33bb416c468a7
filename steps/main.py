"""The whole pipeline, or a part of it, as child runs of one parent run."""

import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import mlflow
from mlflow.entities import Run
from mlflow.exceptions import ExecutionException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from steps.errors import SettingsError, StepFailedError
from steps.settings.configuration import (
    PROJECT_ROOT,
    ConfigurationManager,
    Workspace,
    read_overrides,
)
from steps.settings.entities import SETTINGS, MainSettings, Paths
from steps.tracking.runs import ALARM, OUTCOME_TAG, REASON_TAG, REFUSED, current_run

logger = logging.getLogger(__name__)


def run(settings: MainSettings, workspace: Workspace) -> None:
    """Run the steps in order in a folder of the run's own; stop at the first that fails."""
    parameters = planned(settings)
    parent_id = current_run().info.run_id
    folder = settings.folder or workspace.root / workspace.paths.runs / "main" / parent_id
    folder = new_folder(folder.resolve())
    if settings.steps[0] != "ingest":
        link_outputs(workspace, folder)
    for position, step in enumerate(settings.steps, start=1):
        logger.info("step %d of %d: %s, in %s", position, len(settings.steps), step, folder)
        run_child(step, {**parameters[step], "workspace": str(folder)}, parent_id)


def planned(settings: MainSettings) -> dict[str, dict[str, str]]:
    """Return the parameters of every step, all of which its entity accepts.

    Raises:
        SettingsError: before any work is done.
    """
    allowed = [step for step in SETTINGS if step not in ("main", "serve")]
    for step in settings.steps:
        if step not in allowed:
            raise SettingsError(f"-P: main.steps names {step!r}; allowed: {', '.join(allowed)}")
    overrides = read_overrides(settings.overrides, settings.step, allowed)
    manager = ConfigurationManager()
    parameters = {}
    for step in (*settings.steps, *overrides):
        parameters[step] = {**overrides.get(step, {}), **of_other_steps(step, overrides)}
        if step == "ingest" and settings.source:
            parameters[step]["source"] = settings.source
        manager.settings(SETTINGS[step], parameters[step])
    return parameters


def of_other_steps(step: str, overrides: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the parameter `overrides` of a step that works with the settings of others."""
    own = overrides.get(step, {}).get("overrides", "")
    pairs = [
        f"{other}.{key}={value}"
        for other in SETTINGS[step].other_steps()
        for key, value in overrides.get(other, {}).items()
    ]
    return {"overrides": ",".join([*pairs, *([own] if own else [])])} if pairs else {}


def new_folder(folder: Path) -> Path:
    """Make the folder to work in; raise `SettingsError` where something is in it already."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError(f"-P: main.folder is {folder}; allowed: a new or empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def link_outputs(workspace: Workspace, folder: Path) -> None:
    """Give a part of the pipeline the outputs of the steps before it.

    Hard links do: steps replace their outputs and never write into them. On another file system
    they are copies.
    """
    for name in Paths.model_fields:
        source, target = workspace.path(name), folder / getattr(workspace.paths, name)
        if name in ("runs", "random_split") or not source.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, copy_function=link_or_copy, dirs_exist_ok=True)
        else:
            link_or_copy(source, target)


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Give a file a second name, or copy it where the file system cannot."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def run_child(step: str, parameters: dict[str, str], parent_id: str) -> None:
    """Run one entry point as a child run, in the environment that is already active.

    A refusal by the gate is no failure.

    Raises:
        StepFailedError: naming the step and its reason.
    """
    try:
        mlflow.projects.run(
            str(PROJECT_ROOT), step, parameters=parameters, env_manager="local", run_name=step
        )
    except ExecutionException as error:
        tags = newest_child(parent_id).data.tags
        reason = tags.get(REASON_TAG, "its output above says why")
        raise StepFailedError(f"{step} failed: {reason}") from error
    tags = newest_child(parent_id).data.tags
    if tags.get(OUTCOME_TAG) == REFUSED:
        logger.warning("%s: %s; the current champion remains", step, tags[REASON_TAG])
    if tags.get(OUTCOME_TAG) == ALARM:
        logger.warning("%s: %s", step, tags[REASON_TAG])


def newest_child(parent_id: str) -> Run:
    """Return the child run that was started last."""
    runs = MlflowClient().search_runs(
        [current_run().info.experiment_id],
        f"tags.{MLFLOW_PARENT_RUN_ID} = '{parent_id}'",
        order_by=["attributes.start_time DESC"],
        max_results=1,
    )
    return runs[0]
