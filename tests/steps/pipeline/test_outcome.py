"""The few lines that `make run` ends with."""

import shutil

import mlflow
import pytest

from forgery_lab.evaluation import results
from forgery_pyfunc.detector import FIGURES_FILE, read_description
from steps.pipeline import outcome, promotion, registration
from steps.registry.model_registry import DIGEST_TAG, Registry
from steps.settings.configuration import ConfigurationManager
from tests.lab.evaluation.made import evaluation

URL = "http://127.0.0.1:8080"


@pytest.fixture
def workspace(tmp_path, tracking_store):
    return ConfigurationManager().workspace(tmp_path)


@pytest.fixture
def versions(workspace, detector_folder):
    """A champion from elsewhere, and the version of the workspace's own detector."""
    shutil.copytree(detector_folder, workspace.path("detector"))
    registry = Registry(workspace.registered_model)
    own = {DIGEST_TAG: registration.detector_digest(workspace.path("detector"))}
    made = []
    for tags in ({}, own):
        with mlflow.start_run() as run:
            made.append(registry.create(f"runs:/{run.info.run_id}/m", run.info.run_id, tags))
    registry.move(made[0], "Production", {"reason": "it is sound"})
    return registry, *made


def flat(text):
    return " ".join(text.split())


def test_a_start_without_a_training_says_where_the_page_is_and_what_to_try(workspace):
    said = outcome.summary(workspace, "forgery-detector/1", URL)
    assert f"{URL}, answered by forgery-detector/1" in flat(said)
    assert "make ui" in said
    assert "The gate" not in said
    assert "Learnt" not in said


def test_a_refusal_is_one_sentence_that_names_the_champion(workspace, versions):
    registry, _, own = versions
    registry.tag(own, {promotion.REFUSAL_TAG: "the challenger is worse: AUC 0.64 against 0.77"})
    said = flat(outcome.summary(workspace, "forgery-detector/1", URL))
    assert (
        "Version 2, trained here, was refused (the challenger is worse: AUC 0.64 against 0.77); "
        "version 1 is the champion." in said
    )


def test_a_promotion_and_a_version_that_was_never_judged_are_told_apart(workspace, versions):
    registry, _, own = versions
    assert "was not promoted; version 1 is the champion." in outcome.verdict(registry, own)
    registry.move(own, "Production", {"reason": "it is not worse, and meets every limit"})
    assert outcome.verdict(registry, own) == (
        "Version 2, trained here, is the champion: it is not worse, and meets every limit."
    )


def test_what_was_learnt_and_found_is_told_of_the_workspaces_own_detector(workspace, versions):
    description = read_description(workspace.path("detector"))
    model = {key: description[key] for key in ("calibration", "training")}
    folder = workspace.path("evaluation")
    folder.mkdir(parents=True)
    results.write(folder / FIGURES_FILE, evaluation(model=model))
    assert "finds.png" not in outcome.summary(workspace, "m", URL)
    (folder / "finds.png").touch()
    said = outcome.summary(workspace, "m", URL)
    assert "tells forged from authentic with an AUC of" in flat(said)
    assert "finds.png" in said
    assert len(said.splitlines()) < 16
    assert max(map(len, said.splitlines())) <= max(outcome.WIDTH, len(str(folder)) + 60)
    results.write(folder / FIGURES_FILE, evaluation(model={**model, "training": {"epochs": 99}}))
    assert "Learnt" not in outcome.summary(workspace, "m", URL)
