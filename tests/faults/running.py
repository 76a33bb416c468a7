"""A running service as the container starts it: page, scoring server and supervisor."""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from serving.services import LOOPBACK
from tests.stand_ins.detector import save
from tests.webui.servers import free_port, process

WORKERS = 2


@dataclass(frozen=True)
class RunningService:
    """A service that answers: its supervisor, its ports and what it says."""

    supervisor: psutil.Process
    port: int
    scoring_port: int
    log: Path

    @property
    def url(self) -> str:
        """Of the page."""
        return f"http://{LOOPBACK}:{self.port}"


@contextlib.contextmanager
def running_service(model: Path, folder: Path, **environment: str) -> Iterator[RunningService]:
    """Run `python -m deploy.container` with a model; its files go into a folder."""
    folder.mkdir()
    port, scoring_port = free_port(), free_port()
    settings = {
        "MODEL_URI": str(model),
        "HOST": LOOPBACK,
        "PORT": str(port),
        "SCORING_PORT": str(scoring_port),
        "SCORING_WORKERS": str(WORKERS),
        "TMPDIR": str(folder),
        **environment,
    }
    log, command = folder / "log", [sys.executable, "-m", "deploy.container"]
    with process(command, f"http://{LOOPBACK}:{port}/readyz", log, **settings) as child:
        yield RunningService(psutil.Process(child.pid), port, scoring_port, log)


def save_model(folder: Path) -> Path:
    """Return the folder of the stand-in for a detector, as an MLflow model."""
    save(folder / "model", weight=0.75, bias=0.0, name="stand-in")
    return folder / "model"
