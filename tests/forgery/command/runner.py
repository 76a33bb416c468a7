"""The command as a user calls it: in this process, or as a process of its own."""

import os
import signal
import subprocess
import sys

from click.testing import CliRunner, Result

from forgery.command import main

COMMAND = [sys.executable, "-m", "forgery.command"]
THREADS = "OMP_NUM_THREADS"
"""Set by the command for its own process; what other tests start must not inherit it."""


def forgery(*arguments: object, stdin: bytes | None = None) -> Result:
    restored = {THREADS: os.environ.get(THREADS)}
    texts = [str(argument) for argument in arguments]
    return CliRunner().invoke(main, texts, input=stdin, env=restored)


def started(*arguments: object, **options: object) -> subprocess.Popen:
    """A process with its output in pipes: where signals, pipes and terminals matter.

    Ctrl-C reaches it, also where the tests themselves run in the background and ignore it.
    """
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **pipes,
    )
