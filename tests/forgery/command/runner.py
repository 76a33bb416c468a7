"""The command as a user calls it: in this process, or as a process of its own."""

import subprocess
import sys

from click.testing import CliRunner, Result

from forgery.command import main

COMMAND = [sys.executable, "-m", "forgery.command"]


def forgery(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)


def started(*arguments: object, **options: object) -> subprocess.Popen:
    """A process with its output in pipes: where signals, pipes and terminals matter."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen([*COMMAND, *map(str, arguments)], **pipes)
