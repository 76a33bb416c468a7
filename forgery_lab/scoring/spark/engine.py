"""A job on a cluster: a task per shard; whatever dies, every image has one row in the end."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from forgery_lab.places import Place
from forgery_lab.progress import Progress
from forgery_lab.scoring.job import Job
from forgery_lab.scoring.spark import executor
from forgery_lab.scoring.spark.executor import MODEL, Figures, Work, peak
from forgery_lab.spark.driver import code_sent, collector, one_sentence, require_fit
from forgery_lab.spark.session import connected

if TYPE_CHECKING:
    from pyspark import Accumulator, SparkContext

SECONDS_BETWEEN_LOOKS = 0.5


@dataclass(frozen=True)
class Cost:
    """What a start of a job has cost; peaks of memory in bytes, of executors the largest."""

    images: int = 0
    executors: int = 0
    seconds_of_tasks: float = 0.0
    driver_python: int = 0
    driver_jvm: int = 0
    executor_python: int = 0
    executor_jvm: int = 0


def score_job(
    job: Job,
    images: Place,
    model: Path,
    threshold: float | None,
    master: str,
    progress: Progress,
) -> Cost:
    """Score the shards of a job that are left, on the executors of a cluster.

    Args:
        job: of which parts may be done.
        images: the folder that the job's listing is of.
        model: folder of an MLflow model, which is sent to the executors.
        threshold: replaces the model's grey band.
        master: of the cluster; see `connected`.
        progress: called with images done and images in all, those of earlier starts included.

    Raises:
        DataError: the cluster does not answer, a worker cannot take part, or tasks failed.
    """
    left = job.left()
    if not left:
        return Cost()
    waiting = sum(len(job.listed(shard)) for shard in left)
    work = Work(job, images, threshold, executor.libraries())
    with (
        _packed(model) as archive,
        connected(master, f"forgery score {images}") as context,
        code_sent(context),
    ):
        context.addArchive(f"{archive}#{MODEL}")
        first, _ = job.listed(0)[0]
        require_fit(context, partial(executor.problem, work, first))
        done = collector(context, Figures)
        with _shown(done, job.images - waiting, job.images, progress), one_sentence():
            task = partial(executor.score_shards, work, done)
            context.parallelize(left, len(left)).foreachPartition(task)
        return _cost(context, list(done.value.values()))


@contextmanager
def _packed(model: Path) -> Iterator[str]:
    """Yield an archive with the model, for the executors, those that come later too."""
    with tempfile.TemporaryDirectory() as folder:
        yield shutil.make_archive(str(Path(folder, MODEL)), "zip", model)


@contextmanager
def _shown(
    done: Accumulator[dict[int, Figures]], before: int, total: int, progress: Progress
) -> Iterator[None]:
    """Show while tasks run how many images of finished shards there are."""
    ended = threading.Event()

    def show() -> None:
        progress(before + sum(one.images for one in list(done.value.values())), total)

    def watch() -> None:
        while not ended.wait(SECONDS_BETWEEN_LOOKS):
            show()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        show()


def _cost(context: SparkContext, figures: list[Figures]) -> Cost:
    gateway = getattr(context._gateway, "proc", None)
    driver = psutil.Process(gateway.pid).children(recursive=True) if gateway else []
    jvms = [*driver, *([psutil.Process(gateway.pid)] if gateway else [])]
    return Cost(
        images=sum(one.images for one in figures),
        executors=len({one.executor for one in figures}),
        seconds_of_tasks=sum(one.seconds for one in figures),
        driver_python=peak(psutil.Process().pid),
        driver_jvm=max((peak(one.pid) for one in jvms if one.name() == "java"), default=0),
        executor_python=max((one.python for one in figures), default=0),
        executor_jvm=max((one.jvm for one in figures), default=0),
    )
