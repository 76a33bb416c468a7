"""The runs of one pipeline have one parent, also where every stage is a process of its own."""

from contextlib import suppress

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from forgery_pyfunc.errors import ForgeryError
from steps.errors import GateRefusedError
from steps.settings.configuration import ConfigurationManager
from steps.settings.entities import SETTINGS
from steps.tracking import parent_run, runs

PARENT = "mlflow.parentRunId"


@pytest.fixture
def step(tracking_store, tmp_path, monkeypatch):
    """Run a step that does nothing, as a stage of DVC's or not; return its run."""
    manager = ConfigurationManager()
    workspace = manager.workspace(tmp_path / "workspace")

    def run_step(name, by_dvc=False, error=None, **options):
        monkeypatch.delenv(parent_run.STAGE_VARIABLE, raising=False)
        if by_dvc:
            monkeypatch.setenv(parent_run.STAGE_VARIABLE, name)
        settings = manager.settings(SETTINGS[name], options)
        with (
            suppress(ForgeryError),
            runs.step_run(settings, workspace) as run,
            parent_run.joined(run, settings, workspace),
        ):
            parent_run.show({f"{name}.shown": 1})
            parent_run.set_outcome(f"{name} is done", "it was asked to")
            if error:
                raise error
        return MlflowClient().get_run(run.info.run_id)

    return run_step


def parent_of(run):
    return run.data.tags.get(PARENT)


def test_stages_and_what_follows_them_are_children_of_one_run(step):
    children = [step(name, by_dvc=True) for name in ("ingest", "train", "evaluate")]
    children += [step("register"), step("promote", error=GateRefusedError("no"))]
    (parent_id,) = {parent_of(child) for child in children}
    parent = MlflowClient().get_run(parent_id)
    assert (parent.info.run_name, parent.info.status) == ("pipeline", "FINISHED")
    assert parent.info.experiment_id == children[0].info.experiment_id
    assert parent.data.params.items() >= children[1].data.params.items()
    assert parent.data.metrics["evaluate.shown"] == 1
    assert parent.data.tags["outcome"] == "promote is done"
    assert parent_of(parent) is None

    again = step("train", by_dvc=True)
    assert parent_of(again) not in (None, parent_id)
    assert parent_of(step("register")) == parent_of(again)


def test_a_step_by_itself_has_no_parent(step):
    assert parent_of(step("train")) is None
    step("evaluate", by_dvc=True)
    assert parent_of(step("evaluate")) is None
    assert parent_of(step("promote")) is None, "it may ask for any version"


def test_a_stage_that_failed_is_tried_again_in_the_same_pipeline(step):
    failed = step("train", by_dvc=True, error=ForgeryError("broken"))
    assert MlflowClient().get_run(parent_of(failed)).info.status == "FAILED"
    again = step("train", by_dvc=True)
    assert parent_of(again) == parent_of(failed)
    assert MlflowClient().get_run(parent_of(failed)).info.status == "FINISHED"


def test_other_settings_begin_another_pipeline(step):
    failed = step("train", by_dvc=True, error=ForgeryError("broken"), epochs="3")
    assert parent_of(step("train", by_dvc=True, epochs="4")) != parent_of(failed)


def test_a_child_of_main_stays_one_and_does_not_end_it(step, monkeypatch):
    client, experiment = MlflowClient(), mlflow.get_experiment_by_name("e").experiment_id
    parent = client.create_run(experiment).info.run_id
    child = client.create_run(experiment, tags={PARENT: parent}).info.run_id
    monkeypatch.setenv(runs.RUN_VARIABLE, child)
    assert step("train").info.run_id == child
    found = client.get_run(parent)
    assert found.info.status == "RUNNING"
    assert found.data.params["train.network"] == "blocks"
