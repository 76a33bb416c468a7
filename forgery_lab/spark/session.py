"""A connection to a Spark cluster, or one sentence about why there is none."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from forgery_lab.errors import DataError

if TYPE_CHECKING:
    from pyspark import SparkContext

LOGGING = Path(__file__).with_name("log4j2.properties")
SUBMITTED = "PYSPARK_GATEWAY_PORT"
"""Variable that tells a driver which `spark-submit` has started."""
LEAST_JAVA = 17
SECONDS_FOR_A_CONNECTION = 5.0
SECONDS_FOR_EXECUTORS = 120.0
FORWARDED = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"),
    *("MAX_UPLOAD_MB", "MAX_PIXELS"),
)
"""Variables that executors get from here, where they are set: without the same limits and the same
server, an executor would answer otherwise."""

_LOOPBACK = re.compile(r"local\b.*|spark://(127\.|localhost\b).*")
_MASTERS = "local[2], spark://host:port, yarn or k8s://…"


@contextmanager
def connected(
    master: str, name: str, seconds: float = SECONDS_FOR_EXECUTORS
) -> Iterator[SparkContext]:
    """Yield a Spark context with at least one executor, and stop it in the end.

    The workers run the Python that `PYSPARK_PYTHON` names, by default the path of this one. What
    `spark-defaults.conf` says (memory, cores, deployment) counts.

    Args:
        master: as Spark writes it: local[2], spark://host:port, yarn, k8s://…. Under `spark-submit`
            that of `spark-submit` counts.
        name: of the application, on Spark's pages.
        seconds: to wait for the first executor.

    Raises:
        DataError: pyspark or Java is missing, or the cluster does not answer.
    """
    require_java()
    is_submitted = SUBMITTED in os.environ
    if not is_submitted:
        require_master(master)
    from py4j.protocol import Py4JError
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkException

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if "SPARK_CONF_DIR" not in os.environ:
        os.environ.setdefault("SPARK_SUBMIT_OPTS", f"-Dlog4j2.configurationFile={LOGGING}")
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    if _LOOPBACK.fullmatch(master):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    conf = SparkConf().setAppName(name).setAll(list(settings(os.environ).items()))
    if not is_submitted:
        conf.setMaster(master)
    try:
        context = SparkContext(conf=conf)
    except (PySparkException, Py4JError, OSError) as error:
        raise DataError(
            f"Spark does not start with master {master}: {last_words(error)}"
        ) from error
    try:
        if not (context.master or "").startswith("local"):
            _await_executors(context, seconds)
        yield context
    finally:
        context.stop()


def settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of Spark that this project needs."""
    known = {name: environment[name] for name in FORWARDED if environment.get(name)}
    return {
        "spark.log.level": "ERROR",
        "spark.ui.showConsoleProgress": "false",
        **{f"spark.executorEnv.{name}": value for name, value in known.items()},
    }


def require_java() -> None:
    """Raise `DataError` unless pyspark and a Java that it takes are installed."""
    if find_spec("pyspark") is None:
        raise DataError(
            "engine=spark needs pyspark: install requirements/spark.lock, as `make spark` does"
        )
    home = os.environ.get("JAVA_HOME")
    program = str(Path(home, "bin", "java")) if home else shutil.which("java")
    needs = f"engine=spark needs Java {LEAST_JAVA} or newer"
    if program is None or not Path(program).is_file():
        where = (
            f"JAVA_HOME is {home}, which has no bin/java" if home else "there is no java on PATH"
        )
        raise DataError(f"{needs}; {where}")
    done = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr)
    if found is None or int(found[1]) < LEAST_JAVA:
        said = done.stderr.strip().splitlines()[:1] or [f"exit status {done.returncode}"]
        raise DataError(f"{needs}; {program} says: {said[0]}")


def require_master(master: str) -> None:
    """Raise `DataError` where the text is no master, or nothing listens at spark://host:port."""
    if not re.fullmatch(r"local(-cluster)?(\[[\d*, ]+\])?|yarn|k8s://.+|spark://.+", master):
        raise DataError(f"got the master {master!r}; allowed: {_MASTERS}")
    if not master.startswith("spark://"):
        return
    reasons = []
    for address in master.removeprefix("spark://").split(","):
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            raise DataError(f"got the master {master!r}; allowed: {_MASTERS}")
        try:
            with socket.create_connection((host, int(port)), SECONDS_FOR_A_CONNECTION):
                return
        except OSError as error:
            reasons.append(f"{error.strerror or error}")
    raise DataError(f"the master {master} does not answer: {', '.join(reasons)}")


def _await_executors(context: SparkContext, seconds: float) -> None:
    """Wait until there is an executor beside the driver."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(AttributeError):  # of a context that Spark has stopped itself
            if context._jsc.sc().getExecutorMemoryStatus().size() > 1:
                return
        time.sleep(0.2)
    raise DataError(
        f"the master {context.master} gave no executor in {seconds:.0f} s: it has no worker, or "
        "none with the cores and the memory that are asked for"
    )


def last_words(error: BaseException) -> str:
    """Return what of Spark's long messages says why, in one line."""
    text = str(error)
    program = re.search(r'Cannot run program "(.+?)"', text)
    if program:
        return (
            f"a worker has no {program[1]}; make the environment there too, or set PYSPARK_PYTHON"
        )
    for pattern in _REASONS:
        found = re.findall(pattern, text, re.MULTILINE)
        if found:
            return " ".join(found[-1].split())[:500]
    return (text.strip().splitlines() or [type(error).__name__])[0]


_REASONS = (
    r"^(?:[\w.]+\.)?(?:DataError|ModelError): (.+)$",
    r"PYTHON_VERSION_MISMATCH\] (.+)$",
    r"^((?!org\.|java\.|py4j\.)[\w.]+(?:Error|Exception): .+)$",
    r"Caused by: (.+)$",
    r"(Job aborted .+)$",
)
"""Lines that say why, in this order: of this project, of Python, of Java."""
