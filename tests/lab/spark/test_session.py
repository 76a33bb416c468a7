"""Connections to clusters: what is said before any work starts. No cluster is needed."""

import socket
import stat

import pytest

from forgery_lab.errors import DataError
from forgery_lab.spark import session
from tests.webui.servers import free_port


@pytest.fixture
def installed(monkeypatch):
    """Pyspark counts as installed: what is tested comes before it is loaded."""
    monkeypatch.setattr(session, "find_spec", lambda name: name)


def java(folder, says):
    program = folder / "bin/java"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_without_pyspark_the_lock_is_named(monkeypatch):
    monkeypatch.setattr(session, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"needs pyspark: install requirements/spark.lock"):
        session.require_java()


def test_without_java_it_is_said(installed, monkeypatch, tmp_path):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="needs Java 17 or newer; there is no java on PATH"):
        session.require_java()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(DataError, match=r"JAVA_HOME is .*, which has no bin/java"):
        session.require_java()


@pytest.mark.parametrize(
    ("says", "is_new"),
    [
        ('openjdk version "17.0.15" 2025-04-15', True),
        ('openjdk version "21" 2023-09-19', True),
        ('java version "1.8.0_202"', False),
        ("Unable to locate a Java Runtime.", False),
    ],
)
def test_an_old_java_is_named(installed, monkeypatch, tmp_path, says, is_new):
    java(tmp_path, says)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    if is_new:
        session.require_java()
        return
    with pytest.raises(DataError, match=r"needs Java 17 or newer; .*bin/java says: ") as caught:
        session.require_java()
    assert says in str(caught.value)


@pytest.mark.parametrize("master", ["", "localhost", "spark://host", "spark://:1", "http://a:1"])
def test_what_is_no_master_is_refused(master):
    with pytest.raises(DataError, match="allowed: local"):
        session.require_master(master)


@pytest.mark.parametrize(
    "master", ["local", "local[2]", "local[*]", "yarn", "k8s://https://a:6443"]
)
def test_masters_that_spark_itself_reaches_are_left_to_it(master):
    session.require_master(master)


def test_a_master_that_does_not_answer_is_named():
    port = free_port()
    with pytest.raises(DataError, match=f"127.0.0.1:{port} does not answer: Connection refused"):
        session.require_master(f"spark://127.0.0.1:{port}")
    with socket.create_server(("127.0.0.1", 0)) as server:
        second = server.getsockname()[1]
        session.require_master(f"spark://127.0.0.1:{port},127.0.0.1:{second}")


def test_executors_get_the_server_and_the_limits_but_nothing_else():
    found = session.settings(
        {"AWS_ENDPOINT_URL": "http://a", "MAX_PIXELS": "9", "HOME": "/", "AWS_REGION": ""}
    )
    assert {key: value for key, value in found.items() if "executorEnv" in key} == {
        "spark.executorEnv.AWS_ENDPOINT_URL": "http://a",
        "spark.executorEnv.MAX_PIXELS": "9",
    }
    assert set(session.FORWARDED).isdisjoint({"PATH", "HOME"})


ABORTED = (
    "An error occurred while calling z:org.apache.spark.api.python.PythonRDD.collectAndServe.\n"
    ": org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 failed 4 times\n"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ABORTED + "forgery_lab.errors.DataError: s3://b: Access Denied\n\n\tat org.a.B(C.scala)",
         "s3://b: Access Denied"),
        (ABORTED + 'java.io.IOException: Cannot run program "/a/python": error=2',
         "a worker has no /a/python; make the environment there too, or set PYSPARK_PYTHON"),
        (ABORTED + "pyspark.errors.exceptions.base.PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] "
         "Python in worker has different version: 3.12 than that in driver: 3.11.",
         "Python in worker has different version: 3.12 than that in driver: 3.11."),
        (ABORTED + 'Traceback …\n  File "a.py"\nTypeError: unhashable type\n SQLSTATE: 38000',
         "TypeError: unhashable type"),
        (ABORTED, "Job aborted due to stage failure: Task 0 failed 4 times"),
        ("", "ValueError"),
    ],
)  # fmt: skip
def test_of_sparks_messages_the_reason_is_left(text, said):
    assert session.last_words(ValueError(text)) == said
