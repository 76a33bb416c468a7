"""A version gets the figures of its own detector, and of no other."""

import json
import shutil

import mlflow
import pytest

from forgery_lab.evaluation import results
from forgery_pyfunc.detector import CARD_FILE, FIGURES_FILE, read_description
from steps.pipeline import promotion, registration
from steps.registry import logged_model
from steps.registry.model_registry import CHALLENGER, DIGEST_TAG, Registry
from steps.settings.configuration import ConfigurationManager
from steps.settings.entities import PromoteSettings
from tests.lab.evaluation.made import estimate, evaluation, figures_of


@pytest.fixture
def gate():
    """What `params.yaml` asks of a champion."""
    return ConfigurationManager().settings(PromoteSettings)


@pytest.fixture
def workspace(tmp_path, detector_folder):
    """A workspace with a detector and figures that are of this detector."""
    made = ConfigurationManager().workspace(tmp_path)
    shutil.copytree(detector_folder, made.path("detector"))
    description = read_description(detector_folder)
    model = {key: description[key] for key in ("calibration", "training")}
    made.path("evaluation").mkdir(parents=True)
    of_c = {**figures_of(1), "metrics": {"auc": estimate(0.75, 0.7, 0.8)}, "confusion": None}
    of_c = evaluation(protocols={"C": of_c}, where={}, model=model)
    results.write(made.path("evaluation") / FIGURES_FILE, of_c)
    made.path("metrics").write_text(json.dumps({"C": {"auc": 0.75}}))
    return made


def change(path, part, **values):
    content = json.loads(path.read_text())
    (content[part] if part else content).update(values)
    path.write_text(json.dumps(content))


def figures(workspace):
    return registration.scores(registration.evaluation_of(workspace.path("detector"), workspace))


def test_figures_of_this_detector_become_metrics(workspace):
    assert figures(workspace) == {"C.auc": 0.75}


def test_a_version_has_few_tags_and_its_logged_model_the_metrics_and_parameters(
    workspace, tracking_store
):
    training = {"epochs": 3, "learning_rate": 0.00123456, "held_out_recall": 0.3518850987432675}
    change(workspace.path("detector") / "detector.json", None, training=training)
    change(workspace.path("evaluation") / FIGURES_FILE, "model", training=training)
    (workspace.path("detector") / CARD_FILE).write_text("# The card")
    registry = Registry(workspace.registered_model)
    with mlflow.start_run():
        version = registration.register(workspace.path("detector"), registry, workspace)
    assert set(version.tags) == {DIGEST_TAG, "detector", "auc_matched"}
    assert version.tags["auc_matched"] == "0.75 (0.70 to 0.80)"
    model = logged_model.model_of(version)
    assert not logged_model.is_unlinked(version)
    assert model.params["training.epochs"] == "3"
    assert model.params["training.learning_rate"] == "0.001235"
    expected = {"C.auc": 0.75, "training.held_out_recall": 0.3518850987432675}
    assert logged_model.metrics_of(version) == expected


@pytest.mark.parametrize("model", [{"training": {"epochs": 99}}, {"calibration": {}}, {"folds": 5}])
def test_figures_of_other_models_do_not(workspace, model):
    change(workspace.path("evaluation") / FIGURES_FILE, "model", **model)
    assert figures(workspace) == {}


def test_figures_of_protocol_a_that_stand_beside_do_not(workspace):
    content = json.loads((workspace.path("evaluation") / FIGURES_FILE).read_text())
    beside = {"A": {**content["protocols"]["C"], "of": "another model"}}
    change(workspace.path("evaluation") / FIGURES_FILE, "protocols", **beside)
    assert list(figures(workspace)) == ["C.auc"]


def test_a_first_start_that_was_stopped_before_the_gate_is_taken_up(
    workspace, gate, detector_folder, tracking_store, monkeypatch
):
    monkeypatch.setattr(registration, "SHIPPED", detector_folder)
    shutil.rmtree(workspace.path("evaluation"))
    judged = []

    def promote(settings, _):
        judged.append((settings.version, settings.stage, settings.margin, settings.force))
        if len(judged) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(promotion, "promote", promote)
    gate = gate.model_copy(update={"margin": 0.5, "stage": "Staging", "force": True})
    with pytest.raises(KeyboardInterrupt):
        registration.ensure_champion(gate, workspace)
    registration.ensure_champion(gate, workspace)
    assert judged == [(1, "Production", 0.5, False)] * 2
    registry = Registry(workspace.registered_model)
    assert len(registry.versions()) == 1
    registry.move(registry.by_number(1), "Production", {})
    registration.ensure_champion(gate, workspace)
    assert judged == [(1, "Production", 0.5, False)] * 2


def test_a_detector_that_is_registered_already_is_the_challenger_again(
    workspace, gate, detector_folder, tracking_store, monkeypatch
):
    monkeypatch.setattr(registration, "ensure_champion", lambda *_: None)
    registry = Registry(workspace.registered_model)
    known = {DIGEST_TAG: registration.detector_digest(workspace.path("detector"))}
    for version_tags in (known, {}):
        with mlflow.start_run() as run:
            registry.create(f"runs:/{run.info.run_id}/model", run.info.run_id, version_tags)
    registration.register_detector(None, gate, workspace)
    assert registry.by_alias(CHALLENGER).version == 1
    registry.move(registry.by_number(1), "Production", {})
    registry.challenge(registry.by_number(2))
    registration.register_detector(None, gate, workspace)
    assert registry.by_alias(CHALLENGER).version == 2


def test_code_and_data_are_those_that_the_detector_notes(workspace):
    path = workspace.path("detector") / "detector.json"
    assert "git_commit" not in registration.facts(path.parent)
    change(path, None, provenance={"git_commit": "c0ffee", "data_digest": "5eed"})
    tags = registration.facts(path.parent)
    assert (tags["git_commit"], tags["data_digest"]) == ("c0ffee", "5eed")


def test_a_detector_that_tells_nothing_of_its_training_is_registered_all_the_same(workspace):
    path = workspace.path("detector") / "detector.json"
    content = json.loads(path.read_text())
    del content["training"]
    path.write_text(json.dumps(content))
    assert figures(workspace) == {}
    assert registration.facts_of_training(path.parent) == {}
