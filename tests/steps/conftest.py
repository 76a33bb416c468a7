"""One clone of the project in which the whole way was gone once, and copies of it."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
import yaml

from steps.settings.configuration import PROJECT_ROOT
from tests.shared_folder import shared_folder
from tests.stores import copy_store, move_store, tracking

BIN = Path(sys.executable).parent

SMALL = {
    "ingest": {"demo_count": 90},
    "preprocess": {"draws": 1, "rescaled": 0, "features": ["residual"]},
    "train": {"epochs": 2},
    "evaluate": {"draws": 1, "bootstrap": 100},
}
"""The way in a minute: too little to learn anything, enough to go through every step."""


@dataclass(frozen=True)
class Clone:
    """A clone of the project with a tracking store of its own."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment that the Makefile would give to its commands.

        Nothing is left of a `make` around the tests: no `PYTHON=`, no level of recursion.
        """
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "MAKE"))}
        inherited.pop("PYTHON", None)
        return {
            **inherited,
            "PATH": f"{BIN}:{inherited['PATH']}",
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.root}/mlflow.db",
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "TF_CPP_MIN_LOG_LEVEL": "2",
        }

    def run(self, *command: str, expect: int | None = 0, **environment: str) -> str:
        """Return what a command printed; fail the test when its exit status is another."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert expect is None or done.returncode == expect, done.stdout
        return done.stdout

    def commit(self, message: str) -> None:
        """Commit what was added."""
        who = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
        self.run("git", *who, "commit", "-qm", message)

    def step(self, name: str, *options: str, expect: int | None = 0, **environment: str) -> str:
        """Return what `python -m steps NAME --key value …` printed."""
        return self.run("python", "-m", "steps", name, *options, expect=expect, **environment)


def make_clone(folder: Path, store: Path, shipped: bool = False) -> Clone:
    """Copy what git tracks or would track into a new repository, with small parameters.

    It has a copy of the tracking store, and the shipped detector, which would be the champion,
    only where it is asked for.
    """
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT_ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        if name.startswith("forgery/shipped/") and not shipped:
            continue
        if (PROJECT_ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT_ROOT / name, folder / name)
    params = yaml.safe_load((folder / "params.yaml").read_text("utf-8"))
    for step, changes in SMALL.items():
        params[step].update(changes)
    (folder / "params.yaml").write_text(yaml.safe_dump(params), "utf-8")
    copy_store(store, folder)
    clone = Clone(folder)
    clone.run("git", "init", "-q")
    clone.run("git", "add", "-A")
    clone.commit("start")
    return clone


@pytest.fixture
def tracking_store(tmp_path, empty_store):
    """MLflow tracks in a store of the test's own, in an experiment that keeps its files there."""
    with tracking(copy_store(empty_store, tmp_path)):
        mlflow.create_experiment("e", artifact_location=tmp_path.as_uri())
        mlflow.set_experiment("e")
        yield


@pytest.fixture(scope="session")
def clone(tmp_path_factory, empty_store):
    """A clone in which nothing has run yet; for tests that bring it into no other state."""
    return make_clone(tmp_path_factory.mktemp("clones") / "fresh", empty_store)


@pytest.fixture(scope="session")
def trained_clone(tmp_path_factory, empty_store):
    """The folder of the one clone in which `dvc repro`, `register` and `promote` have run."""

    def train(folder):
        clone = make_clone(folder, empty_store)
        clone.run("dvc", "repro")
        clone.step("register")
        clone.step("promote")

    return shared_folder(tmp_path_factory, "trained", train)


@pytest.fixture(scope="session")
def trained(tmp_path_factory, trained_clone):
    """This worker's copy of that clone."""
    copy = tmp_path_factory.mktemp("clones") / "trained"
    shutil.copytree(trained_clone, copy, symlinks=True)
    move_store(copy, trained_clone)
    return Clone(copy)
