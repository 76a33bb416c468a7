"""The release desk with real models: judged, promoted, refused, forced, rolled back."""

import json

import mlflow
import pytest

from forgery_lab import gate, scoring
from steps import promote, register, rollback
from steps.configuration import ConfigurationManager
from steps.entities import RollbackSettings
from steps.errors import GateRefusedError, SettingsError
from steps.registry import CHAMPION, Registry, number
from tests.conftest import encoded, picture, training_manifest, write_detector

pytestmark = pytest.mark.slow

LENIENT = {
    "least_sources": "10", "false_alarms": "1", "calibration_error": "1", "latency_ratio": "50",
}  # fmt: skip


class Desk:
    """A registry and a workspace of their own, and the three things that are done there."""

    def __init__(self, root, frozen):
        self.manager, self.root = ConfigurationManager(), root
        self.workspace = self.manager.workspace(root / "workspace")
        self.frozen = {"frozen": str(frozen.source), "frozen_digest": frozen.digest}
        self.registry = Registry(self.workspace.registered_model)

    def register(self, weight, learnt=("ani00001",)):
        detector = write_detector(self.root / f"detector {weight} {learnt}", weight=weight)
        training_manifest(*learnt).to_parquet(detector / gate.TRAINING_MANIFEST)
        with mlflow.start_run():
            register.register(detector, self.registry, self.workspace)
        return number(self.registry.versions()[0])

    def promote(self, **options):
        settings = self.manager.settings("promote", {**self.frozen, **LENIENT, **options})
        with mlflow.start_run() as run:
            promote.run(settings, self.workspace)
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
def desk(small_frozen, tmp_path_factory):
    root, before = tmp_path_factory.mktemp("desk"), mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{root}/mlflow.db")
    mlflow.create_experiment("desk", artifact_location=(root / "artifacts").as_uri())
    mlflow.set_experiment("desk")
    yield Desk(root, small_frozen)
    mlflow.set_tracking_uri(before)


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
    assert event["figures"] == comparison["figures"]
    assert event["run_id"] == released.last_run
    assert not event["forced"]


def test_a_worse_challenger_is_refused_and_not_judged_twice(released):
    worse = released.register(-2.9)
    with pytest.raises(GateRefusedError, match=f"version {worse} is not promoted: .* is worse"):
        released.promote()
    with pytest.raises(GateRefusedError, match="as judged before"):
        released.promote()
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


def test_a_champion_deleted_by_hand_is_followed_by_the_one_before(released):
    registry = released.registry
    registry.move(registry.by_number(2), "Production", {})
    registry.client.delete_model_version(registry.name, "2")
    assert released.champion() is None
    released.rollback()
    assert released.champion() == 1
    assert registry.drift() == []
