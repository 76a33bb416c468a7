"""`forgery doctor` and `forgery history`; the command `forgery` finds them by entry points."""

import json
import os
import sys
from typing import Any

import click
from mlflow.exceptions import MlflowException

from forgery_pyfunc.errors import ForgeryError
from steps.registry.model_registry import Registry
from steps.settings.configuration import ConfigurationManager
from steps.tracking import runs


def opened() -> ConfigurationManager:
    """Return the configuration, with the tracking server chosen."""
    manager = ConfigurationManager()
    runs.choose_store()
    return manager


@click.command()
@click.option("--repair", is_flag=True, help="Bring aliases, tags and stages into agreement.")
def doctor(repair: bool) -> None:
    """Look at tracking, registry, artefacts, DVC remotes, clock and disk.

    Exit status: 0 when all is sound, 1 when something has to be done.
    """
    from steps.operations.doctor import examine

    manager = opened()
    experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", manager.config.experiment)
    sound = True
    try:
        for one in examine(manager.workspace(), experiment, repair):
            sound = sound and one.is_sound
            click.echo(f"{'ok  ' if one.is_sound else 'FAIL'}  {one.subject:12}{one.said}")
            if one.remedy:
                click.echo(f"{'':18}→ {one.remedy}")
    except (ForgeryError, MlflowException) as error:
        raise click.ClickException(str(error)) from error
    sys.exit(0 if sound else 1)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def history(as_json: bool) -> None:
    """Tell who promoted which version, when, why, and with which figures."""
    registry = Registry(opened().config.registered_model)
    try:
        events = registry.history()
    except MlflowException as error:
        raise click.ClickException(str(runs.explain(error))) from error
    for event in events:
        click.echo(json.dumps(event) if as_json else line(event))


def line(event: dict[str, Any]) -> str:
    """Return an event as a line for people."""
    head = f"{event['at'][:19]}Z  {event['by']:12}{event.get('action', 'promote'):9}"
    if "version" not in event:
        return f"{head}{event['reason']}"
    before = event.get("from_version")
    said = f"{head}version {event['version']} to {event['to']}"
    said += f", after version {before}" if before else ""
    figures = event.get("figures") or {}
    if "challenger.AUC" in figures:
        said += f", AUC {figures['challenger.AUC']:.3f} against {figures['champion.AUC']:.3f}"
    return f"{said}: {event['reason']}" if event.get("reason") else said
