"""What a step says in the terminal, and what only `VERBOSE=1` brings."""

import os
import subprocess
import sys

import pytest

from steps.settings.configuration import PROJECT_ROOT

PROGRAM = """
import logging, warnings
import mlflow
from steps import console
console.configure("train")
for name in ("steps.train", "forgery_lab.x", "mlflow.projects", "supervisor", "elsewhere"):
    logging.getLogger(name).info("info of %s", name)
    logging.getLogger(name).warning("warning of %s", name)
logging.getLogger("steps.train").debug("detail")
for module in ("mlflow.types.utils", "steps.train"):
    warnings.warn_explicit(f"hint of {module}", UserWarning, "a.py", 1, module=module)
import os
print({name: os.environ.get(name) for name in ("UVICORN_ACCESS_LOG", "LOG_LEVEL")})
"""


@pytest.fixture(scope="module")
def said():
    """What a process says with and without VERBOSE, and with a level of the user's own."""

    def run(**changes):
        hidden = ("VERBOSE", "MLFLOW_LOGGING_LEVEL", "LOG_LEVEL", "UVICORN_ACCESS_LOG")
        inherited = {k: v for k, v in os.environ.items() if k not in hidden}
        return subprocess.run(
            [sys.executable, "-c", PROGRAM], cwd=PROJECT_ROOT, env=inherited | changes,
            capture_output=True, text=True, check=True,
        )  # fmt: skip

    return {"quiet": run(VERBOSE="0"), "verbose": run(VERBOSE="1", LOG_LEVEL="ERROR")}


def test_own_sentences_and_warnings_are_said_and_hints_of_libraries_are_not(said):
    lines = said["quiet"].stderr
    for text in ("train: info of steps.train", "train: info of forgery_lab.x"):
        assert text in lines
    for name in ("mlflow.projects", "supervisor", "elsewhere"):
        assert f"info of {name}" not in lines
        assert f"warning of {name}" in lines
    assert "detail" not in lines
    assert "hint of mlflow" not in lines
    assert "hint of steps.train" in lines
    assert "{'UVICORN_ACCESS_LOG': 'false', 'LOG_LEVEL': 'WARNING'}" in said["quiet"].stdout


def test_verbose_brings_all_back_and_a_users_own_level_stays(said):
    lines = said["verbose"].stderr
    for name in ("steps.train", "forgery_lab.x", "mlflow.projects", "supervisor", "elsewhere"):
        assert f"info of {name}" in lines
    assert "steps.train: detail" in lines
    assert "hint of mlflow" in lines
    assert "{'UVICORN_ACCESS_LOG': None, 'LOG_LEVEL': 'ERROR'}" in said["verbose"].stdout


def commands(*arguments):
    """The commands that `make` would start."""
    made = ["make", "--dry-run", "--old-file=.venv/.installed", *arguments]
    environment = {k: v for k, v in os.environ.items() if k not in ("VERBOSE", "MAKEFLAGS")}
    return subprocess.run(
        made, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout


CASIA = (
    "dvc exp run -S ingest.source=/data/casia "
    "-S preprocess.draws=4 -S preprocess.rescaled=2 -S train.epochs=14"
)


@pytest.mark.parametrize(
    ("arguments", "dvc"),
    [((), "dvc repro"), (("DATASET=/data/casia",), CASIA)],
)
def test_make_leaves_out_what_dvc_says_of_the_stages_that_it_runs(arguments, dvc):
    quiet = commands("pipeline", *arguments)
    assert f"{dvc} | {{ grep" in quiet
    verbose = commands("pipeline", "VERBOSE=1", *arguments)
    assert dvc in verbose
    assert "grep" not in verbose
    assert commands("pipeline", "VERBOSE=0", *arguments) == quiet


def test_a_stage_that_dvc_does_not_run_is_named_and_a_failure_stays_one():
    makefile = (PROJECT_ROOT / "Makefile").read_text("utf-8")
    pattern = next(
        line for line in makefile.splitlines() if line.startswith("DVC_SAYS := ")
    ).removeprefix("DVC_SAYS := ")
    says = "Running stage 'train':\n> mlflow run .\nStage 'ingest' didn't change, skipping\n"
    script = f'(printf "$1"; exit 7) | {{ grep -E "{pattern}" || true; }}'
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script, "-", says],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "Stage 'ingest' didn't change, skipping\n"
    assert done.returncode == 7
