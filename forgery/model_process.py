"""A logged model in a process of its own, which has MLflow and the model's code.

Two models that bring the same package cannot live in one process: the second would silently run
the first one's code. So each is loaded by a child whose only import path is the environment's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from forgery.model_child import read_message, write_message
from forgery_pyfunc.contract import RECORD_FIELDS, Record
from forgery_pyfunc.errors import ModelError

CHILD = Path(__file__).with_name("model_child.py")
SECONDS = 600.0
"""A model that takes longer, to load or for a batch of images, is given up."""

Ask = Callable[..., list[dict[str, Any]]]
"""Takes a list of encoded images, and parameters of the model by name; returns a record of each."""

_NOT_FOR_CHILDREN = (
    *("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "PYTHONPATH", "PYTHONHOME"),
    "PREDICTION_LOG",  # of what a service answers
)
_LINES_OF_STDERR = 5


class ModelScorer:
    """Answers as a model does, whose process takes one request at a time; see `scanning.Scorer`."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.turn = threading.Lock()

    def score(
        self,
        images: Sequence[bytes],
        threshold: float | None = None,
        heatmap: bool = False,
        *,
        explain: bool = False,
    ) -> list[Record]:
        """Return one record per encoded image, in order; what the model does not tell is None.

        Raises:
            ModelError: its process died, or does not answer with a record per image.
        """
        changed: dict[str, float | bool] = {"heatmap": heatmap, "explain": explain}
        if threshold is not None:
            changed["threshold"] = threshold
        with self.turn:
            answers = self.ask(list(images), **changed)
        return [Record(**{name: one.get(name) for name in RECORD_FIELDS}) for one in answers]

    def check(self) -> None:
        """Return: a model that was loaded answers."""


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
