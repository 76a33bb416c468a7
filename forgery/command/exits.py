"""Exit statuses of `forgery`, and the error that ends it with one sentence."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click

from forgery.threads import is_at_work
from forgery_pyfunc.errors import ForgeryError

CLEAN, FORGED, FAILED, INTERRUPTED = 0, 1, 2, 130
"""Nothing forged; at least one forged; at least one file could not be scored, or the command
failed; Ctrl-C."""


class Failure(click.ClickException):
    """Ends the command with one sentence; never with the status that stands for a forgery."""

    exit_code = FAILED


def end(status: int) -> NoReturn:
    """End the process: at once where a thread is still at work.

    Native code that comes back to an interpreter at its end aborts the process, at worst.
    """
    if is_at_work():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


@contextmanager
def failing_for(picture: Path) -> Iterator[None]:
    """End the command with one sentence that names the picture, or the file that was at fault.

    Raises:
        Failure: an `OSError` or a `ForgeryError` was raised inside.
    """
    try:
        yield
    except OSError as error:
        where = click.format_filename(error.filename or picture)
        raise Failure(f"{where}: {error.strerror or error}") from error
    except ForgeryError as error:
        raise Failure(f"{click.format_filename(picture)}: {error}") from error
