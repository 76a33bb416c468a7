"""The command `forgery`: a module per subcommand, and those of other rooms by entry points.

What a subcommand needs is imported when it runs, so that the command starts quickly.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from forgery.command.about import about
from forgery.command.exits import FAILED, INTERRUPTED, Failure, end
from forgery.command.explain import explain
from forgery.command.report import report
from forgery.command.scan import scan
from forgery.command.trust_list import trust_list

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

GROUP = "forgery.commands"
"""Entry points of commands that other rooms have, such as `doctor` and `serve`."""


def entry_points() -> EntryPoints:
    """Return those of `GROUP`; the module that reads them takes a tenth of a scan's time."""
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)


class Commands(click.Group):
    """The commands of this package, and those of other rooms where these are installed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted([*super().list_commands(ctx), *entry_points().names])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; one of another room is imported only when it is asked for."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            return command
        for entry_point in entry_points().select(name=cmd_name):
            return load(entry_point)
        return None

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; no status that means something else may stand for a failure."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            end(INTERRUPTED)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise  # click's own way to end
        except BrokenPipeError:  # whoever read the output has gone
            sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 until the process ends
            end(FAILED)
        except Exception as error:
            raise Failure(f"{type(error).__name__}: {error}") from error


def load(entry_point: EntryPoint) -> click.Command:
    """Return the command of an entry point; where its room is absent, one that says so."""
    try:
        command: click.Command = entry_point.load()
    except ModuleNotFoundError as error:
        return absent(entry_point.name, error.name or entry_point.module)
    return command


def absent(name: str, package: str) -> click.Command:
    """Return a command, left out of the help, that can only say which package it misses."""

    @click.command(name, hidden=True, add_help_option=False, context_settings=ANY_ARGUMENTS)
    def explain() -> None:
        raise Failure(
            f"`forgery {name}` needs the package {package}, which is not installed: run it in a "
            "checkout of the project after `make setup`."
        )

    return explain


ANY_ARGUMENTS = {"ignore_unknown_options": True, "allow_extra_args": True}


EXAMPLES = """\b
Examples:
  forgery scan photo.jpg            a verdict
  forgery scan PHOTOS --csv         a table of a folder's pictures
  forgery explain photo.jpg         why: heat map, error levels, noise, ghosts, grid, copies
  forgery report photo.jpg          the same as a PDF
"""


@click.group(
    cls=Commands, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="forgery-detector")
def main() -> None:
    """Tell whether pictures were forged by splicing or copy-moving, and where.

    A verdict is a statistical estimate, not proof. `forgery COMMAND --help` tells more.
    """


main.add_command(scan)
main.add_command(explain)
main.add_command(about)
main.add_command(report)
main.add_command(trust_list)
