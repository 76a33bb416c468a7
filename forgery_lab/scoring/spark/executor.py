"""What runs in the Python of an executor: it reads the images of a shard and writes its part."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from forgery import model_child, model_process
from forgery.model_process import Ask
from forgery_lab.errors import DataError
from forgery_lab.evaluation.scoring import batches, parameters, records
from forgery_lab.places import Place
from forgery_lab.scoring.job import Image, Job
from forgery_lab.scoring.reading import reader
from forgery_lab.scoring.survivor import surviving
from forgery_lab.spark import workers
from forgery_lab.spark.workers import SHARED, Libraries

if TYPE_CHECKING:
    from pyspark import Accumulator

MODEL = "model"
"""Name of the archive with the model, which Spark unpacks on every executor."""
_PACKAGES = (
    *("forgery-detector", "mlflow-skinny", "numpy", "onnxruntime", "pandas", "pillow"),
    *("pyarrow", "pyspark", "s3fs"),
)
_CODE = (model_process, model_child)


@dataclass(frozen=True)
class Work:
    """What all tasks of a job get: the job, the images' folder, the libraries of the driver."""

    job: Job
    images: Place
    threshold: float | None
    libraries: Libraries


@dataclass(frozen=True)
class Figures:
    """What a shard has cost, and the peaks of memory of the processes that scored it, in bytes.

    Attributes:
        executor: host and process of the JVM.
        python: the worker's Python and the model's process together.
        jvm: the executor's JVM, 0 where it cannot be told.
    """

    executor: str
    images: int
    seconds: float
    python: int
    jvm: int


@dataclass
class _Open:
    """The model's process of this Python worker, which scores many shards."""

    stack: ExitStack = field(default_factory=ExitStack)
    asks: dict[str, Ask] = field(default_factory=dict)

    def ask(self, model: str, threshold: float | None) -> Ask:
        if model not in self.asks:
            opened = surviving(model, parameters(threshold))
            self.asks[model] = self.stack.enter_context(opened)
        return self.asks[model]


_open = _Open()


def libraries() -> Libraries:
    """Return names and versions of Python and of what decides the answers."""
    return workers.libraries(_PACKAGES, [Path(str(module.__file__)) for module in _CODE])


@cache
def problem(work: Work, first: str) -> str | None:
    """Return a sentence about why this worker cannot take part, or None.

    Args:
        work: of the job.
        first: name of an image of the listing.
    """
    host, job = socket.gethostname(), work.job
    if other := workers.difference(work.libraries, libraries()):
        return other
    try:
        if not job.is_seen():
            return f"the worker {host} does not see {job.folder}; {SHARED}"
        if job.folder.path and not os.access(job.folder.path, os.W_OK):
            return f"the worker {host} may not write to {job.folder}"
        (work.images / first).read(1)
    except FileNotFoundError:
        return f"the worker {host} does not see {work.images / first}; {SHARED}"
    except (DataError, OSError) as error:
        return f"the worker {host}: {error}"
    return None


def score_shards(work: Work, done: Accumulator[dict[int, Figures]], shards: Iterable[int]) -> None:
    """Score shards, write their parts, and say what each has cost.

    Raises:
        DataError: this worker cannot take part, an image's server failed, or a part could not be
            written.
        ModelError: see `surviving`.
    """
    for shard in shards:
        listed = work.job.listed(shard)
        reason = problem(work, listed[0][0])
        if reason:
            raise DataError(reason)
        done.add({shard: _score_shard(work, shard, listed)})


def _score_shard(work: Work, shard: int, listed: list[Image]) -> Figures:
    from pyspark import SparkFiles

    began = time.monotonic()
    ask = _open.ask(str(Path(SparkFiles.getRootDirectory()) / MODEL), work.threshold)
    found = []
    for positions in batches([size for _, size in listed]):
        found += records(ask, [reader(work.images, listed[position]) for position in positions])
    work.job.write(shard, [name for name, _ in listed], found)
    own = psutil.Process()
    jvm = next((process for process in own.parents() if process.name() == "java"), None)
    return Figures(
        executor=f"{socket.gethostname()} {jvm.pid if jvm else os.getppid()}",
        images=len(listed),
        seconds=time.monotonic() - began,
        python=sum(peak(process.pid) for process in (own, *own.children(recursive=True))),
        jvm=peak(jvm.pid) if jvm else 0,
    )


def peak(process: int) -> int:
    """Return the most memory that a process has had, in bytes; 0 where Linux does not say it."""
    try:
        lines = Path(f"/proc/{process}/status").read_text("utf-8").splitlines()
    except OSError:  # it has ended, or this is not Linux
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
