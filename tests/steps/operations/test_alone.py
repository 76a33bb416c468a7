"""A second `make pipeline` beside the first stops with one sentence, and harms neither."""

import os
import signal
import subprocess
import sys
import time

import pytest

from steps.operations.alone import LOCK
from steps.settings.configuration import PROJECT_ROOT

ALONE = [sys.executable, "-m", "steps.operations.alone"]
MAKE = ("make", "-o", ".venv/.installed", "pipeline")


def until_locked(folder):
    deadline = time.monotonic() + 60
    while not ((folder / LOCK).is_file() and (folder / LOCK).read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_lock_is_held_as_long_as_the_command_runs_and_goes_with_a_kill(tmp_path):
    given = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": str(PROJECT_ROOT)}}
    first = subprocess.Popen([*ALONE, "sleep", "600"], start_new_session=True, **given)
    until_locked(tmp_path)
    second = subprocess.run([*ALONE, "touch", "done"], capture_output=True, text=True, **given)
    assert second.returncode == 1
    assert second.stderr.splitlines() == [
        f"another `make run` or `make pipeline` is at work in {tmp_path} (process {first.pid}); "
        "wait until it has ended, or stop it"
    ]
    assert not (tmp_path / "done").exists()
    assert first.poll() is None
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert subprocess.run([*ALONE, "sh", "-c", "touch done; exit 3"], **given).returncode == 3
    assert (tmp_path / "done").exists()


@pytest.mark.slow
def test_of_two_pipelines_in_one_checkout_the_second_stops(trained):
    first = subprocess.Popen(
        MAKE, cwd=trained.root, env=trained.environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    until_locked(trained.root)
    said = trained.run(*MAKE, expect=2)
    assert first.poll() is None
    assert "Traceback" not in said
    sentence, of_make = said.strip().splitlines()
    assert sentence.startswith("another `make run` or `make pipeline` is at work in")
    assert of_make.startswith("make: *** ")
    whole = first.communicate(timeout=300)[0]
    assert first.returncode == 0, whole
    assert "this detector is already version" in whole
