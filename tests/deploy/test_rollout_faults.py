"""`deploy/rollout` under full disks, signals and damaged answers.

The front is real; Docker is stood in for, so that this needs no engine and takes seconds.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.deploy import engine
from tests.deploy.engine import Operator, wait_until
from tests.webui.servers import free_port

pytestmark = pytest.mark.timeout(600)

STAND_IN = Path(__file__).with_name("stand_in_docker.py")
STOPPED_WHILE_SAVING = """
import os, runpy, signal, sys
main = runpy.run_path(sys.argv.pop(1), run_name="rollout")["main"]
write = main.__globals__["write"]
def write_and_be_stopped(path, text):
    write(path, text)
    if path.name == "rollout.json":
        os.kill(os.getpid(), signal.SIGTERM)
main.__globals__["write"] = write_and_be_stopped
sys.exit(main())
"""


def release(way: str, number: int = 0) -> str:
    """Return the name by digest of an image that behaves in a way."""
    return f"registry/{way}@sha256:{number:012x}{0:052x}"


OLD, NEW = release("good", 1), release("good", 2)


class StandIn(Operator):
    """The operator, and a look behind the scenes."""

    watch_seconds = 0.0

    def started(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(self.command(*arguments), stderr=subprocess.PIPE, text=True)

    def exists(self, kind: str) -> set[str]:
        """Return the names of the images or containers that there are."""
        return {requests.utils.unquote(one.name) for one in (self.state / kind).iterdir()}

    def ways(self) -> set[str]:
        """Return the ways of those that answer at the front, asked several times."""
        return {requests.get(self.address, timeout=10).text for _ in range(6)}

    def full(self, name: str) -> None:
        """Make a file impossible to write, as on a full disk."""
        (self.state / f"{name}.new").mkdir()


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """The operator of a machine on which an old version serves."""
    engine.need(engine.why_no_programs("haproxy"))
    monkeypatch.setenv("STAND_IN", str(tmp_path))
    for kind in ("images", "containers"):
        (tmp_path / kind).mkdir()
    slots = free_port(), free_port()
    with engine.front(tmp_path, slots) as address:
        operator = StandIn(tmp_path, address, slots, str(STAND_IN))
        try:
            status, said = operator.run("deploy", OLD)
            assert status == 0, said
            yield operator
        finally:
            for container in (tmp_path / "containers").iterdir():
                os.kill(int(container.read_text()), signal.SIGKILL)


def test_a_full_disk_does_not_keep_the_broken_version_in(operator: StandIn) -> None:
    operator.full("failed.log")
    status, said = operator.run("deploy", release("failing"))
    assert status == 1
    assert "failed.log cannot be written" in said
    assert operator.ways() == {"good"}
    assert operator.exists("containers") == {f"{operator.name}-blue"}


def test_a_full_disk_does_not_keep_anybody_from_rolling_back(operator: StandIn) -> None:
    operator.run("deploy", NEW)
    operator.full("front.state")
    status, said = operator.run("rollback")
    assert status == 0, said
    assert "front.state cannot be written" in said
    assert operator.serving() == OLD


def test_a_signal_while_the_state_is_saved_leaves_what_serves_in_it(operator: StandIn) -> None:
    command = [sys.executable, "-c", STOPPED_WHILE_SAVING, *operator.command("deploy", NEW)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "FAILED: stopped by SIGTERM" in done.stderr
    state = operator.status()
    assert (state["current"]["image"], state["serving"]) == (OLD, True)


def test_check_leaves_what_an_interrupted_run_left(operator: StandIn) -> None:
    killed = operator.started("--watch-seconds", "60", "deploy", NEW)
    assert killed.stderr
    next(line for line in killed.stderr if "switched the front" in line)
    killed.kill()
    killed.communicate()
    status, said = operator.run("check", OLD)
    assert status == 1
    assert "holds what an interrupted run left; deploy or roll back first" in said
    assert f"{operator.name}-green" in operator.exists("containers")
    assert operator.ways() == {"good"}


def test_a_signal_after_the_change_lets_the_old_version_finish(operator: StandIn) -> None:
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(requests.get, f"{operator.address}/slow", timeout=120)
        wait_until((operator.state / "slow-asked").exists, "the request is with the old version")
        deploying = operator.started("deploy", NEW)
        wait_until(lambda: operator.serving() == NEW, "the new version serves")
        deploying.send_signal(signal.SIGTERM)
        assert not answer.done()
        (operator.state / "slow-answers").touch()
        _, said = deploying.communicate()
        assert deploying.returncode == 0, said
        assert answer.result().status_code == 200
    assert "FAILED" not in said
    assert operator.exists("containers") == {f"{operator.name}-green"}


def test_the_image_of_a_failed_deployment_goes(operator: StandIn) -> None:
    operator.run("deploy", NEW)
    status, _ = operator.run("deploy", release("failing"))
    assert status == 1
    assert operator.exists("images") == {OLD, NEW}


def test_a_failed_deployment_of_the_previous_image_leaves_it_for_the_roll_back(
    operator: StandIn,
) -> None:
    operator.run("deploy", NEW)
    with engine.listening(operator.slots["blue"]):
        status, _ = operator.run("deploy", OLD)
    assert status == 1
    assert operator.exists("images") == {OLD, NEW}


@pytest.mark.parametrize(
    ("way", "sentence"),
    [
        ("nan", "the golden image is scored differently: .*nan"),
        ("fieldless", "the golden image is scored differently: .*None"),
        ("garbled", "the golden image was answered with 0: .*BadStatusLine"),
        ("short", "the golden image was answered with 0: .*IncompleteRead"),
    ],
)
def test_a_damaged_answer_is_named(operator: StandIn, way: str, sentence: str) -> None:
    status, said = operator.run("deploy", release(way))
    assert status == 1
    assert re.search(f"FAILED: {sentence}", said), said
    assert "switched" not in said
    assert operator.ways() == {"good"}


def test_changed_settings_are_deployed(operator: StandIn) -> None:
    settings = operator.state / "env"
    settings.write_text("LOG_LEVEL=DEBUG\n")
    status, said = operator.run("deploy", OLD)
    assert (status, "nothing to do" in said) == (0, False)
    started = (operator.state / "calls").read_text().splitlines()
    assert f"--env-file {settings} " in [line for line in started if line.startswith("run ")][-1]
    status, said = operator.run("deploy", OLD)
    assert "nothing to do" in said
    assert operator.status()["previous"] is None


def test_settings_that_cannot_be_read_are_named(operator: StandIn) -> None:
    status, said = operator.run("--env", "/no/such", "deploy", NEW)
    assert status == 1
    assert "FAILED: the settings /no/such cannot be read: No such file" in said
    assert operator.ways() == {"good"}
