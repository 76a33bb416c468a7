"""`deploy/rollout` against a real engine, a real registry, a real front, and constant load."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import engine
from tests.deploy.engine import Load, Operator, docker
from tests.webui.servers import free_port

pytestmark = [pytest.mark.container, pytest.mark.timeout(900)]

OLD, NEW = "tiny-1", "tiny+1"


@pytest.fixture(scope="module")
def operator(
    container_engine: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    engine.need(engine.why_no_programs("haproxy"))
    slots = free_port(), free_port()
    state = tmp_path_factory.mktemp("state")
    with engine.front(state, slots) as address:
        operator = Operator(state, address, slots)
        try:
            yield operator
        finally:
            docker("rm", "--force", *(f"{operator.name}-{slot}" for slot in operator.slots))


@pytest.fixture(scope="module")
def releases(
    registry: tuple[str, Path], image: str, second_image: str, broken_images: dict[str, str]
) -> dict[str, str]:
    """Names by digest of everything that the registry holds."""
    images = {"v1": image, "v2": second_image, **broken_images}
    return {name: engine.push(tag, registry[0]) for name, tag in images.items()}


@pytest.fixture(scope="module")
def first(operator: Operator, releases: dict[str, str]) -> Operator:
    """The operator after the first version was deployed on an empty machine."""
    status, said = operator.run("deploy", releases["v1"])
    assert status == 0, said
    return operator


def test_switches_under_load_without_a_failed_request(
    first: Operator, releases: dict[str, str], request_body: dict
) -> None:
    with Load(f"{first.address}/invocations", request_body) as load:
        load.more(20)
        status, said = first.run("deploy", releases["v2"])
        load.more(20)
    print(f"{len(load.answers)} requests, {len(load.failed())} failed, by {load.versions()}")
    assert status == 0, said
    assert load.failed() == []
    assert [version[:6] for version in load.versions()] == [OLD, NEW]
    assert first.serving() == releases["v2"]


def test_deploying_what_serves_changes_nothing(first: Operator, releases: dict[str, str]) -> None:
    before = first.status()
    status, said = first.run("deploy", before["current"]["image"])
    assert status == 0
    assert "serves already; nothing to do" in said
    assert first.status() == before


@pytest.mark.parametrize(
    ("way", "sentence"),
    [
        ("no-model", "the new version ended: .* there is no model in /opt/model"),
        ("other-signature", "the new version ended: .* has the wrong signature: it takes x"),
        ("other-golden", "the golden image is scored differently"),
    ],
)
def test_a_broken_version_never_gets_a_request(
    first: Operator, releases: dict[str, str], request_body: dict, way: str, sentence: str
) -> None:
    serving = first.serving()
    with Load(f"{first.address}/invocations", request_body) as load:
        status, said = first.run("deploy", releases[way])
    assert status == 1
    assert re.search(sentence, said), said
    assert load.failed() == []
    assert first.serving() == serving


def test_a_version_that_fails_after_the_switch_is_rolled_back(
    first: Operator, releases: dict[str, str], request_body: dict
) -> None:
    serving = first.serving()
    with Load(f"{first.address}/invocations", request_body) as load:
        long = ("--watch-seconds", "120")  # it ends with the first failure
        status, said = first.run(*long, "deploy", releases["failing"])
        rolled_back = time.time()
        load.more(20)
    assert status == 1
    assert "switched the front" in said
    assert f"rolled back: {serving.rsplit('/', 1)[-1].replace('sha256:', '')[:20]}" in said
    assert load.failed(), f"the broken version was never asked: {said}"
    assert [answer for answer in load.failed() if answer[0] > rolled_back] == []
    assert first.serving() == serving


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("SCORING_PORT=eighty", "SCORING_PORT is 'eighty'; it must be a whole number"),
        (
            "MODEL_URI=models:/forgery-detector/1\nMLFLOW_TRACKING_URI=http://127.0.0.1:9\n"
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES=0",
            "the model models:/forgery-detector/1 could not be fetched from http://127.0.0.1:9",
        ),
    ],
)
def test_a_wrong_setting_says_why_and_the_old_version_serves(
    first: Operator, releases: dict[str, str], tmp_path: Path, settings: str, sentence: str
) -> None:
    serving = first.serving()
    (tmp_path / "env").write_text(settings + "\n")
    status, said = first.run("--env", str(tmp_path / "env"), "deploy", releases["v1"])
    assert status == 1
    assert sentence in said
    assert first.serving() == serving
    assert engine.status(f"{first.address}/readyz") == 200


def test_check_tries_an_image_and_switches_nothing(first: Operator, image: str) -> None:
    before = first.status()
    status, said = first.run("check", image)
    assert status == 0, said
    assert f"{image} may be deployed" in said
    status, said = first.run("check", image.replace(":v1", ":no-model"))
    assert status == 1
    assert "there is no model in /opt/model" in said
    assert first.status() == before


def test_two_at_once_exclude_each_other(first: Operator, releases: dict[str, str]) -> None:
    waits = first.command("--watch-seconds", "300", "deploy", releases["v1"])
    one = subprocess.Popen(waits, stderr=subprocess.PIPE)
    try:
        assert one.stderr
        next(line for line in one.stderr if b"switched the front" in line)
        status, said = first.run("deploy", releases["v1"])
        assert status == 75
        assert "another roll-out is running" in said
    finally:
        one.send_signal(signal.SIGTERM)
        complaint = one.communicate(timeout=120)[1].decode()
    assert one.returncode == 1
    assert "FAILED: stopped by SIGTERM" in complaint
    assert first.serving() == releases["v2"]


def test_a_killed_run_is_put_in_order_by_the_next(
    first: Operator, releases: dict[str, str]
) -> None:
    one = subprocess.Popen(first.command("deploy", releases["v1"]), stderr=subprocess.PIPE)
    assert one.stderr
    for line in one.stderr:
        if b"switched the front" in line:
            break
    one.kill()
    one.communicate()
    status, said = first.run("deploy", releases["v2"])
    assert status == 0, said
    assert docker("ps", "--quiet", "--filter", f"name={first.name}").count("\n") == 0
    assert first.serving() == releases["v2"]


def test_rolls_back_by_hand_once(
    first: Operator, releases: dict[str, str], request_body: dict
) -> None:
    with Load(f"{first.address}/invocations", request_body) as load:
        status, said = first.run("rollback")
    assert status == 0, said
    assert load.failed() == []
    assert first.serving() == releases["v1"]
    status, said = first.run("rollback")
    assert status == 0
    assert "already rolled back" in said
    assert first.serving() == releases["v1"]


def test_an_unknown_digest_is_named(first: Operator, registry: tuple[str, Path]) -> None:
    status, said = first.run("deploy", f"{registry[0]}/forgery@sha256:{'0' * 64}")
    assert status == 1
    assert "the registry has no such digest" in said


def test_an_expired_login_is_named(first: Operator, registry: tuple[str, Path]) -> None:
    nobody = registry[1] / "nobody"
    nobody.write_text("")
    settings = {
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_REALM": "tests",
        "REGISTRY_AUTH_HTPASSWD_PATH": str(nobody),
    }
    with engine.registry(registry[1], **settings) as closed:
        status, said = first.run("deploy", f"{closed}/forgery@sha256:{'1' * 64}")
    assert status == 1
    assert "login is missing or has expired" in said


def test_a_full_disk_is_named(first: Operator, registry: tuple[str, Path]) -> None:
    image = f"{registry[0]}/forgery@sha256:{'2' * 64}"
    status, said = first.run("--free-mb", "1000000000", "deploy", image)
    assert status == 1
    assert "no disk" in said


def test_a_port_in_use_is_named(first: Operator, releases: dict[str, str]) -> None:
    free = "green" if first.status()["current"]["slot"] == "blue" else "blue"
    port = first.slots[free]
    with engine.listening(port):
        status, said = first.run("deploy", releases["v2"])
    assert status == 1
    assert f"port {port} of slot {free} is in use" in said
    assert first.serving() == releases["v1"]


def test_the_front_remembers_over_a_reload(first: Operator) -> None:
    serving = first.status()
    pid = engine.front_process(first.state)
    before = engine.child_of(pid)
    os.kill(pid, signal.SIGUSR2)
    engine.wait_until(lambda: not engine.alive(before), "the front's new process alone")
    assert engine.status(f"{first.address}/readyz") == 200
    assert first.status() == serving
