"""MLflow runs of the steps: where they are tracked, how they are opened, what all of them log.

The tracking store is `MLFLOW_TRACKING_URI`, with `MLFLOW_TRACKING_USERNAME` and `…_PASSWORD`
for a server such as DagsHub, or by default `mlflow.db` in the project's root.
"""

import json
import logging
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import mlflow
import yaml
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from forgery_pyfunc.errors import ForgeryError
from steps.configuration import PROJECT_ROOT, Workspace
from steps.entities import Entity
from steps.errors import GateRefusedError, TrackingError

logger = logging.getLogger(__name__)

RUN_VARIABLE = "MLFLOW_RUN_ID"

OUTCOME_TAG, REASON_TAG = "outcome", "reason"
"""Tags of a run that ended with an error: what it came to, and why in one sentence."""
FAILED, REFUSED = "failed", "refused"
CONTINUED_TAG = "continued_run"
"""Tag of a run that did its work in an earlier one, which had been stopped."""

Unfinished = Callable[[Any, Workspace], str | None]
"""Returns the id of the run that a step would continue with these settings, or None."""


def configure(experiment: str) -> None:
    """Choose store and experiment, unless `mlflow run` has opened a run for us already."""
    if RUN_VARIABLE in os.environ:
        return
    if "MLFLOW_TRACKING_URI" not in os.environ:
        mlflow.set_tracking_uri(f"sqlite:///{PROJECT_ROOT / 'mlflow.db'}")
    mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", experiment))


@contextmanager
def step_run(
    step: str, settings: Entity, workspace: Workspace, unfinished: Unfinished | None = None
) -> Iterator[Run]:
    """Open the step's MLflow run, log its resolved settings and note the run's id on success.

    Settings are logged as `train.epochs`, since `mlflow run` logs the bare names itself. Where
    `unfinished` names a run that was killed, that one goes on, and the new one says so in a tag.
    """
    with mlflow.start_run(run_name=step, log_system_metrics=True) as opened, ExitStack() as stack:
        run = opened
        try:
            if unfinished:
                run = _continued(unfinished(settings, workspace), stack) or opened
            values = settings.model_dump()
            mlflow.log_params({f"{step}.{key}": value for key, value in values.items()})
            mlflow.set_tags({"step": step, **provenance(workspace)})
            yield run
        except ForgeryError as error:
            outcome = REFUSED if isinstance(error, GateRefusedError) else FAILED
            mlflow.set_tags({OUTCOME_TAG: outcome, REASON_TAG: str(error)[:5000]})
            raise
        note_run(workspace.run_file(step), run)


def _continued(run_id: str | None, stack: ExitStack) -> Run | None:
    """Open the run again inside the active one; None where this server does not have it."""
    if not run_id or existing_run(run_id) is None:
        return None
    mlflow.set_tag(CONTINUED_TAG, run_id)
    logger.info("continuing run %s, which was stopped", run_id)
    return stack.enter_context(mlflow.start_run(run_id=run_id, nested=True))


def current_run() -> Run:
    """Return the MLflow run that is open; a step always has one."""
    run = mlflow.active_run()
    if run is None:
        raise RuntimeError("no MLflow run is open; call a step through `python -m steps`")
    return run


def provenance(workspace: Workspace) -> dict[str, str]:
    """Return tags that say which code and which data: the git commit and DVC's digest of the data.

    Either is absent where it is not known, as in a folder outside git or a run of `main`.
    """
    tags = {}
    git = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    if git.returncode == 0:
        tags["git_commit"] = git.stdout.strip()
    lock = workspace.root / "dvc.lock"
    if lock.is_file():
        outs = yaml.safe_load(lock.read_text("utf-8"))["stages"].get("ingest", {}).get("outs", [])
        tags.update({f"dvc.{out['path']}": out["md5"] for out in outs if "md5" in out})
    return tags


def note_run(path: Path, run: Run) -> None:
    """Write the run's id to a file, so that a later step, or DVC's cache, can find it again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    note = {"run_id": run.info.run_id, "experiment_id": run.info.experiment_id}
    path.write_text(json.dumps(note) + "\n", "utf-8")


def find_run(path: Path) -> Run | None:
    """Return the run noted in a file, or None where the current server does not have it.

    A stage that DVC restored from its cache brings the note of a run that may have been logged
    to another server.
    """
    if not path.is_file():
        return None
    return existing_run(json.loads(path.read_text("utf-8"))["run_id"])


def existing_run(run_id: str) -> Run | None:
    """Return the run, or None where the current server does not have it."""
    try:
        return MlflowClient().get_run(run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def explain(error: MlflowException) -> TrackingError:
    """Return MLflow's error as one sentence that names the server and what it said."""
    first_line = str(error).strip().splitlines()[0]
    return TrackingError(f"the tracking server {mlflow.get_tracking_uri()} failed: {first_line}")
