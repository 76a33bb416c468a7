"""How the runs of steps end."""

import os
import signal
import subprocess
import sys

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from steps import console
from steps.command import main
from steps.errors import GateRefusedError
from steps.registry.model_registry import CHAMPION, Registry
from steps.settings.configuration import PROJECT_ROOT, ConfigurationManager
from steps.settings.entities import RollbackSettings
from steps.tracking import runs

NAME = "forgery-detector"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """What `main` sets for libraries is gone afterwards: servers of other tests inherit it."""
    for name, value in console.QUIET.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def workspace(tmp_path):
    return ConfigurationManager().workspace(tmp_path)


def newest_run():
    return mlflow.search_runs(experiment_names=["e"], output_format="list")[0]


@pytest.mark.parametrize(
    ("error", "status"), [(GateRefusedError("no"), "FINISHED"), (OSError("no"), "FAILED")]
)
def test_a_refused_run_is_finished_and_a_broken_one_failed(
    tracking_store, workspace, error, status
):
    with (
        pytest.raises(Exception, match="no"),
        runs.step_run(RollbackSettings(), workspace),
    ):
        raise error
    assert newest_run().info.status == status


KILLED = """
import os, signal
from pathlib import Path
from steps.settings.configuration import PROJECT_ROOT, ConfigurationManager
from steps.settings.entities import RollbackSettings
from steps.tracking import runs
runs.configure("e")
workspace = ConfigurationManager().workspace(Path.cwd())
with runs.step_run(RollbackSettings(), workspace), runs.started(workspace, nested=True):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_runs_of_a_killed_process_are_ended_by_the_next_step_and_no_others(
    tracking_store, workspace, tmp_path
):
    store = {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(), "MLFLOW_EXPERIMENT_NAME": "e"}
    environment = os.environ | store | {"PYTHONPATH": str(PROJECT_ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", KILLED], cwd=tmp_path, env=environment, check=False
    )
    assert done.returncode == -signal.SIGKILL
    killed = mlflow.search_runs(experiment_names=["e"], output_format="list")
    assert [run.info.status for run in killed] == ["RUNNING", "RUNNING"]
    client, experiment = MlflowClient(), killed[0].info.experiment_id
    alive = [client.create_run(experiment, tags=tags) for tags in ({}, runs.process_tag())]
    with runs.step_run(RollbackSettings(), workspace):
        pass
    for group, expected in ((killed, "KILLED"), (alive, "RUNNING")):
        assert {client.get_run(run.info.run_id).info.status for run in group} == {expected}


def test_an_experiment_says_what_it_is_unless_somebody_said_so(tracking_store, workspace):
    client, experiment = MlflowClient(), mlflow.get_experiment_by_name("e")
    client.set_experiment_tag(experiment.experiment_id, "mlflow.note.content", "ours")
    with runs.step_run(RollbackSettings(), workspace):
        pass
    tags = client.get_experiment(experiment.experiment_id).tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    assert tags["mlflow.note.content"] == "ours"


@pytest.fixture
def without_champion(tracking_store, tmp_path, monkeypatch):
    """A registry whose champion was deleted by hand: the gate refuses to name another."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "e")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow.get_tracking_uri())
    registry = Registry(NAME)
    registry.move(registry.create(tmp_path.as_uri(), None, {}), "Production", {})
    registry.create(f"{tmp_path.as_uri()}/other", None, {})
    registry.client.delete_registered_model_alias(NAME, CHAMPION)


@pytest.mark.parametrize(("under_mlflow_run", "status"), [(False, 3), (True, 0)])
def test_a_refused_promotion_is_an_outcome(
    without_champion, tmp_path, monkeypatch, under_mlflow_run, status
):
    if under_mlflow_run:
        experiment = mlflow.get_experiment_by_name("e").experiment_id
        opened = MlflowClient().create_run(experiment)
        monkeypatch.setenv(runs.RUN_VARIABLE, opened.info.run_id)
    assert main(["promote", "--workspace", str(tmp_path)]) == status
    run = newest_run()
    assert run.info.status == "FINISHED"
    assert run.data.tags["outcome"] == "refused"
    assert "roll back first" in run.data.tags["reason"]
    assert run.data.tags["mlflow.note.content"].startswith("**Refused**: version 2 is not promoted")
    assert run.data.metrics["gate.passed"] == 0
