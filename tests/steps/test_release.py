"""The release desk with real models: judged, promoted, refused, forced, rolled back."""

import json
import shutil
from dataclasses import replace

import mlflow
import pytest
import yaml

from forgery_lab.evaluation import scoring
from forgery_pyfunc.detector import MANIFEST_FILE
from steps import rollback, serve
from steps.errors import GateRefusedError, SettingsError, TrackingError
from steps.pipeline import promotion, registration
from steps.registry.model_registry import CHAMPION, Registry, number
from steps.settings.configuration import PROJECT_ROOT, ConfigurationManager, Workspace
from steps.settings.entities import PromoteSettings, RollbackSettings
from tests.conftest import encoded, picture, training_manifest, write_detector
from tests.stores import copy_store, tracking

pytestmark = pytest.mark.slow

LENIENT = {"least_sources": 10, "false_alarms": 1, "calibration_error": 1, "latency_ratio": 50}


class Desk:
    """A registry and a workspace of their own, and the three things that are done there."""

    def __init__(self, root, frozen):
        params = yaml.safe_load((PROJECT_ROOT / "params.yaml").read_text("utf-8"))
        params |= {"frozen": str(frozen.source), "frozen_digest": frozen.digest}
        params["promote"] |= LENIENT
        (root / "params.yaml").write_text(yaml.safe_dump(params), "utf-8")
        shutil.copy(PROJECT_ROOT / "config.yaml", root)
        self.manager, self.root = ConfigurationManager(root), root
        self.workspace = self.manager.workspace(root / "workspace")
        self.registry = Registry(self.workspace.registered_model)

    def register(self, weight, learnt=("ani00001",)):
        detector = write_detector(self.root / f"detector {weight} {learnt}", weight=weight)
        training_manifest(*learnt).to_parquet(detector / MANIFEST_FILE)
        with mlflow.start_run():
            registration.register(detector, self.registry, self.workspace)
        return number(self.registry.versions()[0])

    def promote(self, **options):
        settings = self.manager.settings(PromoteSettings, options)
        with mlflow.start_run() as run:
            promotion.promote(settings, self.workspace)
        return run.info.run_id

    def rollback(self, reason=""):
        with mlflow.start_run():
            rollback.run(RollbackSettings(reason=reason), self.workspace)

    def champion(self):
        version = self.registry.by_alias(CHAMPION)
        return version and number(version)

    def answers(self):
        """What the champion says of some pictures, to the last bit."""
        images = [lambda seed=seed: encoded(picture(seed=seed)) for seed in range(3)]
        uri = f"models:/{self.registry.name}@{CHAMPION}"
        found = dict(scoring.score(uri, images, heatmap=True, workers=1))
        for record in found.values():
            record.pop("model_version")
        return json.dumps(found)


@pytest.fixture(scope="module")
def desk(small_frozen, tmp_path_factory, empty_store):
    root = tmp_path_factory.mktemp("desk")
    with tracking(copy_store(empty_store, root)):
        mlflow.create_experiment("desk", artifact_location=(root / "artifacts").as_uri())
        mlflow.set_experiment("desk")
        yield Desk(root, small_frozen)


@pytest.fixture(scope="module")
def released(desk):
    """A desk where a poor first version was replaced by a good second one, through the gate."""
    desk.register(-3.0)
    desk.promote()
    desk.first_answers = desk.answers()
    desk.register(3.0)
    desk.last_run = desk.promote()
    assert desk.champion() == 2
    return desk


def test_a_better_challenger_becomes_the_champion_and_the_comparison_is_logged(released):
    text = mlflow.artifacts.load_text(f"runs:/{released.last_run}/gate/comparison.json")
    comparison = json.loads(text)
    assert comparison["passed"]
    assert comparison["figures"]["challenger.AUC"] > comparison["figures"]["champion.AUC"]
    event = released.registry.history()[1]
    assert (event["version"], event["from_version"], event["to"]) == (2, 1, "Production")
    assert event["figures"] == pytest.approx(comparison["figures"], rel=1e-3)
    assert event["run_id"] == released.last_run
    assert not event["forced"]
    assert event["limits"]["margin"] == 0.05
    assert event["frozen_digest"] == released.manager.params["frozen_digest"]


def test_a_worse_challenger_is_refused_and_not_judged_twice(released):
    worse = released.register(-2.9)
    with pytest.raises(GateRefusedError, match=f"version {worse} is not promoted: .* is worse"):
        released.promote()
    with pytest.raises(GateRefusedError, match="as judged before"):
        released.promote()
    assert released.champion() == 2


def test_a_limit_that_an_override_loosens_is_in_the_history(released):
    worse = number(released.registry.versions()[0])
    released.promote(version=str(worse), margin="1")
    event = released.registry.history()[-1]
    assert (event["version"], event["limits"]["margin"]) == (worse, 1.0)
    assert not event["forced"]
    released.rollback()
    assert released.champion() == 2


def test_force_needs_a_reason_and_is_recorded(released):
    worse = number(released.registry.versions()[0])
    with pytest.raises(SettingsError, match="needs a reason"):
        released.promote(force="true")
    released.promote(version=str(worse), force="true", reason="a customer waits")
    assert released.champion() == worse
    event = released.registry.history()[-1]
    assert event["forced"]
    assert event["reason"].startswith("forced, because a customer waits, although the challenger")

    released.rollback("that was a mistake")

    assert released.champion() == 2
    assert released.registry.history()[-1]["reason"] == "that was a mistake"
    assert released.registry.drift() == []
    released.rollback()
    assert released.champion() == 1
    assert released.answers() == released.first_answers


def test_a_leaking_challenger_is_not_judged(released):
    leaking = released.register(5.0, learnt=("ani00001", "ani70002"))
    with pytest.raises(GateRefusedError, match="1 images that touch the frozen test set"):
        released.promote(version=str(leaking))


def test_files_that_cannot_be_had_are_no_refusal(released):
    registry = released.registry
    lost = registry.create((released.root / "lost").as_uri(), None, {})
    lost_files = f"could not download the files of version {number(lost)}"
    with pytest.raises(TrackingError, match=lost_files):
        released.promote()
    assert promotion.QUESTION_TAG not in registry.by_number(number(lost)).tags
    good, champion = released.register(3.1), registry.by_alias(CHAMPION)
    registry.client.set_registered_model_alias(registry.name, CHAMPION, lost.version)
    with pytest.raises(TrackingError, match=lost_files):
        released.promote(version=str(good))
    assert promotion.QUESTION_TAG not in registry.by_number(good).tags
    released.promote(version=str(good), force="true", reason="its files are lost")
    assert released.champion() == good
    registry.move(champion, "Production", {})


def test_without_the_champion_that_there_was_nothing_becomes_it_but_by_force(released):
    registry, champion = released.registry, released.champion()
    next_one = released.register(-2.8)
    registry.move(registry.by_number(champion), "Archived", {})
    with pytest.raises(GateRefusedError, match=f"version {champion} was the champion: roll back"):
        released.promote(version=str(next_one))
    assert released.champion() is None
    released.promote(version=str(next_one), force="true", reason="a test")
    assert released.champion() == next_one
    assert released.registry.history()[-1]["forced"]
    registry.move(registry.by_number(champion), "Production", {})


def test_a_champion_deleted_by_hand_is_followed_by_the_one_before(released):
    registry = released.registry
    registry.move(registry.by_number(2), "Production", {})
    registry.client.delete_model_version(registry.name, "2")
    assert released.champion() is None
    released.rollback()
    assert released.champion() == 1
    assert registry.drift() == []


@pytest.fixture
def fresh(released):
    """Another registered model and workspace on that desk, without a version."""
    workspace = Workspace(released.root / "fresh", released.workspace.paths, "fresh")
    workspace.path("detector").mkdir(parents=True, exist_ok=True)
    return workspace


@pytest.fixture
def gate(released):
    """What the gate of that desk asks of a champion."""
    return released.manager.settings(PromoteSettings)


def ship(monkeypatch, folder, *learnt):
    """Have the repository bring a poor detector that learnt from images of these sources."""
    monkeypatch.setattr(registration, "SHIPPED", write_detector(folder, weight=-3.0))
    training_manifest(*learnt).to_parquet(folder / MANIFEST_FILE)


def test_a_shipped_detector_that_is_refused_stops_nothing(
    fresh, gate, tmp_path, monkeypatch, caplog
):
    ship(monkeypatch, tmp_path / "shipped", "ani70002")
    fresh = replace(fresh, registered_model="refused")
    with mlflow.start_run():
        registration.ensure_champion(gate, fresh)
    assert [number(one) for one in Registry("refused").versions()] == [1]
    assert Registry("refused").by_alias(CHAMPION) is None
    assert "the shipped detector: version 1 is not promoted: version 1 learnt from" in caplog.text


def test_a_detector_that_was_pulled_is_shown_to_the_gate(
    fresh, gate, tmp_path, monkeypatch, caplog
):
    ship(monkeypatch, tmp_path / "shipped", "ani00001")
    registry, pulled = Registry("fresh"), fresh.path("detector")
    training_manifest("ani00001").to_parquet(pulled / MANIFEST_FILE)
    for weight, champion, versions in ((3.0, 2, 2), (-2.9, 2, 3), (-2.9, 2, 3)):
        write_detector(pulled, weight=weight)
        with mlflow.start_run():
            serve.ensure_version(gate, fresh)
        assert number(registry.by_alias(CHAMPION)) == champion
        assert len(registry.versions()) == versions
    assert caplog.text.count("version 3 is not promoted: the challenger is worse") == 1
