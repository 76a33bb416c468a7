"""Functions of this project on the executors of a cluster, as `in_parallel` runs them here."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from threadpoolctl import threadpool_limits

import forgery_pyfunc
from forgery_lab.processes import Spread, counted
from forgery_lab.progress import Progress
from forgery_lab.spark import workers
from forgery_lab.spark.driver import code_sent, collector, one_sentence, require_fit
from forgery_lab.spark.session import connected
from forgery_lab.spark.workers import SHARED, Libraries

if TYPE_CHECKING:
    from pyspark import Accumulator, SparkContext

Task = TypeVar("Task")
Result = TypeVar("Result")

MOST_PARTS = 4096
"""Spark's driver keeps account of each; longer lists of tasks have larger parts."""
SECONDS_BETWEEN_LOOKS = 0.2

_PACKAGES = (
    *("forgery-detector", "imagehash", "numpy", "pandas", "pillow", "pyarrow", "pyspark"),
    "scipy",
)


@contextmanager
def on_executors(master: str, name: str, folders: Sequence[Path]) -> Iterator[Spread]:
    """Yield what runs functions of `forgery_lab` on the executors of a cluster.

    Workers of executors keep their usual niceness, and however few tasks there are, none runs here.

    Args:
        master: of the cluster; see `connected`.
        name: of the application, on Spark's pages.
        folders: absolute; every worker must see them.

    Raises:
        DataError: the cluster does not answer, or a worker cannot take part; later, where results
            are read: a task failed.
    """
    with connected(master, name) as context, code_sent(context):
        require_fit(context, partial(_problem, _libraries(), tuple(folders)))
        yield partial(_run, context)


def _libraries() -> Libraries:
    """Return names and versions of what decides a manifest and features."""
    folder = Path(str(forgery_pyfunc.__file__)).parent
    return workers.libraries(_PACKAGES, sorted(folder.rglob("*.py")))


@cache
def _problem(libraries: Libraries, folders: tuple[Path, ...]) -> str | None:
    """Return a sentence about why this worker cannot take part, or None."""
    if other := workers.difference(libraries, _libraries()):
        return other
    unseen = next((folder for folder in folders if not folder.is_dir()), None)
    return f"the worker {socket.gethostname()} does not see {unseen}; {SHARED}" if unseen else None


def _run(
    context: SparkContext,
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    chunk: int = 1,
    fewest: int = 2,
    progress: Progress | None = None,
    ready: Callable[[], None] | None = None,
    niceness: int = 0,
) -> Generator[Result, None, None]:
    """Yield the results in the order of the tasks, as soon as they are there; see `Spread`."""
    yield from counted(_results(context, function, tasks, chunk, ready), len(tasks), progress)


def _results(
    context: SparkContext,
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    chunk: int,
    ready: Callable[[], None] | None,
) -> Iterator[Result]:
    size = max(chunk, math.ceil(len(tasks) / MOST_PARTS))
    parts = [tasks[start : start + size] for start in range(0, len(tasks), size)]
    if not parts:
        return
    found: Accumulator[dict[int, list[Any]]] = collector(context, list)
    work = context.parallelize(list(enumerate(parts)), len(parts))
    with ThreadPoolExecutor(1) as thread:
        job = thread.submit(work.foreachPartition, partial(_work, function, ready, found))
        try:
            for number in range(len(parts)):
                while number not in found.value and not job.done():
                    wait_for([job], SECONDS_BETWEEN_LOOKS)
                if number not in found.value:
                    break
                yield from found.value[number]
            with one_sentence():
                job.result()
        finally:
            if not job.done():
                context.cancelAllJobs()


def _work(
    function: Callable[[Task], Result],
    ready: Callable[[], None] | None,
    found: Accumulator[dict[int, list[Any]]],
    parts: Iterable[tuple[int, Sequence[Task]]],
) -> None:
    """Run the function on parts of the tasks, on an executor."""
    threadpool_limits(1)  # each core of an executor has a process of its own
    if ready:
        ready()
    for number, part in parts:
        found.add({number: [function(task) for task in part]})
