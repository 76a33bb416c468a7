"""Work spread over processes, with results in order."""

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Protocol, TypeVar

import numpy as np  # noqa: F401, loaded first, so that its threads can be limited
from threadpoolctl import threadpool_limits

from forgery_lab.errors import DataError
from forgery_lab.progress import Progress

Task = TypeVar("Task")
Result = TypeVar("Result")


class Spread(Protocol):
    """What runs a function on many tasks at a time, here or elsewhere; see `in_parallel`."""

    def __call__(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        *,
        chunk: int = 1,
        fewest: int = 2,
        progress: Progress | None = None,
        ready: Callable[[], None] | None = None,
        niceness: int = 0,
    ) -> Generator[Result, None, None]:
        """Yield the results in the order of the tasks."""
        ...


def in_parallel(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    workers: int | None = None,
    chunk: int = 1,
    fewest: int = 2,
    progress: Progress | None = None,
    ready: Callable[[], None] | None = None,
    niceness: int = 0,
) -> Generator[Result, None, None]:
    """Yield the results in the order of the tasks.

    Processes are spawned, not forked, since the caller may have loaded TensorFlow.

    Args:
        function: picklable, as are tasks and results.
        tasks: of the function.
        workers: processes, by default one per core.
        chunk: tasks that a process takes at a time.
        fewest: tasks; fewer are done here, since a process takes a second to start.
        progress: called with tasks done and tasks in all.
        ready: picklable; called once in every process, before its first task.
        niceness: added to that of the processes; what is done here is not affected.

    Raises:
        DataError: a process was killed.
    """
    workers = min(workers or os.cpu_count() or 1, len(tasks))
    if workers <= 1 or len(tasks) < fewest:
        if ready:
            ready()
        yield from counted(map(function, tasks), len(tasks), progress)
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (ready, niceness))
    try:
        yield from counted(pool.map(function, tasks, chunksize=chunk), len(tasks), progress)
    except BrokenProcessPool as error:
        raise DataError(
            "a process was killed, most likely because the memory ran out; fewer workers need less"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker(ready: Callable[[], None] | None, niceness: int) -> None:
    """Leave a process one thread for matrix products, since threads that wait keep a core busy.

    With two each, two processes on two cores took twelve times as long for the same features.
    """
    threadpool_limits(1)
    os.nice(niceness)
    if ready:
        ready()


def counted(results: Iterator[Result], total: int, progress: Progress | None) -> Iterator[Result]:
    """Yield results, of which there are so many, and tell the progress."""
    for done, result in enumerate(results, start=1):
        yield result
        if progress:
            progress(done, total)
