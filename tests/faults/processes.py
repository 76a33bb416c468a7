"""The processes of a running service, by what they are."""

import contextlib
from collections import Counter
from collections.abc import Iterator

import psutil

FORK_SERVER = "forgery_pyfunc.imaging.sandbox.server"
SPAWNED = "--multiprocessing-fork"

MASTER, PAGE_WORKER = "page: gunicorn's master", "page: its worker"
PAGE_FORK_SERVER, PAGE_DECODER = "page: decoders' fork server", "page: a decoder"
MLFLOW, UVICORN = "scoring: mlflow", "scoring: uvicorn's parent"
SCORING_WORKER = "scoring: a worker"
FORK_SERVERS, SCORING_DECODER = "scoring: a fork server", "scoring: a decoder"
KINDS = (
    SCORING_DECODER, PAGE_DECODER, FORK_SERVERS, PAGE_FORK_SERVER, SCORING_WORKER, PAGE_WORKER,
    UVICORN, MASTER, MLFLOW,
)  # fmt: skip
"""In the order in which they are killed: those that others depend on come last."""
ON_DEMAND = (PAGE_DECODER, SCORING_DECODER)
"""Kinds of which there may be fewer than before, as long as there is one."""


def processes(supervisor: psutil.Process) -> dict[str, list[psutil.Process]]:
    """Return the processes below a supervisor, by kind; what is none of these is left out."""
    found: dict[str, list[psutil.Process]] = {kind: [] for kind in KINDS}
    for service in _living(supervisor):
        for kind, process in _of_service(service):
            found[kind].append(process)
    return found


def all_there(
    before: dict[str, list[psutil.Process]], now: dict[str, list[psutil.Process]]
) -> bool:
    """Return whether as many processes of each kind are there as before."""
    wanted = Counter({kind: 1 if kind in ON_DEMAND else len(before[kind]) for kind in KINDS})
    return wanted <= Counter({kind: len(now[kind]) for kind in KINDS})


def _of_service(leader: psutil.Process) -> Iterator[tuple[str, psutil.Process]]:
    command = _command(leader)
    if "gunicorn" in command:
        yield MASTER, leader
        for worker in _living(leader):
            yield PAGE_WORKER, worker
            yield from _decoders(worker, PAGE_FORK_SERVER, PAGE_DECODER)
    elif "mlflow" in command:
        yield MLFLOW, leader
        for parent in _living(leader):
            yield UVICORN, parent
            for worker in _living(parent):
                if SPAWNED in _command(worker):
                    yield SCORING_WORKER, worker
                    yield from _decoders(worker, FORK_SERVERS, SCORING_DECODER)


def _decoders(
    worker: psutil.Process, of_server: str, of_decoder: str
) -> Iterator[tuple[str, psutil.Process]]:
    for server in _living(worker):
        if FORK_SERVER in _command(server):
            yield of_server, server
            for decoder in _living(server):
                yield of_decoder, decoder


def _living(parent: psutil.Process) -> list[psutil.Process]:
    """Return the children of a process that have not ended; none where it has ended itself."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [child for child in parent.children() if _command(child)]
    return []


def _command(process: psutil.Process) -> str:
    """Return the command line; that of a process which has ended is empty."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""
