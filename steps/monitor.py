"""Whether inputs or scores of a prediction log drift, and how well the model still does."""

import logging

from forgery_lab.errors import DataError
from forgery_lab.monitoring import drift, performance, report, window
from forgery_lab.monitoring.report import Monitored
from forgery_lab.monitoring.window import Days, Window
from steps.errors import AlarmError
from steps.settings.configuration import Workspace
from steps.settings.entities import MonitorSettings
from steps.tracking import runs

logger = logging.getLogger(__name__)


def run(settings: MonitorSettings, workspace: Workspace) -> None:
    """Compare a window of the log with the reference; write and log the report.

    Raises:
        AlarmError: there is drift.
    """
    reference = window.read(settings.reference, Days.parse(settings.reference_days))
    current = window.read(settings.current, Days.parse(settings.current_days))
    reference, current = of_same_models(reference, current)
    limits = drift.Limits(
        settings.alarm_rate,
        settings.least_reference,
        settings.least_current,
        settings.least_shift,
    )
    expected = [
        performance.estimate(one.frame, settings.bootstrap, settings.seed)
        for one in (reference, current)
    ]
    found = Monitored(
        reference,
        current,
        drift.compare(reference.frame, current.frame, limits),
        limits,
        (expected[0], expected[1]),
    )
    folder = settings.output or workspace.path("monitoring")
    report.write(folder, found)
    runs.log_artifacts(folder, "monitoring")
    runs.log_metrics(report.metrics(found))
    sentence = report.verdict(found)
    outcome = runs.ALARM if found.drift.drifted else runs.QUIET
    runs.set_outcome(outcome, sentence)
    logger.info("the report is %s", folder / report.PAGE)
    if found.drift.drifted:
        raise AlarmError(sentence)
    logger.info("%s", sentence)


def of_same_models(reference: Window, current: Window) -> tuple[Window, Window]:
    """Return the lines of the model versions that answered in both windows.

    Raises:
        DataError: there is no such version; scores of two models are no drift.
    """
    both = reference.models & current.models
    if not both:
        before, now = (", ".join(sorted(one.models)) for one in (reference, current))
        raise DataError(
            f"the reference was answered by {before}, the current window by {now}; scores of two "
            "models cannot be compared: take a reference of the same version"
        )
    return reference.of_models(both), current.of_models(both)
