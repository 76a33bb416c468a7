"""On what, and of what, the figures are: they mean nothing without it."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import BaseModel

from serving.services import available_cpus
from steps.tracking.runs import git_commit

CPU_INFO = Path("/proc/cpuinfo")
PACKAGES = ("fastapi", "flask", "gunicorn", "httptools", "keras", "mlflow", "numpy", "onnxruntime",
            "pillow", "tensorflow-cpu", "uvicorn", "uvloop")  # fmt: skip


class Machine(BaseModel):
    """The code, the moment, the processor, how much others use it, and what is installed.

    `load_average` is that of the last minute: processes that want a processor, before the start.
    """

    commit: str | None
    date: datetime
    processor: str
    cpus: int
    load_average: float
    python: str
    versions: dict[str, str | None]

    @classmethod
    def here(cls) -> "Machine":
        """Return this one, now."""
        return cls(
            commit=git_commit().get("git_commit"),
            date=datetime.now(UTC),
            processor=_processor(),
            cpus=available_cpus(),
            load_average=os.getloadavg()[0],
            python=platform.python_version(),
            versions={name: _version(name) for name in PACKAGES},
        )

    def __str__(self) -> str:
        return (
            f"{self.processor}, {self.cpus} CPUs, load average before the start "
            f"{self.load_average:.1f}; Python {self.python}; commit {self.commit or 'unknown'}"
        )


def _processor() -> str:
    lines = CPU_INFO.read_text("utf-8").splitlines() if CPU_INFO.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
