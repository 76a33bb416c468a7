"""A training by several processes, on this machine or on several; see `replica` for one of them."""

import importlib.util
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from forgery_lab.errors import DataError
from forgery_lab.training import checkpoint as checkpoints
from forgery_lab.training.loop import OnEpoch
from steps.settings.configuration import PROJECT_ROOT, Workspace
from steps.settings.entities import TrainSettings

SECONDS_BETWEEN_LOOKS = 0.5
PROGRAM = ("env", "KERAS_BACKEND=jax", sys.executable, "-m", "steps.pipeline.replica")
"""On every host at the same path, as is the project."""


class Order(BaseModel):
    """What a process gets to know, as a line of its standard input; it ends when that is closed.

    Attributes:
        settings: of the training.
        workspace: on a file system of all hosts.
        context: for the checkpoint, see `loop.fit`.
        address: where the first process waits for the others, HOST:PORT.
        number: of the process, counted from 0.
        size: processes in all.
        beside: processes on the same host, which share out its cores by their numbers.
    """

    settings: TrainSettings
    workspace: Workspace
    context: dict[str, str]
    address: str
    number: int
    size: int
    beside: int


@dataclass(frozen=True)
class Member:
    """A process that was started here, or through ssh."""

    host: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def ending(self) -> str:
        """How it ended, and its last words."""
        status = self.process.returncode
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        said = self.log.read_text("utf-8", "replace").strip().splitlines() or ["it said nothing"]
        return f"on {self.host} {how}: {said[-1]}"


def train(
    settings: TrainSettings,
    workspace: Workspace,
    checkpoint: Path,
    digest: str,
    context: dict[str, str],
    on_epoch: OnEpoch,
) -> None:
    """Train to the end by the processes that the settings ask for; the checkpoint is the result.

    Args:
        settings: of the training.
        workspace: on a file system of all hosts.
        checkpoint: which the first process writes.
        digest: of the training, see `loop.fingerprint`.
        context: see `loop.fit`.
        on_epoch: see `loop.fit`.

    Raises:
        DataError: there is no JAX, the processes cannot share a batch, or one of them ended.
    """
    size = settings.workers * len(settings.hosts)
    if not importlib.util.find_spec("jax"):
        raise DataError("a training by several processes needs JAX: install the extra `replicas`")
    if settings.batch_size % size:
        raise DataError(
            f"train.batch_size: got {settings.batch_size}, which {size} processes cannot share "
            f"out equally; allowed: a multiple of {size}"
        )
    order = Order(
        settings=settings,
        workspace=workspace,
        context=context,
        address=f"{settings.hosts[0]}:{_free_port()}",
        number=0,
        size=size,
        beside=settings.workers,
    )
    hosts = [host for host in settings.hosts for _ in range(settings.workers)]
    told = 0
    with _started(order, hosts) as members:
        while not _ended(members):
            time.sleep(SECONDS_BETWEEN_LOOKS)
            if checkpoint.is_file():
                note = checkpoints.read(checkpoint, digest)[1]
                for row in note["history"][told:]:
                    told += 1
                    on_epoch(told, row, note["ended_at"])


@contextmanager
def _started(order: Order, hosts: Sequence[str]) -> Iterator[list[Member]]:
    members: list[Member] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for number, host in enumerate(hosts):
                log = Path(folder) / f"{number}.log"
                members.append(_start(host, order.model_copy(update={"number": number}), log))
            yield members
        finally:
            for member in members:
                member.process.kill()
                member.process.communicate()


def _start(host: str, order: Order, log: Path) -> Member:
    remote = f"cd {shlex.quote(str(PROJECT_ROOT))} && exec {shlex.join(PROGRAM)}"
    command = PROGRAM if _is_here(host) else ("ssh", "-o", "BatchMode=yes", host, remote)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=PROJECT_ROOT, stdin=subprocess.PIPE, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    assert process.stdin  # noqa: S101, for the type
    process.stdin.write(order.model_dump_json().encode() + b"\n")
    process.stdin.flush()
    return Member(host, process, log)


def _ended(members: Sequence[Member]) -> bool:
    """Return whether all have done their work.

    Raises:
        DataError: one ended before; of several, the one that was killed.
    """
    failed = [member for member in members if member.process.poll()]
    if failed:
        killed = min(failed, key=lambda member: member.process.returncode)
        raise DataError(
            f"a process of the training {killed.ending}; the same command continues after the "
            "last whole epoch"
        )
    return all(member.process.poll() == 0 for member in members)


def _is_here(host: str) -> bool:
    return host in {"localhost", "127.0.0.1", socket.gethostname(), socket.getfqdn()}


def _free_port() -> int:
    with socket.create_server(("", 0)) as server:
        return int(server.getsockname()[1])
