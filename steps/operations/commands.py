"""`forgery doctor`, `history` and `learnt`; the command `forgery` finds them by entry points."""

import json
import os
import sys
from dataclasses import asdict
from typing import Any

import click
from mlflow.exceptions import MlflowException

from forgery_pyfunc.errors import ForgeryError
from steps.registry.events import in_words
from steps.registry.model_registry import Registry
from steps.settings.configuration import ConfigurationManager
from steps.tracking import runs


class NoAnswer(click.ClickException):
    """Ends a command whose statuses 0 and 1 are answers."""

    exit_code = 2


def opened() -> ConfigurationManager:
    """Return the configuration, with the tracking server chosen."""
    manager = ConfigurationManager()
    runs.choose_store()
    return manager


@click.command()
@click.option(
    "--repair",
    is_flag=True,
    help="Bring aliases, tags and stages into agreement, and old registries up to date.",
)
def doctor(repair: bool) -> None:
    """Check tracking, registry, artefacts, DVC remotes, clock and disk.

    Exit status: 0 when every check passes, 1 otherwise.
    """
    from steps.operations.doctor import examine

    manager = opened()
    experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", manager.config.experiment)
    all_sound = True
    try:
        for finding in examine(manager.workspace(), experiment, repair):
            all_sound = all_sound and finding.is_sound
            click.echo(
                f"{'ok  ' if finding.is_sound else 'FAIL'}  {finding.subject:12}{finding.result}"
            )
            if finding.remedy:
                click.echo(f"{'':18}→ {finding.remedy}")
    except (ForgeryError, MlflowException) as error:
        raise click.ClickException(str(error)) from error
    sys.exit(0 if all_sound else 1)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def history(as_json: bool) -> None:
    """Show who promoted which version, when, why, and with which figures."""
    registry = Registry(opened().config.registered_model)
    try:
        events = registry.history()
    except MlflowException as error:
        raise click.ClickException(str(runs.explain(error))) from error
    for event in events:
        click.echo(json.dumps(event) if as_json else line(event))


@click.command()
@click.argument("pictures", metavar="PICTURE...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def learnt(pictures: tuple[str, ...], as_json: bool) -> None:
    """Tell which registered versions learnt from pictures.

    PICTURE is a file, or the SHA-256 of one that is gone; of a file it is also said whether a
    version learnt from a picture that looks the same.

    Exit status: 0 when no version did, 1 when one did or cannot be read, 2 on an error.
    """
    from steps.operations.learnt import learnt_from, rows_of

    all_clean = True
    try:
        rows = {picture: rows_of(picture) for picture in pictures}
        for name, found in learnt_from(Registry(opened().config.registered_model), rows):
            all_clean = all_clean and not (found.files or found.alike or found.unknown)
            said = json.dumps({"picture": name, **asdict(found)})
            click.echo(said if as_json else f"{name}: {found.in_words()}")
    except MlflowException as error:
        raise NoAnswer(str(runs.explain(error))) from error
    except (ForgeryError, OSError) as error:
        raise NoAnswer(str(error)) from error
    sys.exit(0 if all_clean else 1)


def line(event: dict[str, Any]) -> str:
    """Return an event as a line for people."""
    head = f"{event['at'][:19]}Z  {event['by']:12}{event.get('action', 'promote'):9}"
    return f"{head}{in_words(event)}"
