"""Python 3.11, 3.12 and 3.13: named alike everywhere, in every lock, and how `make` takes one."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from tests.doors.interpreters import ROOT, supported

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


def test_every_place_names_the_same_pythons():
    oldest, *_ = supported()
    name = "Programming Language :: Python :: "
    classifiers = PROJECT["project"]["classifiers"]
    assert [c.removeprefix(name) for c in classifiers if c.startswith(name)] == supported()
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.search(r"^SUPPORTED := (.*)$", makefile, re.M)[1].split() == supported()[::-1]
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == supported()
    assert PROJECT["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")
    assert PROJECT["tool"]["mypy"]["python_version"] == oldest


@pytest.mark.parametrize("lock", LOCKS, ids=[lock.stem for lock in LOCKS])
def test_a_lock_brings_the_same_packages_to_every_python(lock):
    lines = re.findall(r"^([\w.-]+(?:\[.+\])?==[^\\]+)", lock.read_text("utf-8"), re.M)
    markers = [marker for line in lines if (marker := Requirement(line.strip()).marker)]
    for marker in markers:
        brought = {
            marker.evaluate({"python_version": python, "python_full_version": f"{python}.0"})
            for python in supported()
        }
        assert len(brought) == 1, marker


STUB = """#!/bin/sh
case "$1" in
  --version) echo Python 3.{minor}.0 ;;
  -c) exec {real} -c 'import sys; sys.version_info = (3, {minor}, 0); exec(sys.argv[1])' "$2" ;;
  *) echo {name} "$@" >> {log} ;;
esac
"""
NOT_RUNNING = "#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n"


class Machine:
    """A checkout without code, and a PATH with interpreters that write down what they are asked."""

    def __init__(self, folder: Path) -> None:
        self.checkout, self.path, self.log = folder / "checkout", folder / "bin", folder / "log"
        (self.checkout / "requirements").mkdir(parents=True)
        shutil.copy(ROOT / "Makefile", self.checkout)
        for name in ("requirements/bootstrap.lock", "requirements/dev.lock", "pyproject.toml"):
            (self.checkout / name).touch()
        self.path.mkdir()
        for program in ("bash", "sed", "git", "make"):
            (self.path / program).symlink_to(shutil.which(program))

    def add(self, name: str, minor: int, place: Path | None = None) -> Path:
        """Add an interpreter of Python 3.`minor`."""
        stub = (place or self.path) / name
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.write_text(STUB.format(minor=minor, real=sys.executable, name=name, log=self.log))
        stub.chmod(0o755)
        return stub

    def add_not_running(self, name: str) -> None:
        """Add a command as pyenv has it for a version that is not chosen."""
        (self.path / name).write_text(NOT_RUNNING)
        (self.path / name).chmod(0o755)

    def setup(self, *variables: str) -> tuple[list[str], str]:
        """Return what the interpreters were asked to do by `make setup`, and what it said."""
        self.log.write_text("")
        environment = {"PATH": str(self.path), "HOME": os.environ["HOME"]}
        done = subprocess.run(
            ["make", "setup", *variables],
            cwd=self.checkout, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return self.log.read_text().splitlines(), done.stderr + done.stdout


@pytest.fixture
def machine(tmp_path) -> Machine:
    return Machine(tmp_path)


def test_make_takes_the_newest_python_that_runs(machine):
    machine.add_not_running("python3.13")
    machine.add("python3.12", 12)
    machine.add("python3.11", 11)
    machine.add("python3", 11)
    assert machine.setup()[0] == ["python3.12 -m venv --clear .venv"]


def test_make_takes_python3_where_it_is_a_supported_one(machine):
    machine.add("python3", 13)
    assert machine.setup()[0] == ["python3 -m venv --clear .venv"]


@pytest.mark.parametrize("minor", [10, 14])
def test_make_says_which_pythons_are_supported(machine, minor):
    machine.add("python3", minor)
    asked, said = machine.setup()
    assert asked == []
    assert "Supported are Python 3.13 3.12 3.11, with the venv module" in said
    asked, said = machine.setup("PYTHON=python3")
    assert asked == []
    assert "none of these is such: python3. Name another with PYTHON=" in said


def test_an_environment_keeps_its_python(machine):
    machine.add("python3.13", 13)
    machine.add("python3.11", 11)
    machine.add("python", 11, machine.checkout / ".venv/bin")
    assert machine.setup()[0] == ["python -m venv .venv"]  # a lock changed: nothing is cleared
    (machine.checkout / ".venv/.installed").touch()
    assert machine.setup()[0] == []
    assert machine.setup("PYTHON=python3.11")[0] == []


def test_another_python_that_is_named_makes_the_environment_anew(machine):
    machine.add("python3.13", 13)
    machine.add("python", 11, machine.checkout / ".venv/bin")
    machine.add("python3.13", 11, machine.checkout / ".venv/bin")  # does not come first
    (machine.checkout / ".venv/.installed").touch()
    assert machine.setup("PYTHON=python3.13")[0] == ["python3.13 -m venv --clear .venv"]
