"""One parent run per pipeline, with the runs of its steps as children.

`main` opens a run of its own for that. Under `dvc repro` every stage is a process of its own: the
first one opens the parent, and the workspace keeps its id in a file, by which the later stages,
`register` and `promote` find it again as long as the same pipeline goes on.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import (
    MLFLOW_GIT_COMMIT,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_SOURCE_NAME,
    MLFLOW_SOURCE_TYPE,
    MLFLOW_USER,
)

from forgery_lab.files import write_whole
from steps.errors import OutcomeError
from steps.settings.configuration import Workspace
from steps.settings.entities import StepSettings
from steps.tracking import runs

ORDER = ("ingest", "preprocess", "train", "evaluate", "register", "promote")
NOTE, NAME = "pipeline.json", "pipeline"
STAGE_VARIABLE = "DVC_STAGE"
"""DVC sets it for the command of a stage."""

_INHERITED = (MLFLOW_USER, MLFLOW_SOURCE_NAME, MLFLOW_SOURCE_TYPE, MLFLOW_GIT_COMMIT)
_parents: ContextVar[Mapping[str, str]] = ContextVar("parents", default=MappingProxyType({}))
"""The parent's id by that of the step's run; runs that a step opens itself have none here."""


@dataclass(frozen=True)
class Pipeline:
    """What a workspace notes of its pipeline: the parent run, and its last step."""

    run_id: str
    step: str
    is_finished: bool

    def goes_on_with(self, step: str) -> bool:
        """Return whether a step belongs to the same pipeline, and does not begin another.

        One that comes later does, and the last one again where it failed. `promote` may ask for
        any version: it belongs to a pipeline only where `register` came before.
        """
        if step == "promote" and self.step not in ("register", "promote"):
            return False
        later = ORDER.index(step) - ORDER.index(self.step)
        return later > 0 or (later == 0 and not self.is_finished)


@contextmanager
def joined(run: Run, settings: StepSettings, workspace: Workspace) -> Iterator[None]:
    """Make the active run a child of its pipeline's, which shows the settings of all steps."""
    note = workspace.path("runs") / NOTE
    parent = _find_parent(run, settings, note)
    if parent is None:
        yield
        return
    runs.set_tags({MLFLOW_PARENT_RUN_ID: parent.info.run_id})
    runs.log_settings(settings, run_id=parent.info.run_id)
    token = _parents.set({run.info.run_id: parent.info.run_id})
    try:
        if MLFLOW_PARENT_RUN_ID in run.data.tags and not _is_noted(parent, note):
            yield  # whoever opened it ends it
        else:
            with _going_on(parent, settings.step, note):
                yield
    finally:
        _parents.reset(token)


def show(metrics: Mapping[str, float]) -> None:
    """Log the figures of a step that tell pipelines apart to the parent run, if there is one."""
    parent_id = _parents.get().get(runs.current_run().info.run_id)
    if parent_id:
        runs.log_metrics(metrics, run_id=parent_id)


def set_outcome(outcome: str, reason: str) -> None:
    """Say in tags of the active run, and of its parent, how a step ended, and why."""
    runs.set_outcome(outcome, reason)
    parent_id = _parents.get().get(runs.current_run().info.run_id)
    if parent_id:
        runs.set_outcome(outcome, reason, run_id=parent_id)


def _find_parent(run: Run, settings: StepSettings, path: Path) -> Run | None:
    """Return the parent that the run has or should have; the first stage of DVC's opens one."""
    own = run.data.tags.get(MLFLOW_PARENT_RUN_ID)
    if own:
        return runs.existing_run(own)
    if settings.step not in ORDER:
        return None
    known = _read(path)
    if known and known.goes_on_with(settings.step):
        found = runs.existing_run(known.run_id)
        if found and _takes(found, run, settings):
            return found
    return _opened(run) if STAGE_VARIABLE in os.environ else None


def _takes(parent: Run, child: Run, settings: StepSettings) -> bool:
    """Return whether both are in one experiment, and no other settings of the step are known.

    MLflow's parameters cannot be changed.
    """
    known = parent.data.params
    own = runs.named_settings(settings)
    same = all(known.get(name, value) == value for name, value in own.items())
    return same and parent.info.experiment_id == child.info.experiment_id


def _opened(child: Run) -> Run:
    tags = {key: child.data.tags[key] for key in _INHERITED if key in child.data.tags}
    tags |= runs.process_tag()
    return MlflowClient().create_run(child.info.experiment_id, tags=tags, run_name=NAME)


@contextmanager
def _going_on(parent: Run, step: str, path: Path) -> Iterator[None]:
    """The parent runs while the step does, and ends as the step does."""
    parent_id, is_finished = parent.info.run_id, False
    _write(path, Pipeline(parent_id, step, is_finished))
    for key, value in runs.process_tag().items():
        MlflowClient().set_tag(parent_id, key, value)
    MlflowClient().update_run(parent_id, status="RUNNING")
    try:
        yield
        is_finished = True
    except OutcomeError:  # the step did its work
        is_finished = True
        raise
    finally:
        _write(path, Pipeline(parent_id, step, is_finished))
        runs.end_parent(parent_id, "FINISHED" if is_finished else "FAILED")


def _is_noted(parent: Run, path: Path) -> bool:
    known = _read(path)
    return known is not None and known.run_id == parent.info.run_id


def _read(path: Path) -> Pipeline | None:
    return Pipeline(**json.loads(path.read_text("utf-8"))) if path.is_file() else None


def _write(path: Path, pipeline: Pipeline) -> None:
    write_whole(path, json.dumps(asdict(pipeline)) + "\n", alone=True)
