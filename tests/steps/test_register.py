"""A version gets the figures of its own detector, and of no other."""

import json
import shutil

import pytest

from forgery_lab import report
from forgery_pyfunc.detector import read_description
from steps import register
from steps.configuration import ConfigurationManager


@pytest.fixture
def workspace(tmp_path, detector_folder):
    """A workspace with a detector and figures that are of this detector."""
    made = ConfigurationManager().workspace(tmp_path)
    shutil.copytree(detector_folder, made.path("detector"))
    description = read_description(detector_folder)
    model = {key: description[key] for key in ("calibration", "training")}
    made.path("evaluation").mkdir(parents=True)
    auc = {"auc": {"value": 0.75}}
    figures = {"protocols": {"C": {"metrics": auc}}, "where": {}, "model": model}
    (made.path("evaluation") / report.FIGURES).write_text(json.dumps(figures))
    made.path("metrics").write_text(json.dumps({"C": {"auc": 0.75}}))
    return made


def change(path, part, **values):
    content = json.loads(path.read_text())
    (content[part] if part else content).update(values)
    path.write_text(json.dumps(content))


def tags(workspace):
    folder = workspace.path("detector")
    own = register.scores(register.evaluation_of(folder, workspace))
    return {**register.facts(folder), **own, **register.provenance_of_training(workspace)}


def test_figures_of_this_detector_become_tags(workspace):
    assert tags(workspace)["metric.C.auc"] == "0.75"


@pytest.mark.parametrize("model", [{"training": {"epochs": 99}}, {"calibration": {}}, {"folds": 5}])
def test_figures_of_other_models_do_not(workspace, model):
    change(workspace.path("evaluation") / report.FIGURES, "model", **model)
    assert not [name for name in tags(workspace) if name.startswith("metric.")]


def test_code_and_data_are_those_that_the_detector_notes(workspace):
    path = workspace.path("detector") / "detector.json"
    assert "git_commit" not in tags(workspace)
    change(path, None, provenance={"git_commit": "c0ffee", "data_digest": "5eed"})
    assert tags(workspace)["git_commit"] == "c0ffee"
    assert tags(workspace)["data_digest"] == "5eed"


def test_a_detector_that_tells_nothing_of_its_training_is_registered_all_the_same(workspace):
    path = workspace.path("detector") / "detector.json"
    content = json.loads(path.read_text())
    del content["training"]
    path.write_text(json.dumps(content))
    assert not [name for name in tags(workspace) if name.startswith("metric.")]
