"""Scores images by any model, in processes of its own.

Two models that bring the same package cannot live in one process: the second would silently run
the first one's code. So each is loaded by a child whose only import path is the environment's.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from forgery_lab.evaluation.scoring_child import read_message, write_message
from forgery_lab.progress import Progress
from forgery_pyfunc.errors import ModelError

CHILD = Path(__file__).with_name("scoring_child.py")
BATCH = 8
SECONDS = 600.0
"""A model that takes longer, to load or for a batch of images, is given up."""

Load = Callable[[], bytes]
"""Returns the bytes of one encoded image; called in a thread, when the image's turn comes."""

Ask = Callable[..., list[dict[str, Any]]]
"""Takes a list of encoded images, and parameters of the model by name; returns a record of each."""

_NOT_FOR_CHILDREN = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "PYTHONPATH", "PYTHONHOME")
_LINES_OF_STDERR = 5


def score(
    model: str | Path,
    images: Sequence[Load],
    heatmap: bool = False,
    threshold: float | None = None,
    workers: int = 2,
    tracking_uri: str | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (position, record) for each image, in the order in which they are finished.

    Records are those of `/invocations`; one that could not be scored has `error`, and nothing but
    that where its file cannot be read. Only a few batches are in memory at any time.

    Args:
        model: MLflow model URI, or the folder of an MLflow model.
        images: one callable per image, which returns its bytes.
        heatmap: whether to ask for heat maps.
        threshold: replaces the model's grey band.
        workers: processes, each of which loads the model.
        tracking_uri: of the MLflow server that knows the model; by default the environment's.
        progress: called with images done and images in all.

    Raises:
        ModelError: the model cannot be loaded, or its process died.
        ForgeryError: an image could not be prepared (whatever its callable raised, but `OSError`).
    """
    # `strict` off: a batch without a readable image must not stop the rest.
    params: dict[str, Any] = {"heatmap": heatmap, "strict": False}
    if threshold is not None:
        params["threshold"] = threshold
    workers = max(1, min(workers, (len(images) + BATCH - 1) // BATCH))
    positions = iter(range(0, len(images), BATCH))
    taking = threading.Lock()
    results: queue.Queue[list[tuple[int, dict[str, Any]]] | BaseException | None] = queue.Queue(
        2 * workers
    )
    stopped = threading.Event()

    def work() -> None:
        try:
            with opened(model, params, tracking_uri) as ask:
                while not stopped.is_set():
                    with taking:
                        start = next(positions, None)
                    if start is None:
                        break
                    chosen = range(start, min(start + BATCH, len(images)))
                    records = _records(ask, [_loaded(images[position]) for position in chosen])
                    _put(results, list(zip(chosen, records, strict=True)), stopped)
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


def _loaded(load: Load) -> bytes | OSError:
    try:
        return load()
    except OSError as error:
        return error


def _records(ask: Ask, loaded: Sequence[bytes | OSError]) -> list[dict[str, Any]]:
    """Return a record per image; one whose file cannot be read has nothing but its error."""
    readable = [data for data in loaded if isinstance(data, bytes)]
    answers = iter(ask(readable) if readable else [])
    return [
        next(answers)
        if isinstance(data, bytes)
        else {"error": f"unreadable: the file cannot be read ({data.strerror or data})"}
        for data in loaded
    ]


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


@contextmanager
def opened(
    model: str | Path, params: dict[str, Any] | None = None, tracking_uri: str | None = None
) -> Iterator[Ask]:
    """Start a process that has loaded the model, and yield a function that has it score images.

    Args:
        model: MLflow model URI, or the folder of an MLflow model.
        params: of the model, for every image; by default only `strict` is off. What the model
            does not know is not sent.
        tracking_uri: of the MLflow server that knows the model; by default the environment's.

    Raises:
        ModelError: the model cannot be loaded, its process died or was silent for `SECONDS`, or
            it does not answer with a record per image.
    """
    model, params = str(model), {"strict": False} if params is None else params
    environment = {k: v for k, v in os.environ.items() if k not in _NOT_FOR_CHILDREN}
    environment.setdefault("OMP_NUM_THREADS", "1")
    if tracking_uri:
        environment["MLFLOW_TRACKING_URI"] = tracking_uri
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            [sys.executable, "-I", str(CHILD), _absolute(model), json.dumps(params)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            cwd=folder,
            env=environment,
        )
        requests, answers = process.stdin, process.stdout
        assert requests is not None  # noqa: S101, for the type checker
        assert answers is not None  # noqa: S101

        def ask(images: list[bytes], **changed: Any) -> list[dict[str, Any]]:
            with _killing(process) as late:
                with suppress(BrokenPipeError):  # the empty answer says the same
                    write_message(requests, (images, changed))
                message = read_message(answers)
            records = _expect(message, model, complaints, late)
            if len(records) != len(images):
                raise ModelError(f"{model} gives {len(records)} answers for {len(images)} images")
            return records

        try:
            with _killing(process) as late:
                message = read_message(answers)
            first = _expect(message, model, complaints, late)
            if "failed" in first:
                raise ModelError(f"the model {model} cannot be loaded: {first['failed']}")
            yield ask
        finally:
            with suppress(BrokenPipeError):
                requests.close()
            answers.close()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            process.kill()
            process.wait()


@contextmanager
def _killing(process: subprocess.Popen) -> Iterator[threading.Event]:
    """Kill a process that does not get through in time; the event says that it was."""
    late = threading.Event()

    def kill() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(SECONDS, kill)
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


def _expect(message: Any, model: str, complaints: IO[bytes], late: threading.Event) -> Any:
    """Return an answer of the child, or raise with its last words."""
    if message is None and late.is_set():
        raise ModelError(f"the process that scores with {model} was silent for {SECONDS:.0f} s")
    if message is None:
        complaints.seek(0)
        lines = complaints.read().decode("utf-8", "replace").strip().splitlines()
        last = " / ".join(lines[-_LINES_OF_STDERR:]) or "it printed nothing"
        raise ModelError(f"the process that scores with {model} died: {last}")
    return message


def _absolute(model: str) -> str:
    """Return a local folder's absolute path, since the child works elsewhere; URIs as they are."""
    return str(Path(model).resolve()) if Path(model).exists() else model
