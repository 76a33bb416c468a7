"""Scores many images by any model, in several processes of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from forgery.model_process import Ask, opened
from forgery_lab.progress import Progress

BATCH, BYTES_OF_A_BATCH = 8, 2**24
"""Images that a process gets at a time, and bytes of these together: large ones share none."""

FEWEST = 16
"""Images that a further process must have: it takes seconds to load MLflow and the model."""

Load = Callable[[], bytes]
"""Returns the bytes of one encoded image; called in a thread, when the image's turn comes."""


def score(
    model: str | Path,
    images: Sequence[Load],
    heatmap: bool | Sequence[bool] = False,
    threshold: float | None = None,
    workers: int = 2,
    tracking_uri: str | None = None,
    progress: Progress | None = None,
    sizes: Sequence[int] | None = None,
    open_model: Callable[..., AbstractContextManager[Ask]] = opened,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (position, record) for each image, in the order in which they are finished.

    Records are those of `/invocations`; one that could not be scored has `error`, and nothing but
    that where its file cannot be read. Only a few batches are in memory at any time.

    Args:
        model: MLflow model URI, or the folder of an MLflow model.
        images: one callable per image, which returns its bytes.
        heatmap: whether to ask for heat maps; for all images, or one by one.
        threshold: replaces the model's grey band.
        workers: processes at most, each of which loads the model; few images have fewer.
        tracking_uri: of the MLflow server that knows the model; by default the environment's.
        progress: called with images done and images in all.
        sizes: bytes of the images, where they are known before; see `batches`.
        open_model: starts a model's process, as `opened` does.

    Raises:
        ModelError: the model cannot be loaded, or its process died.
        ForgeryError: an image could not be prepared (whatever its callable raised, but `OSError`).
    """
    params = parameters(threshold)
    has_map = np.broadcast_to(heatmap, len(images)).tolist()
    order = sorted(range(len(images)), key=has_map.__getitem__)
    waiting = [
        list(alike)
        for batch in batches([0 if sizes is None else sizes[position] for position in order])
        for _, alike in groupby([order[place] for place in batch], key=has_map.__getitem__)
    ]
    workers = max(1, min(workers, len(images) // FEWEST))
    turns = iter(waiting)
    taking = threading.Lock()
    results: queue.Queue[list[tuple[int, dict[str, Any]]] | BaseException | None] = queue.Queue(
        2 * workers
    )
    stopped = threading.Event()

    def work() -> None:
        try:
            with open_model(model, params, tracking_uri) as ask:
                while not stopped.is_set():
                    with taking:
                        chosen = next(turns, None)
                    if chosen is None:
                        break
                    asking = partial(ask, heatmap=has_map[chosen[0]])
                    found = records(asking, [images[position] for position in chosen])
                    _put(results, list(zip(chosen, found, strict=True)), stopped)
        except BaseException as error:  # handed to the caller's thread, which raises it
            _put(results, error, stopped)
        else:
            _put(results, None, stopped)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(workers)]
    for thread in threads:
        thread.start()
    try:
        yield from _collect(results, len(images), workers, progress)
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def parameters(threshold: float | None) -> dict[str, Any]:
    """Return the model's parameters: a batch without a readable image must not stop the rest."""
    given = {} if threshold is None else {"threshold": threshold}
    return {"heatmap": False, "strict": False, **given}


def batches(
    sizes: Sequence[int], most: int = BATCH, most_bytes: int = BYTES_OF_A_BATCH
) -> Iterator[range]:
    """Yield groups of positions: of so many images at most, and of so many bytes together.

    An image that is larger than that is alone.
    """
    first = together = 0
    for position, size in enumerate(sizes):
        is_full = position - first == most or together + size > most_bytes
        if position > first and is_full:
            yield range(first, position)
            first, together = position, 0
        together += size
    if sizes:
        yield range(first, len(sizes))


def records(ask: Ask, images: Sequence[Load]) -> list[dict[str, Any]]:
    """Return a record per image; one whose file cannot be read has nothing but its error."""
    loaded = [_loaded(load) for load in images]
    readable = [data for data in loaded if isinstance(data, bytes)]
    answers = iter(ask(readable) if readable else [])
    return [
        next(answers)
        if isinstance(data, bytes)
        else {"error": f"unreadable: the file cannot be read ({data.strerror or data})"}
        for data in loaded
    ]


def _loaded(load: Load) -> bytes | OSError:
    try:
        return load()
    except OSError as error:
        return error


def _collect(
    results: queue.Queue, total: int, workers: int, progress: Progress | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    done = 0
    while workers:
        found = results.get()
        if isinstance(found, BaseException):
            raise found
        if found is None:
            workers -= 1
            continue
        yield from found
        done += len(found)
        if progress:
            progress(done, total)


def _put(results: queue.Queue, item: Any, stopped: threading.Event) -> None:
    """Wait for room in the queue, unless its reader has stopped."""
    while not stopped.is_set():
        with suppress(queue.Full):
            results.put(item, timeout=0.2)
            return
