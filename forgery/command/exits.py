"""Exit statuses of `forgery`, and the error that ends it with one sentence."""

import click

CLEAN, FORGED, FAILED, INTERRUPTED = 0, 1, 2, 130
"""Nothing forged; at least one forged; at least one file could not be scored, or the command
failed; Ctrl-C."""


class Failure(click.ClickException):
    """Ends the command with one sentence; never with the status that stands for a forgery."""

    exit_code = FAILED
