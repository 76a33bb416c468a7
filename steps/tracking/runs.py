"""MLflow runs of the steps: where they are tracked, how they are opened, what all of them log.

The tracking store is `MLFLOW_TRACKING_URI`, with `MLFLOW_TRACKING_USERNAME` and `…_PASSWORD`
for a server such as DagsHub, or by default `mlflow.db` in the project's root.
"""

import json
import logging
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import pandas as pd
import yaml
from mlflow.data.dataset import Dataset
from mlflow.entities import LifecycleStage, Run
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import (
    MLFLOW_DATASET_CONTEXT,
    MLFLOW_LOGGED_ARTIFACTS,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_RUN_NOTE,
)
from requests.exceptions import RequestException

from forgery_lab.files import write_whole
from forgery_pyfunc.errors import ForgeryError
from steps.errors import OutcomeError, TrackingError, first_line
from steps.settings.configuration import PROJECT_ROOT, Workspace
from steps.settings.entities import StepSettings
from steps.tracking import journal
from steps.tracking.journal import Journal
from steps.tracking.system_metrics import Sampler

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

VARIABLES = PROJECT_ROOT / ".env"
RUN_VARIABLE = "MLFLOW_RUN_ID"

OUTCOME_TAG, REASON_TAG = "outcome", "reason"
"""Tags of a run that failed, asked the gate or looked for drift: the outcome, and its reason in one
sentence."""
FAILED, REFUSED, PROMOTED, ALARM, QUIET = "failed", "refused", "promoted", "alarm", "quiet"
CONTINUED_TAG = "continued_run"
"""Tag of a run that did its work in an earlier one, which had been stopped."""
PROCESS_TAG = "mlflow.forgery.process"
"""Tag of a run: machine and process that have it open. A killed process cannot end its run."""


@dataclass(frozen=True)
class Judged:
    """The logged model that metrics are of, and the data set that it was judged on, where known."""

    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


EXPERIMENT_TAGS = {
    "mlflow.experimentKind": "custom_model_development",
    MLFLOW_RUN_NOTE: "Detectors of image forgery. A run named `pipeline` or `main` has the steps "
    "of one pipeline as children, and their settings and main figures: tick two to compare them.",
}
"""What an experiment gets that was given nothing of the kind."""
_SHARED_EXPERIMENT = "0"

Unfinished = Callable[[Any, Workspace], str | None]
"""Returns the id of the run that a step would continue with these settings, or None."""


def configure(experiment: str, retries: int | None = None) -> None:
    """Choose store and experiment, unless `mlflow run` has opened a run for us already.

    Args:
        experiment: its name, unless the environment has another.
        retries: how often a server that does not answer is asked again, unless the environment
            says so; MLflow's own number takes minutes.
    """
    if retries is not None and not MLFLOW_HTTP_REQUEST_MAX_RETRIES.is_set():
        MLFLOW_HTTP_REQUEST_MAX_RETRIES.set(retries)
    if is_project_run():
        return
    choose_store()
    mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", experiment))


def is_project_run() -> bool:
    """Return whether `mlflow run` has opened a run that this process has not taken over yet."""
    return RUN_VARIABLE in os.environ


def choose_store() -> None:
    """Use the store of the environment, else that of `make dagshub`, else `mlflow.db`."""
    if "MLFLOW_TRACKING_URI" not in os.environ and VARIABLES.is_file():
        lines = VARIABLES.read_text("utf-8").splitlines()
        os.environ |= dict(line.split("=", 1) for line in lines if "=" in line)
    if "MLFLOW_TRACKING_URI" not in os.environ:
        mlflow.set_tracking_uri(f"sqlite:///{PROJECT_ROOT / 'mlflow.db'}")


def introduce_experiment(experiment_id: str) -> None:
    """Have an experiment say what it is, unless it does, or is the one that everybody shares."""
    if experiment_id == _SHARED_EXPERIMENT:
        return
    client = MlflowClient()
    known = client.get_experiment(experiment_id).tags
    for key, value in EXPERIMENT_TAGS.items():
        if key not in known:
            client.set_experiment_tag(experiment_id, key, value)


@contextmanager
def step_run(
    settings: StepSettings, workspace: Workspace, unfinished: Unfinished | None = None
) -> Iterator[Run]:
    """Open the step's MLflow run, log its resolved settings and note the run's id on success.

    Where `unfinished` names a run that was killed, that one goes on, and the new one says so in a
    tag. A run that ends with a refusal by the gate or an alarm is finished: it did its work.
    """
    step = settings.step
    with started(workspace, run_name=step) as opened, ExitStack() as stack:
        run = opened
        stack.enter_context(_sampled(run))
        try:
            introduce_experiment(opened.info.experiment_id)
            if unfinished:
                run = _continued(unfinished(settings, workspace), workspace, stack) or opened
            log_settings(settings)
            set_tags({"step": step, **provenance(workspace)})
            yield run
        except OutcomeError:
            raise
        except (ForgeryError, MlflowException, OSError) as error:
            known = translated(error)
            with suppress(ForgeryError, MlflowException, OSError):  # the server may be what failed
                set_outcome(FAILED, str(known))
            if known is error:
                raise
            raise known from error
        note_run(workspace.run_file(step), run)


def _continued(run_id: str | None, workspace: Workspace, stack: ExitStack) -> Run | None:
    """Open the run again inside the active one; None where this server does not have it."""
    found = existing_run(run_id) if run_id else None
    if run_id is None or found is None:
        return None
    parent = {k: v for k, v in found.data.tags.items() if k == MLFLOW_PARENT_RUN_ID}
    set_tags({CONTINUED_TAG: run_id, **parent})
    logger.info("continuing run %s, which was stopped", run_id)
    return stack.enter_context(started(workspace, run_id=run_id, nested=True))


@contextmanager
def started(workspace: Workspace, **options: Any) -> Iterator[Run]:
    """Open an MLflow run; what it logs reaches a server also when that is down for minutes."""
    run = mlflow.start_run(**options, tags=process_tag())
    status = "FAILED"
    try:
        if not options.get("nested"):  # once for a step
            _end_killed(run)
        if mlflow.get_tracking_uri().startswith("http"):
            _open_journal(run.info.run_id, workspace.path("runs") / "journal")
        yield run
        status = "FINISHED"
    except OutcomeError:  # the step did its work
        status = "FINISHED"
        raise
    finally:
        is_finished = status == "FINISHED"
        patience = journal.PATIENCE if is_finished else journal.PATIENCE_AFTER_FAILURE
        _end(run.info.run_id, status, patience)


def process_tag() -> dict[str, str]:
    """Return the tag that says which process has a run open."""
    return {PROCESS_TAG: json.dumps({"machine": platform.node(), **journal.this_process()})}


def _end_killed(run: Run) -> None:
    """End the runs of the experiment that are open, though their process was killed."""
    client, experiment = MlflowClient(), run.info.experiment_id
    try:
        for other in client.search_runs([experiment], "attributes.status = 'RUNNING'"):
            owner = json.loads(other.data.tags.get(PROCESS_TAG, "{}"))
            if owner.get("machine") == platform.node() and not journal.is_running(owner):
                client.set_terminated(other.info.run_id, "KILLED")
    except (MlflowException, RequestException) as error:  # the next step ends them
        logger.warning("runs of killed processes stay open: %s", first_line(error))


@contextmanager
def _sampled(run: Run) -> Iterator[None]:
    """Log the load of the machine to the run, from a thread."""
    run_id = run.info.run_id
    sampler = Sampler(run_id, lambda metrics, step: _add(_values(step, metrics=metrics), run_id))
    sampler.start()
    try:
        yield
    finally:
        sampler.finish()


def current_run() -> Run:
    """Return the MLflow run that is open; a step always has one."""
    run = mlflow.active_run()
    if run is None:
        raise RuntimeError("no MLflow run is open; call a step through `python -m steps`")
    return run


def log_metrics(
    values: Mapping[str, float],
    step: int | None = None,
    of: Judged | None = None,
    run_id: str | None = None,
    at: float | None = None,
) -> None:
    """Log metrics to the active run or that of `run_id`, and to a logged model that they are of.

    They are of the time `at`, in seconds since 1970; by default of now.
    """
    metrics = {name: float(value) for name, value in values.items()}
    place = {key: value for key, value in asdict(of).items() if value} if of else {}
    when = None if at is None else int(at * 1000)
    _log(metrics=metrics, step=step or 0, run_id=run_id, at=when, **place)


def log_settings(settings: StepSettings, run_id: str | None = None) -> None:
    """Log settings as `train.epochs`: `mlflow run` logs the bare names itself."""
    _log(params=named_settings(settings), run_id=run_id)


def named_settings(settings: StepSettings) -> dict[str, str]:
    """Return the settings of a step as the parameters of a run, such as `train.epochs`."""
    return {f"{settings.step}.{key}": str(value) for key, value in settings.model_dump().items()}


def log_params(values: Mapping[str, Any]) -> None:
    """Log parameters to the active run, as text."""
    _log(params={name: str(value) for name, value in values.items()})


def set_tags(values: Mapping[str, Any]) -> None:
    """Set tags of the active run, as text."""
    _log(tags={name: str(value) for name, value in values.items()})


def set_outcome(outcome: str, reason: str, run_id: str | None = None) -> None:
    """Say in tags of the active run, or that of `run_id`, how its work ended, and why."""
    _log(tags={OUTCOME_TAG: outcome, REASON_TAG: reason[:5000]}, run_id=run_id)


def describe(text: str) -> None:
    """Set the description of the active run, Markdown, which its page shows."""
    set_tags({MLFLOW_RUN_NOTE: text})


def end_parent(run_id: str, status: str) -> None:
    """End the parent of the active run, which is not open in this process."""
    _add({"end": status, "at": int(time.time() * 1000), "run_id": run_id})


def log_input(data: Dataset, context: str) -> None:
    """Log a data set that the active run reads."""
    _add({"input": data.to_dict(), "tags": {MLFLOW_DATASET_CONTEXT: context}})


def log_input_model(model_id: str) -> None:
    """Log the logged model that the active run judges."""
    _add({"input_model": model_id})


def log_table(table: pd.DataFrame, name: str) -> None:
    """Log a table as MLflow's pages show it, also of several runs side by side.

    `mlflow.log_table` does the same, and needs the server at once.
    """
    log_text(table.to_json(orient="split", index=False), name)
    set_tags({MLFLOW_LOGGED_ARTIFACTS: json.dumps([{"path": name, "type": "table"}])})


def log_artifact(path: Path) -> None:
    """Log a file to the active run."""
    _log_files(lambda folder: shutil.copy(path, folder))


def log_artifacts(source: Path, name: str) -> None:
    """Log the files of a folder to the active run, under a name."""
    _log_files(lambda folder: shutil.copytree(source, folder, dirs_exist_ok=True), name)


def log_text(text: str, name: str) -> None:
    """Log text as a file of the active run."""
    path = Path(name)
    _log_files(lambda folder: (folder / path.name).write_text(text, "utf-8"), str(path.parent))


def log_figure(figure: "Figure", name: str) -> None:
    """Log a figure as an image file of the active run."""
    path = Path(name)
    _log_files(lambda folder: figure.savefig(folder / path.name), str(path.parent))


def _log(step: int = 0, **values: Any) -> None:
    _add(_values(step, **values))


def _values(step: int, **values: Any) -> dict[str, Any]:
    now = {"at": int(time.time() * 1000), "step": step}
    given = {key: value for key, value in values.items() if value is not None}
    return {"metrics": {}, "params": {}, "tags": {}, **now, **given}


_journals: dict[str, Journal] = {}
"""The journals of the open runs, by the run's id; a run on a local store has none."""
_left: list[Journal] = []
"""Those of earlier runs, whose entries are sent at the same time."""
_waited = 0.0
"""Seconds that this process has waited for a server that is down."""


def _add(entry: dict[str, Any], run_id: str | None = None) -> None:
    run_id = run_id or current_run().info.run_id
    if run_id in _journals:
        _journals[run_id].add(entry)
    else:
        journal.send(MlflowClient(), run_id, entry, Path())


def _log_files(write: Callable[[Path], object], name: str = "") -> None:
    """Have the files of an entry written into a folder, and log them under a name."""
    name = "" if name == "." else name
    own_journal = _journals.get(current_run().info.run_id)
    if own_journal:
        folder = own_journal.new_files()
        write(folder)
        own_journal.add({"files": str(folder.relative_to(own_journal.folder)), "to": name})
        return
    with tempfile.TemporaryDirectory() as scratch:
        write(Path(scratch))
        _add({"files": scratch, "to": name})


def _open_journal(run_id: str, folder: Path) -> None:
    """Begin to send what earlier runs could not send, and keep a journal of this one."""
    uri = mlflow.get_tracking_uri()
    for left, earlier in journal.left_behind(folder, uri):
        logger.info("sending what run %s could not send", earlier)
        _left.append(Journal(left, earlier, uri))
    _journals[run_id] = Journal(folder / run_id, run_id, uri)


def _end(run_id: str, status: str, patience: float) -> None:
    """End the active run, by its journal where it has one: the server may be down."""
    own_journal = _journals.pop(run_id, None)
    if own_journal is None:
        mlflow.end_run(status)
        return
    sent = False
    try:
        own_journal.add({"end": status, "at": int(time.time() * 1000)})
        sent = _close(own_journal, patience)
        while _left and not _journals:
            _close_earlier(_left.pop(), patience)
    finally:
        with ExitStack() as stack:
            if not sent:
                stack.enter_context(_without_retries())
            try:
                mlflow.end_run(status)
            except (MlflowException, RequestException) as error:
                logger.warning("the end of the run is not on the tracking server yet: %s", error)


def _close(one: Journal, patience: float) -> bool:
    """Wait until a journal is sent, yet for all journals together no longer than `patience`."""
    global _waited
    began = time.monotonic()
    try:
        return one.close(max(patience - _waited, 0.0))
    finally:
        _waited += time.monotonic() - began


def _close_earlier(one: Journal, patience: float) -> None:
    try:
        _close(one, patience)
    except TrackingError as error:  # the run was deleted, for one
        logger.warning("run %s: %s", one.run_id, error)


@contextmanager
def _without_retries() -> Iterator[None]:
    """Ask a server that is known to be down once only."""
    before = MLFLOW_HTTP_REQUEST_MAX_RETRIES.get_raw()
    MLFLOW_HTTP_REQUEST_MAX_RETRIES.set(0)
    try:
        yield
    finally:
        if before is None:
            MLFLOW_HTTP_REQUEST_MAX_RETRIES.unset()
        else:
            MLFLOW_HTTP_REQUEST_MAX_RETRIES.set(before)


def provenance(workspace: Workspace) -> dict[str, str]:
    """Return tags that say which code and which data: the git commit and DVC's digest of the data.

    Either is absent where it is not known, as in a folder outside git or a run of `main`.
    """
    tags = git_commit()
    lock = workspace.root / "dvc.lock"
    if lock.is_file():
        outs = yaml.safe_load(lock.read_text("utf-8"))["stages"].get("ingest", {}).get("outs", [])
        tags.update({f"dvc.{out['path']}": out["md5"] for out in outs if "md5" in out})
    return tags


def git_commit() -> dict[str, str]:
    """Return {"git_commit": …} of this code, or nothing outside git."""
    git = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    return {"git_commit": git.stdout.strip()} if git.returncode == 0 else {}


def note_run(path: Path, run: Run) -> None:
    """Write the run's id to a file, so that a later step, or DVC's cache, can find it again."""
    note = {"run_id": run.info.run_id, "experiment_id": run.info.experiment_id}
    write_whole(path, json.dumps(note) + "\n", alone=True)


def find_run(path: Path) -> Run | None:
    """Return the run noted in a file, or None where the current server does not have it.

    A stage that DVC restored from its cache brings the note of a run that may have been logged
    to another server.
    """
    if not path.is_file():
        return None
    return existing_run(json.loads(path.read_text("utf-8"))["run_id"])


def existing_run(run_id: str) -> Run | None:
    """Return the run, or None where the current server does not have it, or it was deleted."""
    try:
        run = MlflowClient().get_run(run_id)
        return run if run.info.lifecycle_stage == LifecycleStage.ACTIVE else None
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def translated(error: ForgeryError | MlflowException | OSError) -> ForgeryError:
    """Return an error that a user can correct as one sentence, whoever raised it."""
    if isinstance(error, ForgeryError):
        return error
    if isinstance(error, MlflowException):
        return explain(error)
    if isinstance(error, RequestException):
        return TrackingError(f"the tracking server does not answer: {error}")
    name = f" ({error.filename})" if error.filename else ""
    return ForgeryError(f"{error.strerror or error}{name}")


def explain(error: MlflowException) -> TrackingError:
    """Return MLflow's error as one sentence that names the server and the reason."""
    if is_unauthorised(error):
        user = os.environ.get("MLFLOW_TRACKING_USERNAME")
        rejected = f"the user {user} with this password" if user else "a request without a user"
        return TrackingError(
            f"the tracking server {mlflow.get_tracking_uri()} does not accept {rejected}; set "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        )
    return TrackingError(
        f"the tracking server {mlflow.get_tracking_uri()} failed: {first_line(error)}"
    )


def is_unauthorised(error: MlflowException) -> bool:
    """Return whether the server does not accept our credentials."""
    return error.get_http_status_code() == HTTPStatus.UNAUTHORIZED or "error code 401" in str(error)
