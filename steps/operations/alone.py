"""`python -m steps.operations.alone COMMAND …`: run a command unless another one runs here so.

The lock is a file of the current folder. The command inherits it, and so do the processes that the
command waits for: the lock goes with the last of them, however they end.
"""

import fcntl
import os
import sys
from pathlib import Path

LOCK = Path(".pipeline.lock")


def main() -> int:
    """Become the command; return 1 where another one has the lock."""
    lock = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        process = os.read(lock, 20).decode() or "unknown"
        print(
            f"another `make run` or `make pipeline` is at work in {Path.cwd()} "
            f"(process {process}); wait until it has ended, or stop it",
            file=sys.stderr,
        )
        return 1
    os.truncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    os.set_inheritable(lock, True)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606, the command is the caller's own


if __name__ == "__main__":
    sys.exit(main())
