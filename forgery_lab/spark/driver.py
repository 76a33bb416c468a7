"""What every job does on the driver's side: send the code, collect results, say what went wrong."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

import forgery_lab
from forgery_lab.errors import DataError
from forgery_lab.spark.session import last_words

if TYPE_CHECKING:
    from pyspark import Accumulator, SparkContext

Value = TypeVar("Value")


@contextmanager
def code_sent(context: SparkContext) -> Iterator[None]:
    """Give `forgery_lab` to the executors, those that join later too, as long as the block runs."""
    with TemporaryDirectory() as folder:
        package, packed = Path(forgery_lab.__file__).parent, Path(folder, "forgery_lab.zip")
        with zipfile.ZipFile(packed, "w") as archive:
            for path in sorted(package.rglob("*.py")):
                archive.write(path, path.relative_to(package.parent))
        context.addPyFile(str(packed))
        yield


def collector(context: SparkContext, _of: type[Value]) -> Accumulator[dict[int, Value]]:
    """Return what collects values by number while tasks end; of a task that ran twice, one."""
    from pyspark import AccumulatorParam

    class Merged(AccumulatorParam[dict[int, Value]]):
        def zero(self, value: dict[int, Value]) -> dict[int, Value]:
            return {}

        def addInPlace(  # noqa: N802, as Spark calls it
            self, value1: dict[int, Value], value2: dict[int, Value]
        ) -> dict[int, Value]:
            value1.update(value2)
            return value1

    return context.accumulator({}, Merged())


def require_fit(context: SparkContext, problem: Callable[[], str | None]) -> None:
    """Raise `DataError` with the first reason for which a worker cannot take part.

    `problem` says one on a worker, or None; Spark hands out enough questions for every core twice.
    """
    questions = 2 * context.defaultParallelism
    with one_sentence():
        said = context.parallelize(range(questions), questions).map(lambda _: problem()).collect()
    reasons = sorted({reason for reason in said if reason})
    if reasons:
        raise DataError(reasons[0])


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn what Spark raises into a `DataError` that says why."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JError, PySparkException) as error:
        raise DataError(last_words(error)) from error
