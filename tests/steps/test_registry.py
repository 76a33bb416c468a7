import mlflow
import pytest

from steps.errors import TrackingError
from steps.registry import CHALLENGER, CHAMPION, STAGE_TAG, Registry, number

NAME = "forgery-detector"


@pytest.fixture
def registry(tmp_path):
    """A registry in a store of its own."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.create_experiment("e", artifact_location=tmp_path.as_uri())
    mlflow.set_experiment("e")
    yield Registry(NAME)
    mlflow.set_tracking_uri(before)


@pytest.fixture
def new_version(registry, tmp_path):
    def create(digest="d"):
        with mlflow.start_run() as run:
            uri = f"runs:/{run.info.run_id}/model"
            return registry.create(uri, run.info.run_id, {"detector_sha256": digest})

    return create


def test_an_empty_registry_has_no_champion(registry):
    assert registry.by_alias(CHAMPION) is None
    assert registry.versions() == []
    with pytest.raises(TrackingError, match="no version 7 of forgery-detector; it has none"):
        registry.by_number(7)


def test_a_new_version_is_the_challenger(registry, new_version):
    new_version()
    second = new_version()
    assert number(registry.by_alias(CHALLENGER)) == number(second) == 2


def test_production_sets_alias_tag_and_stage_and_archives_the_former_champion(
    registry, new_version
):
    first, second = new_version(), new_version()
    registry.move(first, "Production", {"by": "me"})
    registry.move(second, "Production", {"by": "you"})
    champion = registry.by_alias(CHAMPION)
    assert number(champion) == number(second)
    assert champion.tags[STAGE_TAG] == champion.current_stage == "Production"
    assert champion.tags["promotion.from_version"] == str(number(first))
    assert champion.tags["promotion.by"] == "you"
    former = registry.by_number(number(first))
    assert former.tags[STAGE_TAG] == former.current_stage == "Archived"


def test_archiving_the_champion_leaves_no_champion(registry, new_version):
    version = new_version()
    registry.move(version, "Production", {})
    registry.move(version, "Archived", {})
    assert registry.by_alias(CHAMPION) is None
    assert registry.by_number(number(version)).current_stage == "Archived"


def test_a_version_is_found_by_its_digest(registry, new_version):
    new_version("one")
    assert number(registry.by_digest("one")) == 1
    assert registry.by_digest("two") is None
