"""The stores of version 0.1.0 (commit 026ece2) open with this code: no user loses anything."""

import json
import shutil
from pathlib import Path

import mlflow
import pytest

from forgery.client import Client
from forgery_lab.errors import DataError
from forgery_lab.evaluation import scoring
from forgery_lab.sources.source import Source, fetch
from forgery_pyfunc import Detector
from steps.registry import migration
from steps.registry.logged_model import is_unlinked, metrics_of, model_of
from steps.registry.model_registry import Registry, number
from tests.stores import move_store, tracking
from tests.webui.conftest import model_server
from webui.feedback_store import Store

STORES = Path(__file__).parents[1] / "fixtures" / "stores-0.1.0.zip"
MADE_IN = "/srv/forgery"
"""The folder where the stores were made."""


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """A folder with mlflow.db, its artefacts, feedback.db, a picture, and the answers to it."""
    folder = tmp_path_factory.mktemp("stores")
    shutil.unpack_archive(STORES, folder)
    move_store(folder, MADE_IN)
    return folder


@pytest.fixture
def registry(stores):
    with tracking(f"sqlite:///{stores}/mlflow.db"):
        yield Registry("forgery-detector")


def test_aliases_stages_and_history_are_read(registry):
    assert number(registry.by_alias("champion")) == 1
    assert number(registry.by_alias("challenger")) == 2
    assert registry.by_number(1).current_stage == "Production"
    assert [event["to"] for event in registry.history()] == ["Production"]
    assert registry.drift() == []


@pytest.mark.parametrize("version", [1, 2])
def test_a_registered_version_answers_as_it_did(registry, stores, version):
    before = json.loads((stores / "answers.json").read_text("utf-8"))[str(version)]
    uri = registry.uri(registry.by_number(version))
    picture = (stores / "picture.jpg").read_bytes
    ((_, answer),) = scoring.score(
        uri, [picture], heatmap=True, workers=1, tracking_uri=mlflow.get_tracking_uri()
    )
    assert answer == before


@pytest.mark.parametrize(("name", "version"), [("release", "1"), ("tiny", "2")])
def test_a_detector_folder_is_read_by_this_code(stores, name, version):
    """It has no classifier of photographs, and one has no model card and no figures."""
    (folder,) = stores.glob(f"mlruns/1/models/*/artifacts/artifacts/{name}")
    assert not (folder / "photographs.json").exists()
    record = Detector.load(folder).score(stores / "picture.jpg")
    answer = json.loads((stores / "answers.json").read_text("utf-8"))[version]
    assert record.verdict == answer["verdict"]
    assert record.probability == pytest.approx(answer["probability"], abs=1e-4)


def test_a_model_of_then_answers_now_though_it_cannot_tell_why(registry, stores, tmp_path):
    """Its signature lacks the parameter, and its records lack the field."""
    before = json.loads((stores / "answers.json").read_text("utf-8"))["1"]
    model = mlflow.artifacts.download_artifacts(
        registry.uri(registry.by_number(1)), dst_path=str(tmp_path)
    )
    with model_server(Path(model), tmp_path / "log", PYTHONPATH="") as url:
        (record,) = Client(url).score([(stores / "picture.jpg").read_bytes()], explain=True)
    assert (record.verdict, record.explanation) == (before["verdict"], None)
    assert record.probability == pytest.approx(before["probability"])


def test_metrics_and_parameters_move_from_tags_to_the_logged_model(registry):
    before = registry.by_number(1)
    assert metrics_of(before)["C.auc"] == 0.7653074488828274
    assert registry.client.get_registered_model(registry.name).description is None
    said = migration.migrate(registry)
    assert said[0] == "1 events are JSON, and not in words"
    assert any(sentence.startswith("version 1 has ") for sentence in said)
    after = registry.by_number(1)
    assert metrics_of(after)["C.auc"] == 0.7653074488828274
    assert metrics_of(after)["training.held_out_recall"] == 0.3518850987432675
    assert model_of(after).params["training.epochs"] == "14"
    assert not is_unlinked(after)
    assert {"detector_sha256", "git_commit", "detector", "stage"} <= set(after.tags)
    assert len(after.tags) <= 12
    assert migration.outdated(registry) == []
    model = registry.client.get_registered_model(registry.name)
    sentence = "promote by root: version 1 to Production: it is not worse, and keeps every limit"
    assert model.description.endswith(f"### Latest events\n\n- 2026-11-28 04:17 UTC: {sentence}")
    assert not [key for key in model.tags if not key.startswith("mlflow.")]
    assert [event["to"] for event in registry.history()] == ["Production"]


def test_the_registry_takes_another_promotion(registry):
    registry.move(registry.by_number(2), "Production", {"action": "promote"})
    assert number(registry.by_alias("champion")) == 2
    assert number(registry.previous_champion()) == 1


def test_feedback_is_read_and_can_be_withdrawn(stores, tmp_path):
    source = Source.parse(f"feedback:{stores}/feedback.db")
    with pytest.raises(DataError, match="nothing in it was reviewed yet"):
        fetch(source, tmp_path / "raw")
    store = Store(str(stores / "feedback.db"))
    while (row := store.next_to_review()) is not None:
        assert store.review(row.receipt, row.label, "Rita")
    root = fetch(source, tmp_path / "raw")
    assert len(list((root / "Au").iterdir())) == 1
    assert len(list((root / "Tp").iterdir())) == 1
    assert len(list((root / "Groundtruth").iterdir())) == 1
    assert store.delete(f"{1:032x}")
