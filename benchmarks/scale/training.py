"""How long an epoch takes one process of one thread, and two that train together."""

import logging
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pandas as pd

from steps.settings.configuration import PROJECT_ROOT

logger = logging.getLogger(__name__)

IMAGES, EPOCHS = 400, 6
WARM_UP = 2
"""Epochs in which JAX still compiles: the first, and that after the first validation."""


def epoch_seconds(workspace: Path) -> dict[str, float]:
    """Return the median seconds of an epoch, by who trains; on the data set of the demo.

    Raises:
        subprocess.CalledProcessError: a step failed; it has said why.
    """
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{workspace}/mlflow.db"}
    _step("ingest", workspace, environment, demo_count=IMAGES)
    _step("preprocess", workspace, environment, draws=1, rescaled=0)
    core = str(min(os.sched_getaffinity(0)))
    on_one_core = ("taskset", "--cpu-list", core)
    found = {}
    for name, prefix, workers, backend in (
        ("one process", on_one_core, 1, "jax"),
        ("two processes", (), 2, "tensorflow"),  # of what starts them; they themselves run on JAX
        ("one process on TensorFlow", on_one_core, 1, "tensorflow"),
    ):
        settings = {"epochs": EPOCHS, "patience": EPOCHS, "workers": workers}
        _step("train", workspace, environment | {"KERAS_BACKEND": backend}, *prefix, **settings)
        history = pd.read_csv(workspace / "reports/training/history.csv")
        found[name] = statistics.median(history["seconds"][WARM_UP:])
        logger.info("%s: %.2f s an epoch", name, found[name])
    return found


def _step(
    name: str, workspace: Path, environment: dict[str, str], *prefix: str, **settings: object
) -> None:
    options = [text for key, value in settings.items() for text in (f"--{key}", str(value))]
    command = [*prefix, sys.executable, "-m", "steps", name, "--workspace", str(workspace)]
    subprocess.run([*command, *options], cwd=PROJECT_ROOT, env=environment, check=True)
