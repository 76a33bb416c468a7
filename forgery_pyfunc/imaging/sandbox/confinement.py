"""What is taken from a process before it decodes bytes of strangers."""

import ctypes
import fcntl
import os
import resource
import signal
from pathlib import Path

from forgery_pyfunc.imaging.sandbox.system_calls import refuse_other_calls

CONNECTION, SHARED = 3, 4
"""The descriptors of a decoder, beside three that lead nowhere: its connection, and the memory that
it shares with the service. No other can be opened."""
_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Have the kernel kill this process as soon as its parent, which has one thread, ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(1)


def keep_only(connection: int, shared: int) -> None:
    """Move these descriptors to `CONNECTION` and `SHARED`, and close all others."""
    connection, shared, nowhere = (
        fcntl.fcntl(number, fcntl.F_DUPFD, SHARED + 1)
        for number in (connection, shared, os.open(os.devnull, os.O_RDWR))
    )
    for number in range(CONNECTION):
        os.dup2(nowhere, number)
    os.dup2(connection, CONNECTION)
    os.dup2(shared, SHARED)
    os.closerange(SHARED + 1, os.sysconf("SC_OPEN_MAX"))


def confine(memory: int) -> bool:
    """Limit this process for good; return whether the kernel filters its system calls.

    Args:
        memory: bytes of address space beyond those that it has already.
    """
    limits = {
        resource.RLIMIT_AS: address_space() + memory,
        resource.RLIMIT_NOFILE: SHARED + 1,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for kind, most in limits.items():
        resource.setrlimit(kind, (most, most))
    return refuse_other_calls()


def address_space() -> int:
    """Return the bytes of address space that this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")
