"""The command line of the steps: which one, with which options, and how it ends."""

import importlib
import logging
import sys
from collections.abc import Sequence
from types import ModuleType

from mlflow.exceptions import MlflowException

from forgery_pyfunc.errors import ForgeryError
from steps import console
from steps.errors import SettingsError, exit_status
from steps.settings.bucket_workspace import workspace_here
from steps.settings.configuration import ConfigurationManager, entity_of
from steps.tracking import parent_run, runs

logger = logging.getLogger("steps")

WORKSPACE = "workspace"


def main(arguments: Sequence[str]) -> int:
    """Run the step and return its exit status; print one sentence where it fails.

    Under `mlflow run`, to which every status but 0 is a failure, a refusal by the gate and an alarm
    end with 0.
    """
    step = arguments[0] if arguments else ""
    console.configure(step)
    is_project_run = runs.is_project_run()
    try:
        run_step(step, read_options(arguments[1:]))
    except ForgeryError as error:
        print(f"{step}: {error}", file=sys.stderr)
        return exit_status(error, is_project_run)
    return 0


def run_step(step: str, options: dict[str, str]) -> None:
    """Run one step in its MLflow run; raise `ForgeryError` for all that a user can correct."""
    manager = ConfigurationManager()
    root = options.pop(WORKSPACE, None)
    settings = manager.settings(entity_of(step), options)
    module = importlib.import_module(f"steps.{step}")
    logger.info("%s", first_sentence(module))
    try:
        retries = getattr(module, "REQUEST_RETRIES", None)
        runs.configure(manager.config.experiment, retries)
        unfinished = getattr(module, "unfinished_run", None)
        with workspace_here(root, step, manager.config.paths) as folder:
            workspace = manager.workspace(folder)
            with (
                runs.step_run(settings, workspace, unfinished) as run,
                parent_run.joined(run, settings, workspace),
            ):
                module.run(settings, workspace)
    except (MlflowException, OSError) as error:
        raise runs.translated(error) from error


def first_sentence(module: ModuleType) -> str:
    """Return what a step's module says that it does."""
    return (module.__doc__ or "").partition("\n")[0].removesuffix(".")


def read_options(arguments: Sequence[str]) -> dict[str, str]:
    """Return `--key value` pairs as a dict; raise `SettingsError` for anything else."""
    options = {}
    for position in range(0, len(arguments), 2):
        key, value = arguments[position], arguments[position + 1 : position + 2]
        if not key.startswith("--") or not value:
            raise SettingsError(f"expected --key value, got {' '.join(arguments[position:])!r}")
        options[key.removeprefix("--")] = value[0]
    return options
