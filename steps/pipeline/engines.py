"""Where a step does its work: on this machine, or on the executors of a Spark cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forgery_lab.processes import Spread
from steps.settings.entities import EngineSettings


@contextmanager
def engine(settings: EngineSettings, *folders: Path) -> Iterator[Spread | None]:
    """Yield what spreads the work, None for the cores of this machine; a cluster sees `folders`.

    Raises:
        DataError: the cluster does not answer, or a worker cannot take part.
    """
    if settings.engine == "local":
        yield None
        return
    from forgery_lab.spark.tasks import on_executors

    with on_executors(settings.master, f"forgery {settings.step}", folders) as spread:
        yield spread
