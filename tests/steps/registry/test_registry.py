import itertools
import os
import subprocess
import sys
from contextlib import ExitStack
from functools import partial

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from steps.errors import TrackingError
from steps.registry.model_registry import (
    CHALLENGER,
    CHAMPION,
    STAGE_TAG,
    Registry,
    number,
    retry_on_conflict,
)
from steps.settings.configuration import PROJECT_ROOT
from steps.tracking.runs import existing_run
from tests.webui.servers import free_port, process

NAME = "forgery-detector"


@pytest.fixture
def registry(tracking_store):
    """A registry in a store of its own."""
    return Registry(NAME)


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


def test_a_promotion_names_the_user_of_the_server_or_of_the_system(
    registry, new_version, monkeypatch
):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "MLFLOW_TRACKING_USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])  # as in a container
    registry.move(new_version(), "Production", {})
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    registry.move(new_version(), "Production", {})
    assert [event["by"] for event in registry.history()] == [f"uid {os.getuid()}", "ann"]


WRITES = (
    "set_model_version_tag",
    "set_registered_model_alias",
    "delete_registered_model_alias",
    "set_registered_model_tag",
    "update_registered_model",
    "transition_model_version_stage",
    "delete_model_version_tag",
)


class CutOffError(Exception):
    """Stands for the end of the process."""


def cut_off_at(client, monkeypatch, number):
    """Have the write of this number, counted from 0, and all later ones fail."""
    done = itertools.count()

    def cut(write, *arguments, **named):
        if next(done) >= number:
            raise CutOffError
        return write(*arguments, **named)

    for name in WRITES:
        monkeypatch.setattr(client, name, partial(cut, getattr(client, name)))


def state(registry):
    """Return what people see of a registry, without times."""
    versions = [
        (number(one), one.current_stage,
         {key: value for key, value in one.tags.items() if key != "promotion.at"})
        for one in registry.versions()
    ]  # fmt: skip
    events = [{k: v for k, v in event.items() if k != "at"} for event in registry.history()]
    return registry.holders(), versions, events


def test_a_move_that_is_cut_off_at_any_write_can_be_finished(registry, new_version, monkeypatch):
    first, second = new_version(), new_version()
    registry.move(first, "Production", {"action": "promote"})
    registry.move(second, "Production", {"action": "promote"})
    whole = state(registry)[1]
    for cut in range(100):
        challenger = new_version()
        before = state(registry)
        with monkeypatch.context() as patched:
            cut_off_at(registry.client, patched, cut)
            try:
                registry.move(challenger, "Production", {"action": "promote"})
            except CutOffError:
                is_whole = False
            else:
                is_whole = True
        challenger = registry.by_number(number(challenger))
        if is_whole:
            assert registry.finish_move(challenger) is None
        elif registry.finish_move(challenger) is None:  # nothing was moved
            assert state(registry)[0] == before[0]
            assert state(registry)[2] == before[2]
            registry.move(challenger, "Production", {"action": "promote"})
        holders, versions, events = state(registry)
        assert holders["Production"] == number(challenger)
        assert [event["version"] for event in events] == [*range(1, number(challenger) + 1)]
        like = {number(second): whole[0], number(first): whole[1]}
        tags = {**like[2][2], "promotion.from_version": str(number(challenger) - 1)}
        assert versions[0] == (number(challenger), "Production", tags)
        assert {stage for _, stage, _ in versions[1:]} == {"Archived"}
        assert registry.drift() == []
        assert registry.finish_move(registry.by_number(number(challenger))) is None
        if is_whole:
            break
    assert cut > 5


def test_a_version_that_was_created_twice_because_an_answer_was_lost_is_there_once(
    registry, new_version, monkeypatch
):
    create = registry.client.create_model_version

    def answer_lost(*arguments, **named):
        create(*arguments, **named)
        return create(*arguments, **named)

    new_version()
    monkeypatch.setattr(registry.client, "create_model_version", answer_lost)
    assert number(new_version()) == number(registry.by_alias(CHALLENGER)) == 2
    assert [number(version) for version in registry.versions()] == [2, 1]


def test_a_write_that_postgresql_gave_up_is_tried_again():
    answers = [MlflowException("(psycopg2.errors.DeadlockDetected) deadlock detected"), "done"]

    def write():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert retry_on_conflict(write) == "done"


def test_a_run_that_was_deleted_does_not_exist(registry, new_version):
    run_id = new_version().run_id
    assert existing_run(run_id).info.run_id == run_id
    registry.client.delete_run(run_id)
    assert existing_run(run_id) is None
    assert existing_run("0" * 32) is None


def test_archiving_the_champion_leaves_no_champion(registry, new_version):
    version = new_version()
    registry.move(version, "Production", {})
    registry.move(version, "Archived", {})
    assert registry.by_alias(CHAMPION) is None
    assert registry.by_number(number(version)).current_stage == "Archived"


def test_the_registered_model_says_what_it_is_and_what_happened_last(registry, new_version):
    first, second = new_version(), new_version()
    about = registry.client.get_registered_model(NAME).description
    assert about.startswith("Detects tampered photographs")
    registry.client.update_registered_model(NAME, "Our detector")
    figures = {"challenger.AUC": 0.8123, "champion.AUC": 0.7}
    registry.move(first, "Production", {"by": "ann", "reason": "a first one"})
    registry.move(second, "Production", {"by": "bob", "figures": figures})
    lines = registry.client.get_registered_model(NAME).description.splitlines()
    own, _, heading, _, newest, oldest = lines
    assert (own, heading) == ("Our detector", "### Latest events")
    assert newest.endswith(
        "promote by bob: version 2 to Production, after version 1, AUC 0.812 against 0.7"
    )
    assert oldest.endswith("promote by ann: version 1 to Production: a first one")
    assert registry.history()[1]["figures"] == figures
    assert registry.by_number(2).tags["promotion.gate"] == "AUC 0.812 against 0.7"
    assert "promotion.figures" not in registry.by_number(2).tags


def test_a_version_is_found_by_its_digest(registry, new_version):
    new_version("one")
    assert number(registry.by_digest("one")) == 1
    assert registry.by_digest("two") is None


def test_drift_is_told_and_repaired(registry, new_version):
    first, second = new_version(), new_version()
    registry.move(first, "Production", {})
    registry.move(second, "Production", {})
    assert registry.drift() == []
    registry.tag(first, {STAGE_TAG: "Production"})
    registry.client.transition_model_version_stage(NAME, second.version, "Staging")
    assert sorted(registry.drift()) == [
        "version 1 is marked Archived and Production and should be Archived",
        "version 2 is marked Production and Staging and should be Production",
    ]
    registry.repair()
    assert registry.drift() == []
    assert registry.by_number(2).current_stage == "Production"


def test_an_alias_that_was_deleted_comes_back(registry, new_version):
    registry.move(new_version(), "Production", {})
    registry.client.delete_registered_model_alias(NAME, CHAMPION)
    assert registry.drift() == [
        "no version has the alias champion, and version 1 is the last in Production"
    ]
    registry.repair()
    assert number(registry.by_alias(CHAMPION)) == 1
    assert registry.history()[-1]["action"] == "repair"
    assert registry.repair() == []


def test_a_rollback_goes_back_along_the_line_and_not_to_and_fro(registry, new_version):
    versions = [new_version() for _ in range(3)]
    for version in versions:
        registry.move(version, "Production", {})
    for expected in (2, 1):
        former = registry.previous_champion()
        assert number(former) == expected
        registry.move(former, "Production", {"action": "rollback"})
    with pytest.raises(TrackingError, match="no previous champion"):
        registry.previous_champion()
    registry.move(versions[2], "Production", {})
    assert number(registry.previous_champion()) == 1


def test_a_registry_restored_from_a_backup_is_one_piece(registry, new_version, tmp_path):
    registry.move(new_version(), "Production", {})
    backup = (tmp_path / "mlflow.db").read_bytes()
    second = new_version()
    registry.move(second, "Production", {})
    (tmp_path / "mlflow.db").write_bytes(backup)
    assert number(registry.by_alias(CHAMPION)) == 1
    assert registry.drift() == []
    assert [event["version"] for event in registry.history()] == [1]
    again = new_version()
    registry.move(again, "Production", {})
    assert number(registry.previous_champion()) == 1


PROMOTE = """
import sys
from steps.registry.model_registry import Registry
registry = Registry("forgery-detector")
version = registry.by_number(int(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
registry.move(version, "Production", {"by": sys.argv[1]})
"""


def promote_at_once(uri, numbers):
    """Promote each version in a process of its own, all at the same moment."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROMOTE, str(one)], cwd=PROJECT_ROOT,
            env=os.environ | {"MLFLOW_TRACKING_URI": uri},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for one in numbers
    ]  # fmt: skip
    for one in started:
        assert one.stdout.readline() == "ready\n"
    for one in started:
        one.stdin.write("go\n")
        one.stdin.flush()
    for one in started:
        assert one.wait(60) == 0
        one.stdin.close()
        one.stdout.close()


def check_one_champion(registry, promotions):
    champion = number(registry.by_alias(CHAMPION))
    marks = {number(one): (one.tags.get(STAGE_TAG), one.current_stage)
             for one in registry.versions()}  # fmt: skip
    in_production = [one for one, mark in marks.items() if "Production" in mark]
    assert in_production == [champion]
    assert registry.drift() == []
    assert len(registry.history()) == promotions


@pytest.mark.parametrize("store", ["sqlite", "server"])
def test_promotions_at_the_same_time_leave_one_champion(store, registry, new_version, tmp_path):
    for _ in range(3):
        new_version()
    uri = mlflow.get_tracking_uri()
    with ExitStack() as stack:
        if store == "server":
            port = free_port()
            command = ["mlflow", "server", "--backend-store-uri", uri, "--workers", "1",
                       "--host", "127.0.0.1", "--port", str(port)]  # fmt: skip
            uri = f"http://127.0.0.1:{port}"
            stack.enter_context(
                process(
                    command,
                    f"{uri}/health",
                    tmp_path / "server.log",
                    MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
                )
            )
        promote_at_once(uri, (1, 2, 3))
    check_one_champion(registry, 3)
