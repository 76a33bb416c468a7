"""What may go wrong on a cluster: the driver is killed, workers are not fit, the input is none."""

import os
import shutil
import signal
import subprocess
import sys
import time

import mlflow
import pandas as pd
import pytest
from PIL import Image

from benchmarks.scale.cluster import PYTHON, Cluster, until
from forgery_lab.places import Place
from forgery_lab.scoring.job import SUCCESS
from tests.clusters.conftest import PARTS, parts, read_parts
from tests.clusters.test_scoring import check_rows
from tests.conftest import picture
from tests.steps.tracking.tracking_server import BUCKET

pytestmark = [pytest.mark.spark, pytest.mark.faults]


def last_line(said: str) -> str:
    return said.strip().splitlines()[-1]


def modified(cluster: Cluster, **environment: str) -> Cluster:
    return Cluster(cluster.master, cluster.script, cluster.environment | environment)


def test_a_job_whose_driver_was_killed_goes_on(running, bucket, deadly_model):
    output = Place.parse(f"s3://{BUCKET}/killed.parquet")
    given = {"input": bucket.images, "output": output, "model": deadly_model}
    driver = running.start(**given)
    until(lambda: driver.poll() is not None or parts(output))
    os.killpg(driver.pid, signal.SIGKILL)
    driver.communicate()
    until(lambda: not running.executors())
    before = {name for name, _ in output.files() if name.startswith("part-")}
    assert 0 < len(before) < PARTS
    assert not (output / SUCCESS).exists()
    stamps = {name: (output / name).read() for name in before}

    other = running.score(expect=1, **given | {"model": deadly_model, "threshold": 0.5})
    assert "was begun with threshold None" in last_line(other)
    said = running.score(**given)
    assert f"{len(before)} of {PARTS} parts are done" in said
    assert (output / SUCCESS).exists()
    assert {name: (output / name).read() for name in before} == stamps
    check_rows(read_parts(output), bucket.images)
    again = running.score(expect=1, **given)
    assert (
        last_line(again) == f"score: {output} exists already and is complete; name another output"
    )


def test_a_folder_without_an_image_and_an_output_that_is_there(running, bucket, stand_in, tmp_path):
    empty, mine = tmp_path / "in", tmp_path / "mine.parquet"
    empty.mkdir()
    output = tmp_path / "out.parquet"
    said = running.score(expect=1, input=empty, output=output, model=stand_in)
    assert last_line(said) == f"score: {empty} holds no file; input must be a folder of images"
    assert not output.exists()
    nothing = Place.parse(f"s3://{BUCKET}/nothing")
    said = running.score(expect=1, input=nothing, output=output, model=stand_in)
    assert f"{nothing} holds no file" in last_line(said)
    mine.mkdir()
    (mine / "notes").write_text("mine")
    said = running.score(expect=1, input=bucket.images, output=mine, model=stand_in)
    assert "exists already; name an output that does not exist" in last_line(said)
    assert (mine / "notes").read_text() == "mine"


def test_a_bucket_that_refuses_is_said_before_spark_starts(running, stand_in, tmp_path):
    began = time.monotonic()
    said = running.score(expect=1, input="s3://no-such-bucket/a", output=tmp_path / "o.parquet",
                         model=stand_in)  # fmt: skip
    assert "s3://no-such-bucket/a: The specified bucket does not exist" in last_line(said)
    assert "Spark" not in said
    assert time.monotonic() - began < 120


def test_workers_with_another_python_or_library_are_named(running, bucket, stand_in, tmp_path):
    given = {"input": bucket.images, "output": tmp_path / "out.parquet", "model": stand_in}
    absent = modified(running, PYSPARK_PYTHON="/no/python")
    said = absent.score(expect=1, **given)
    assert "a worker has no /no/python" in last_line(said)

    other = tmp_path / "other"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", other], check=True)
    (packages,) = other.glob("lib/python3*/site-packages")
    theirs = subprocess.run(
        [PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    (packages / "theirs.pth").write_text(f"import site; site.addsitedir({theirs!r})\n")
    (packages / "pandas-1.0.dist-info").mkdir()
    (packages / "pandas-1.0.dist-info/METADATA").write_text("Name: pandas\nVersion: 1.0\n")
    said = modified(running, PYSPARK_PYTHON=str(other / "bin/python")).score(expect=1, **given)
    assert f"has pandas 1.0, and the driver {pd.__version__}; install" in last_line(said)
    assert parts(Place.parse(str(given["output"]))) == 0


def test_an_executor_that_cannot_be_had_is_said(running, bucket, stand_in, tmp_path):
    """It asks for more memory than a worker has."""
    conf = tmp_path / "conf"
    conf.mkdir()
    (conf / "spark-defaults.conf").write_text("spark.executor.memory 900g\n")
    said = modified(running, SPARK_CONF_DIR=str(conf)).score(
        expect=1, input=bucket.images, output=tmp_path / "out.parquet", model=stand_in
    )
    assert "gave no executor in 120 s" in last_line(said)


def test_large_pictures_among_small_ones_stay_within_the_memory(running, stand_in, tmp_path):
    """24 megapixels, which are judged, and a file of 3 GB, which is not."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(6):
        small = Image.fromarray(picture(600, 400, number))
        small.save(folder / f"small{number}.png")
        small.resize((6000, 4000)).save(folder / f"large{number}.jpg", quality=90)
    with (folder / "above-the-limit.tif").open("wb") as file:
        file.truncate(3 * 2**30)
    output = tmp_path / "out.parquet"
    running.score(input=folder, output=output, model=stand_in)
    table = pd.read_parquet(output).set_index("path")
    assert table.loc["above-the-limit.tif", "error"].startswith("too_large: ")
    assert len(table) == 13
    assert table.filter(regex="^(large|small)", axis=0)["probability"].between(0, 1).all()
    runs = mlflow.MlflowClient(running.environment["MLFLOW_TRACKING_URI"])
    (experiment,) = (e for e in runs.search_experiments() if e.name != "Default")
    latest = runs.search_runs([experiment.experiment_id])[0].data
    assert latest.tags["output"] == str(output)
    assert 0 < latest.metrics["executor_python"] < 1.5e9
    shutil.rmtree(folder)
