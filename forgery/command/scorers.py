"""Who answers a command: the shipped detector, another model, or a server."""

from __future__ import annotations

import importlib.util
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
from click.core import ParameterSource

from forgery.command.exits import Failure
from forgery_pyfunc.errors import ForgeryError

if TYPE_CHECKING:
    from forgery.scanning import Scorer
    from forgery_pyfunc.contract import Record
    from forgery_pyfunc.imaging.guards import Limits

Command = TypeVar("Command", bound=Callable[..., object])

MLFLOW_MODEL = "MLmodel"
"""The file that makes a folder a logged model."""


def model_option(command: Command) -> Command:
    """Add `--model`."""
    return click.option(
        "--model",
        metavar="MODEL",
        help="Another detector: a folder that `train` wrote; or, where MLflow is installed, a "
        "logged model's folder or URI, such as models:/forgery-detector@champion.",
    )(command)


def url_option(command: Command) -> Command:
    """Add `--url`."""
    return click.option(
        "--url",
        envvar="FORGERY_URL",
        show_envvar=True,
        help="Ask this web front end or scoring server instead.",
    )(command)


def prepare() -> None:
    """Set up this process for scoring; called before NumPy is imported.

    Matrix products get one thread, as in servers, so that answers are the same to the last digit:
    threads that wait for each other keep a core busy, and a scan took many times as long.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    warnings.simplefilter("ignore")  # Pillow's, on damaged metadata


def chosen_url(url: str | None, model: str | None) -> str | None:
    """Return the server to ask, if any: a `--model` that was given outweighs the environment.

    Raises:
        UsageError: both were given.
    """
    source = click.get_current_context().get_parameter_source("url")
    if url and model and source is ParameterSource.COMMANDLINE:
        raise click.UsageError("--url and --model exclude each other: a server has its own model.")
    return None if model else url or None


@contextmanager
def opened(model: str | None, url: str | None = None, jobs: int = 1) -> Iterator[Scorer]:
    """Yield the client of a server, or of a model, or the shipped detector in this process.

    Raises:
        Failure: the model cannot be loaded, or needs MLflow.
    """
    if url:
        from forgery.client import Client

        yield Client(url, pool_size=jobs)
    elif model and not (Path(model) / "detector.json").is_file():
        from forgery import model_process

        with model_process.opened(logged_model(model), tracking_uri=tracking_uri()) as ask:
            yield model_process.ModelScorer(ask)
    else:
        from forgery.scoring import LocalScorer
        from forgery_pyfunc import Detector

        yield LocalScorer(Detector.load(model) if model else Detector.shipped(), limits())


def limits() -> Limits:
    """Return which pictures are read: those that a server of this environment would read."""
    from forgery_pyfunc.imaging.guards import read_limits

    return read_limits(os.environ)


def judged(data: bytes, model: str | None) -> Record:
    """Return the record of one picture, with its heat map and why.

    Raises:
        ForgeryError: the picture cannot be read or scored, or the model cannot be loaded.
    """
    with opened(model) as scorer:
        [record] = scorer.score([data], heatmap=True, explain=True)
    if record.error:
        raise ForgeryError(record.error_message or record.error)
    return record


def logged_model(model: str) -> str:
    """Return the folder or URI of an MLflow model.

    Raises:
        Failure: it is none, or MLflow is not installed.
    """
    if not (Path(model) / MLFLOW_MODEL).is_file() and not re.match(r"[a-z0-9+-]+:/", model):
        raise Failure(
            f"--model: {model} is neither a folder with detector.json or {MLFLOW_MODEL} nor a URI "
            "such as models:/forgery-detector@champion."
        )
    if importlib.util.find_spec("mlflow") is None:
        raise Failure(
            f"--model: {model} needs MLflow, which is not installed: "
            "pip install 'forgery-detector[serve]'"
        )
    return model


def tracking_uri() -> str | None:
    """Return MLflow's store where the environment names none: that of the current folder."""
    store = Path("mlflow.db").absolute()
    if "MLFLOW_TRACKING_URI" in os.environ or not store.is_file():
        return None
    return f"sqlite:///{store}"
