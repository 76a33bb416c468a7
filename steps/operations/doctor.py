"""The checks of `forgery doctor`, from the tracking server to processor and disk."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import mlflow
import requests
from dvc.exceptions import DvcException
from dvc.repo import Repo
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from steps.errors import first_line
from steps.operations import golden
from steps.registry import migration
from steps.registry.model_registry import CHAMPION, Registry, number
from steps.settings.configuration import PROJECT_ROOT, Workspace
from steps.tracking.runs import is_unauthorised

SECONDS = 10
"""Time that the tracking server has for an answer."""
LEAST_GIGABYTES = 3
MOST_SECONDS_OFF = 60
"""S3 refuses requests that are a quarter of an hour off; logs are confusing long before."""
NO_OBJECT = "0" * 32

QUICK = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(SECONDS),
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
"""Variables that make MLflow answer soon or fail."""


@dataclass(frozen=True)
class Finding:
    """The result of one check, and, where something is wrong, the remedy."""

    subject: str
    result: str
    remedy: str = ""

    @property
    def is_sound(self) -> bool:
        """Whether there is nothing to do."""
        return not self.remedy


def examine(workspace: Workspace, experiment: str, repair: bool) -> Iterator[Finding]:
    """Yield the result of every check; with `repair`, the registry is repaired first."""
    os.environ |= QUICK
    answering = tracking()
    yield answering
    if answering.is_sound:
        if mlflow.get_tracking_uri().startswith("http"):
            yield from (server_version(), clock())
        yield registry(Registry(workspace.registered_model), repair)
        yield champion(Registry(workspace.registered_model))
        yield artefacts(experiment)
    yield from dvc_remotes()
    yield processor()
    yield disk()


def tracking() -> Finding:
    """Return whether the tracking server answers and takes our credentials."""
    uri = mlflow.get_tracking_uri()
    try:
        MlflowClient().search_experiments(max_results=1)
    except MlflowException as error:
        return Finding("tracking", f"{uri}: {first_line(error)}", remedy_for(error))
    return Finding("tracking", f"{uri} answers")


def remedy_for(error: MlflowException) -> str:
    """Return what to do about an answer of the tracking server."""
    if is_unauthorised(error):
        return "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (DagsHub: a token)"
    return "check that MLFLOW_TRACKING_URI is right and the server is up"


def server_version() -> Finding:
    """Return whether the server has the major release that this project is tested with."""
    answer = _get("/version")
    theirs = answer.text.strip() if answer is not None and answer.ok else "unknown"
    if theirs.split(".")[0] == mlflow.__version__.split(".")[0] or theirs == "unknown":
        return Finding("version", f"server {theirs}, client {mlflow.__version__}")
    result = f"the server has MLflow {theirs}, the client {mlflow.__version__}"
    return Finding("version", result, "use a server of the same major release")


def clock() -> Finding:
    """Return whether our clock agrees with the server's."""
    answer = _get("/health")
    date = answer.headers.get("Date") if answer is not None else None
    if date is None:
        return Finding("clock", "the server sends no date")
    off = (datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds()
    result = f"{abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the server"
    return Finding("clock", result, "" if abs(off) < MOST_SECONDS_OFF else "set the clock (NTP)")


def _get(path: str) -> requests.Response | None:
    user = os.environ.get("MLFLOW_TRACKING_USERNAME", "")
    secret = os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
    try:
        return requests.get(
            mlflow.get_tracking_uri() + path,
            auth=(user, secret) if user else None,
            timeout=SECONDS,
        )
    except requests.RequestException:
        return None


def registry(models: Registry, repair: bool) -> Finding:
    """Return whether aliases, tags and stages agree; with `repair`, make them.

    A registry of an earlier version works as it is; `repair` brings it to the present layout.
    """
    if repair:
        repaired = [*models.repair(), *migration.migrate(models)]
        if repaired:
            return Finding("registry", f"repaired: {'; '.join(repaired)}")
    drift, old = models.drift(), migration.outdated(models)
    remedy = "run `forgery doctor --repair`" if drift else ""
    result = "; ".join(drift) or "aliases, tags and stages agree"
    hint = f" (`forgery doctor --repair` tidies up: {'; '.join(old)})" if old else ""
    return Finding("registry", f"{result}{hint}", remedy)


def champion(models: Registry) -> Finding:
    """Return whether there is a champion, and its files are where the registry says."""
    version = models.by_alias(CHAMPION)
    if version is None:
        remedy = "run `mlflow run . -e rollback`, or `make pipeline` for a first one"
        return Finding("champion", f"{models.name} has none", remedy)
    try:
        mlflow.models.get_model_info(models.uri(version))
    except (MlflowException, OSError) as error:
        result = f"version {number(version)} cannot be read: {first_line(error)}"
        return Finding(
            "champion", result, "restore its artefacts, or run `mlflow run . -e rollback`"
        )
    return Finding("champion", f"version {number(version)}")


def artefacts(experiment: str) -> Finding:
    """Return whether a file can be logged and read back, in a run that is deleted again."""
    client = MlflowClient()
    found = client.get_experiment_by_name(experiment)
    identity = found.experiment_id if found else client.create_experiment(experiment)
    run = client.create_run(identity, run_name="doctor")
    try:
        client.log_text(run.info.run_id, "sound", "doctor.txt")
        text = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/doctor.txt")
    except Exception as error:  # artefact stores raise what they like
        remedy = "check that the artefact store is up and that you may write to it"
        return Finding("artefacts", f"{run.info.artifact_uri}: {first_line(error)}", remedy)
    finally:
        client.delete_run(run.info.run_id)
    where = run.info.artifact_uri.split("/artifacts")[0]
    return Finding("artefacts", f"logged and read back in {where}" if text == "sound" else text)


def dvc_remotes() -> Iterator[Finding]:
    """Yield whether each DVC remote can be asked for an object."""
    with Repo(str(PROJECT_ROOT)) as repo:
        names = list(repo.config["remote"])
        if not names:
            yield Finding("dvc", "no remote", "dvc remote add -d NAME URL")
        for name in names:
            url = repo.config["remote"][name]["url"]
            yield _dvc_remote(name, url, lambda name=name: repo.cloud.get_remote_odb(name))


def _dvc_remote(name: str, url: str, opened: Callable) -> Finding:
    subject, remedy = f"dvc {name}", f"see `dvc remote modify --local {name}` for credentials"
    try:
        objects = opened()
        if url.startswith("http"):  # else every answer, and none, counts as "it is not there"
            objects.fs.fs.exists(objects.oid_to_path(NO_OBJECT), strict=True)
        else:
            objects.exists(NO_OBJECT)
    except (DvcException, OSError, ValueError) as error:
        return Finding(subject, f"{url}: {first_line(error)}", remedy)
    except Exception as error:  # every kind of remote brings a library with errors of its own
        return Finding(subject, f"{url}: {type(error).__name__}: {first_line(error)}", remedy)
    return Finding(subject, f"{url} answers")


def processor() -> Finding:
    """Return whether the shipped detector says here what it said where it was shipped."""
    here, known = golden.probabilities(), golden.known()
    if not (names := golden.differing(here)):
        result = f"{len(here)} pictures have the probabilities that are known, within"
        return Finding("processor", f"{result} {golden.TOLERANCE:g}")
    name, *others = names
    also = f", and {len(others)} others differ" if others else ""
    return Finding(
        "processor",
        f"{name}: probability {here[name]} here, {known[name]} where it was shipped{also}",
        "compare numpy, Pillow and onnxruntime with requirements/serve.lock; where they have these "
        "versions, this processor computes otherwise: let others score",
    )


def disk() -> Finding:
    """Return whether there is room for data, features and models."""
    free = shutil.disk_usage(PROJECT_ROOT).free / 1e9
    result = f"{free:.0f} GB free"
    remedy = f"free some space: {LEAST_GIGABYTES} GB are needed" if free < LEAST_GIGABYTES else ""
    return Finding("disk", result, remedy)
