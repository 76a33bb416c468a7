"""Errors of running a step, each with the exit status that it ends the process with."""

from forgery_pyfunc.errors import ForgeryError


class SettingsError(ForgeryError):
    """A setting is unknown, missing, of the wrong type or out of range."""

    code = "bad_settings"


class TrackingError(ForgeryError):
    """The tracking server or the model registry is absent, refuses us or lacks what was named."""

    code = "tracking"


class StepFailedError(ForgeryError):
    """A step of `main` ended with an error."""

    code = "step_failed"


class OutcomeError(ForgeryError):
    """The step did its work, and its outcome asks for a person: no fault of anything."""


class GateRefusedError(OutcomeError):
    """The promotion gate said no."""

    code = "refused"


class AlarmError(OutcomeError):
    """The monitor found drift."""

    code = "alarm"


EXIT_FAILED = 1
EXIT_BAD_SETTINGS = 2
EXIT_OUTCOME = 3


def exit_status(error: ForgeryError, is_project_run: bool = False) -> int:
    """Return the exit status of a process that ends with this error.

    `mlflow run` takes every status but 0 for a failure, and an outcome is none: there it is 0.
    """
    if isinstance(error, SettingsError):
        return EXIT_BAD_SETTINGS
    if isinstance(error, OutcomeError):
        return 0 if is_project_run else EXIT_OUTCOME
    return EXIT_FAILED


def first_line(error: BaseException) -> str:
    """Return what an error says, without what follows; its name where it says nothing."""
    return (str(error).strip() or repr(error)).splitlines()[0]
