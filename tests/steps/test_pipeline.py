"""The whole way, from the demo to a served champion, through the commands that users type."""

import json
import shutil
from dataclasses import fields
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import yaml
from mlflow.tracking import MlflowClient

from forgery_pyfunc.request_parameters import Parameters
from steps.registry.model_registry import CHAMPION
from tests.steps.conftest import Clone
from tests.stores import tracking

pytestmark = pytest.mark.slow

STAGES = ("ingest", "preprocess", "train", "evaluate")


@pytest.fixture
def store(trained):
    """MLflow's client of the trained clone."""
    return MlflowClient(trained.environment["MLFLOW_TRACKING_URI"])


def runs_of(client, clone):
    """Return {step: run} as the stages noted them."""
    notes = {step: json.loads((clone.root / f"runs/{step}.json").read_text()) for step in STAGES}
    return {step: client.get_run(note["run_id"]) for step, note in notes.items()}


def test_every_stage_left_its_outputs_and_its_run(trained, store):
    for run in runs_of(store, trained).values():
        assert run.info.status == "FINISHED"
        assert run.data.tags["mlflow.source.git.commit"]
    manifest = pd.read_parquet(trained.root / "data/manifest.parquet")
    splits = pd.read_parquet(trained.root / "data/splits.parquet")
    assert len(manifest) == len(splits) > 50
    assert set(splits["split"]) >= {"train", "validation", "test"}
    assert (trained.root / "models/detector/network.onnx").is_file()
    seen = pd.read_parquet(trained.root / "models/detector/training_manifest.parquet")
    assert set(seen["phash"]) <= set(manifest["phash"])


def test_stages_register_and_promote_are_children_of_one_run(trained, store):
    parents = {run.data.tags["mlflow.parentRunId"] for run in runs_of(store, trained).values()}
    (parent_id,) = parents
    parent = store.get_run(parent_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.params["train.epochs"] == "2"
    assert 0 <= parent.data.metrics["C.auc"] <= 1
    found = store.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent_id}'"
    )
    steps = {run.data.tags.get("step") for run in found}
    assert {*STAGES, "register", "promote"} <= steps


def test_the_evaluation_has_its_data_set_a_table_and_pages(trained, store):
    run = runs_of(store, trained)["evaluate"]
    ingested = json.loads((trained.root / "reports/ingest.json").read_text())
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("demo", ingested["digest"][:36])
    with tracking(trained.environment["MLFLOW_TRACKING_URI"]):
        table = store.load_table(
            run.info.experiment_id, "figures_by_condition.json", run_ids=[run.info.run_id]
        )
    figures = json.loads((trained.root / "reports/metrics.json").read_text())
    of_c = table.set_index("condition").loc["C"]
    assert of_c["auc"] == pytest.approx(figures["C"]["auc"], abs=1e-4)
    logged = {item.path for item in store.list_artifacts(run.info.run_id, "evaluation")}
    assert {"evaluation/report.html", "evaluation/model_card.html"} <= logged


def test_the_training_run_says_what_it_did(trained, store):
    run = runs_of(store, trained)["train"]
    assert run.data.params["train.epochs"] == "2"
    assert len(store.get_metric_history(run.info.run_id, "val_loss")) == 2
    assert run.data.metrics["onnx_max_difference"] < 1e-3
    assert run.data.tags["dvc.data/raw"]
    ingested = json.loads((trained.root / "reports/ingest.json").read_text())
    assert run.data.tags["data_digest"] == ingested["digest"]
    assert run.inputs.dataset_inputs[0].dataset.digest == ingested["digest"]
    logged = {item.path for item in store.list_artifacts(run.info.run_id, "detector")}
    assert "detector/network.keras" in logged


def test_a_second_repro_does_nothing(trained):
    assert "Data and pipelines are up to date" in trained.run("dvc", "repro")


def test_an_experiment_shows_as_a_difference(trained):
    trained.run("git", "add", "dvc.lock")
    trained.commit("A baseline")
    try:
        trained.run("dvc", "exp", "run", "-S", "train.epochs=1")
        said = trained.run("dvc", "metrics", "diff", "--json")
        changed = json.loads(said[said.index("{") :])
        assert "reports/metrics.json" in changed
        assert changed["reports/training.json"]["epochs"] == {"old": 2, "new": 1, "diff": -1}
        trained.run("dvc", "plots", "show")
        assert (trained.root / "dvc_plots/index.html").is_file()
    finally:
        trained.run("git", "checkout", "-q", "HEAD", "--", "params.yaml", "dvc.lock")
        trained.run("dvc", "checkout", "-q")


def test_changing_the_training_reruns_from_training(trained):
    text = (trained.root / "params.yaml").read_text()
    params = yaml.safe_load(text)
    params["train"]["epochs"] = 3
    try:
        (trained.root / "params.yaml").write_text(yaml.safe_dump(params))
        status = json.loads(trained.run("dvc", "status", "--json"))
    finally:
        (trained.root / "params.yaml").write_text(text)
    assert "train" in status
    assert not {"ingest", "preprocess"} & set(status)


def test_the_champion_has_alias_stage_and_audit_trail(trained, store):
    champion = store.get_model_version_by_alias("forgery-detector", CHAMPION)
    assert champion.current_stage == champion.tags["stage"] == "Production"
    assert champion.tags["promotion.at"]
    assert champion.tags["promotion.by"]
    training = runs_of(store, trained)["train"]
    assert champion.tags["training_run_id"] == training.info.run_id
    for name in ("git_commit", "data_digest", "dvc.data/raw"):
        assert champion.tags[name] == training.data.tags[name]
    figures = json.loads((trained.root / "reports/metrics.json").read_text())
    model = store.get_logged_model(champion.source.removeprefix("models:/"))
    assert {one.key: one.value for one in model.metrics}["C.auc"] == figures["C"]["auc"]
    assert model.params["training.epochs"] == "2"


def test_the_version_brings_a_model_card_with_the_figures_of_the_report(trained, store):
    champion = store.get_model_version_by_alias("forgery-detector", CHAMPION)
    assert "the model separates forged from authentic images" in champion.description
    card = Path(store.download_artifacts(champion.run_id, "model_card.md")).read_text("utf-8")
    figures = json.loads((trained.root / "reports/evaluation/figures.json").read_text())
    auc = figures["protocols"]["C"]["metrics"]["auc"]["value"]
    assert f"{auc:.2f} (" in next(line for line in card.splitlines() if line.startswith("| C:"))
    assert "procedural scenes" in card


def test_registering_again_makes_no_new_version(trained, store):
    assert "is already version 1 of forgery-detector" in trained.step("register")
    assert len(store.search_model_versions("name = 'forgery-detector'")) == 1


def test_the_champion_loads_by_alias_and_by_stage_without_tensorflow(trained):
    code = (
        "import sys, warnings, mlflow, pandas as pd\n"
        "from forgery_lab.export.pyfunc import input_example\n"
        "warnings.simplefilter('ignore')\n"
        "example = input_example()\n"
        "for uri in ('models:/forgery-detector@champion', 'models:/forgery-detector/Production'):\n"
        "    answer = mlflow.pyfunc.load_model(uri).predict(example, params={'heatmap': True})\n"
        "    print('ANSWER', answer['probability'][0], answer['heatmap'][0][:8])\n"
        "print('TENSORFLOW', 'tensorflow' in sys.modules or 'keras' in sys.modules)\n"
    )
    lines = trained.run("python", "-c", code).splitlines()
    answers = [line for line in lines if line.startswith("ANSWER")]
    assert len(answers) == 2
    assert answers[0] == answers[1]
    assert "TENSORFLOW False" in lines


def test_scoring_a_folder_gives_a_row_per_file(trained, tmp_path):
    shutil.copytree(trained.root / "data/raw/Au", tmp_path / "in")
    (tmp_path / "in/broken.jpg").write_text("no picture")
    output = tmp_path / "out.parquet"
    trained.step("score", "--input", str(tmp_path / "in"), "--output", str(output))
    table = pd.read_parquet(output).set_index("path")
    assert len(table) == len(list((tmp_path / "in").iterdir()))
    assert table.loc["broken.jpg", "error"].startswith("not_an_image")
    assert table.drop("broken.jpg")["probability"].between(0, 1).all()


def test_data_and_model_travel_through_the_remote_into_an_empty_clone(trained, tmp_path):
    remote = trained.root.parent / "forgery-detector-dvc"
    trained.run("dvc", "push", "-q")
    assert remote.is_dir()
    empty = trained.root.parent / "empty"
    trained.run("git", "clone", "-q", str(trained.root), str(empty))
    for name in ("dvc.lock", "params.yaml"):
        shutil.copy(trained.root / name, empty / name)
    other = Clone(empty)
    other.run("dvc", "pull", "-q")
    assert (empty / "models/detector/network.onnx").read_bytes() == (
        trained.root / "models/detector/network.onnx"
    ).read_bytes()
    assert "Data and pipelines are up to date" in other.run("dvc", "repro")
    said = other.step("register")
    assert "registered version 1" in said
    assert "is not on sqlite" in said


def test_main_runs_steps_as_children_and_stops_at_the_first_that_fails(trained, store):
    said = trained.run(
        "mlflow", "run", ".", "--env-manager", "local",
        "-P", "steps=ingest,preprocess,train",
        "-P", "overrides=ingest.demo_count=40,preprocess.train_fraction=0.9",
        expect=1,
    )  # fmt: skip
    assert "main: preprocess failed: " in said
    parent = next(
        run for run in store.search_runs(["0"], order_by=["attributes.start_time DESC"])
        if run.data.tags.get("step") == "main"
    )  # fmt: skip
    children = store.search_runs(["0"], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    steps = {run.data.tags["mlflow.project.entryPoint"]: run.info.status for run in children}
    assert steps == {"ingest": "FINISHED", "preprocess": "FAILED"}
    assert (trained.root / "runs/main" / parent.info.run_id / "data/manifest.parquet").is_file()


def test_the_launcher_starts_main_in_a_folder_of_its_own(trained, tmp_path):
    said = trained.run(
        "python", "main.py", "--steps", "ingest", "--overrides", "ingest.demo_count=40",
        "--folder", str(tmp_path / "new"),
    )  # fmt: skip
    assert "step 1 of 1: ingest" in said
    assert (tmp_path / "new/data/manifest.parquet").is_file()
    said = trained.run("python", "main.py", "--folder", str(tmp_path / "new"), expect=2)
    assert "allowed: a new or empty folder" in said


def test_mlflow_loads_what_was_logged(trained):
    with tracking(trained.environment["MLFLOW_TRACKING_URI"]):
        info = mlflow.models.get_model_info("models:/forgery-detector@champion")
    assert [column.name for column in info.signature.inputs] == ["image"]
    assert {spec.name for spec in info.signature.params} == {
        field.name for field in fields(Parameters)
    }
