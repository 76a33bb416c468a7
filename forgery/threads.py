"""Work in several threads, with the results in order."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

SECONDS_TO_END = 2.0
"""A thread that takes longer to end, as with a silent server, is not waited for."""
THREADS = "in order"
"""Name of the threads."""


def is_at_work() -> bool:
    """Return whether a thread is still at work, for a result that nobody may wait for any more."""
    return any(thread.name == THREADS for thread in threading.enumerate())


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], jobs: int
) -> Iterator[Result]:
    """Yield the results in the order of the items, from several threads.

    The threads are daemons: no request that is still waited for keeps a process from its end.
    """
    tasks: queue.SimpleQueue[tuple[Item, Future[Result]] | None] = queue.SimpleQueue()

    def work() -> None:
        while (task := tasks.get()) is not None:
            item, future = task
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function(item))
                except BaseException as error:  # raised in the thread that asks for the result
                    future.set_exception(error)

    threads = [threading.Thread(target=work, name=THREADS, daemon=True) for _ in range(jobs)]
    waiting: deque[Future[Result]] = deque()
    for thread in threads:
        thread.start()
    try:
        for item in items:
            waiting.append(Future())
            tasks.put((item, waiting[-1]))
            if len(waiting) > 2 * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
        for _ in threads:
            tasks.put(None)
        end = time.monotonic() + SECONDS_TO_END
        for thread in threads:
            thread.join(max(0, end - time.monotonic()))
