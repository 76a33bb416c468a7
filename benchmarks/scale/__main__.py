"""`python -m benchmarks.scale`: what more cores and more executors bring, and what it takes.

An archive is scored by one core without a server, by a Spark cluster of one and of two executors of
one core each, and by `engine=local`, one after the other; large pictures are scored among small
ones; near-duplicates are looked for; two processes train together. It prints a table and writes
reports/bench-scale.json. Exit status 1: a requirement is not met.
"""

import argparse
import logging
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from mlflow.tracking import MlflowClient
from pydantic import BaseModel
from threadpoolctl import threadpool_limits

from benchmarks import requirement
from benchmarks.__main__ import positive
from benchmarks.machine import Machine
from benchmarks.requirement import Requirement
from benchmarks.scale import archive, training
from benchmarks.scale.cluster import Cluster, cluster, ended
from benchmarks.scale.speed import Watch
from forgery import SHIPPED
from forgery_lab.data.near_duplicates import near_duplicates
from forgery_lab.export import pyfunc
from forgery_lab.files import write_whole
from forgery_pyfunc.detector import Detector

logger = logging.getLogger(__name__)

REPORT = Path("reports/bench-scale.json")
HASHES = (10_000, 100_000, 1_000_000)
REPEATS = 3
BARE_IMAGES = 200
SMALL_BESIDE_LARGE, LARGE = 40, 4

MORE_THAN_N_LOG_N = 1.25
"""A million hashes no longer fit the cache of a processor."""
TWO_OVER_ONE = 1.6
SPARK_OF_LOCAL = 1 / 1.2
LOCAL_OF_BARE = 0.85
EXECUTOR_GIGABYTES = 1.5
TWO_TRAIN_OVER_ONE = 1.6


class Report(BaseModel):
    """What reports/bench-scale.json holds.

    Attributes:
        machine: on which it was measured.
        images: of the archive.
        images_a_second: by who scored it, its start not counted; `bare` is one core.
        hash_seconds: of processor time, by the number of hashes.
        executor_gigabytes: the most memory of an executor's Python, with large pictures.
        epoch_seconds: of a training, by who trains.
        requirements: what has to be reached.
    """

    machine: Machine
    images: int
    images_a_second: dict[str, float]
    hash_seconds: dict[int, float]
    executor_gigabytes: float
    epoch_seconds: dict[str, float]
    requirements: list[Requirement]


def main() -> int:
    """Measure, print and write; return 1 where a requirement is not met."""
    asked = arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    machine = Machine.here()
    print(machine)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pyfunc.save_model(SHIPPED, folder / "model")
        speeds = images_a_second(archive.write(folder / "images", asked.images), folder)
        gigabytes = executor_gigabytes(folder)
        epochs = training.epoch_seconds(_new(folder / "training"))
    seconds = {number: seconds_for(number) for number in HASHES}
    found = list(requirements(speeds, seconds, gigabytes, epochs))
    report = Report(
        machine=machine,
        images=asked.images,
        images_a_second=speeds,
        hash_seconds=seconds,
        executor_gigabytes=gigabytes,
        epoch_seconds=epochs,
        requirements=found,
    )
    write_whole(REPORT, report.model_dump_json(indent=1) + "\n")
    print("\n".join(requirement.lines(found)))
    return int(not all(one.met for one in found))


def arguments() -> argparse.Namespace:
    """Return what was asked for; say what is allowed where that is something else."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--images", type=positive, default=3000, help="by default 3000")
    return parser.parse_args()


def images_a_second(images: Path, folder: Path) -> dict[str, float]:
    """Return the speed of everyone who scores the images."""
    found = {"bare": bare(images)}
    one_core = folder / "one core"
    one_core.mkdir()
    (one_core / "spark-defaults.conf").write_text("spark.cores.max 1\n", "utf-8")
    settings = {"one executor": {"SPARK_CONF_DIR": str(one_core)}, "two executors": {}}
    for name, environment in settings.items():
        with cluster(_new(folder / f"cluster of {name}"), **environment) as running:
            output = folder / f"{name}.parquet"
            found[name] = _watched(start(running, images, output), output)
            logger.info("%s: %.1f images a second", name, found[name])
            if name == "two executors":
                output = folder / "local.parquet"
                parts = output.with_name(f".{output.name}.unfinished")
                found["local"] = _watched(start(running, images, output, engine="local"), parts)
                logger.info("local: %.1f images a second", found["local"])
    return found


def bare(images: Path) -> float:
    """Return how many images a second one core scores in this process."""
    detector = Detector.shipped()
    pictures = [path.read_bytes() for path in sorted(images.iterdir())[:BARE_IMAGES]]
    with threadpool_limits(1):
        detector.score(pictures[0])
        began = time.monotonic()
        for picture in pictures:
            detector.score(picture)
        seconds = time.monotonic() - began
    logger.info("bare: %.1f images a second on one core", len(pictures) / seconds)
    return len(pictures) / seconds


def start(running: Cluster, images: Path, output: Path, **options: str) -> subprocess.Popen[str]:
    """Start to score the images with the model that lies beside the output."""
    model = output.with_name("model")
    return running.start(input=images, output=output, model=model, **options)


def _watched(job: subprocess.Popen[str], parts: Path) -> float:
    watch = Watch(parts)
    watch.follow(job)
    ended(job)
    return watch.images_a_second


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def executor_gigabytes(folder: Path) -> float:
    """Return the most memory of an executor's Python while large pictures are among small ones."""
    images = archive.write(folder / "sizes", SMALL_BESIDE_LARGE)
    archive.write(images, LARGE, archive.LARGE, prefix="large-")
    with cluster(_new(folder / "cluster of sizes")) as running:
        ended(start(running, images, folder / "sizes.parquet"))
        client = MlflowClient(running.environment["MLFLOW_TRACKING_URI"])
    experiments = [one.experiment_id for one in client.search_experiments()]
    (run,) = client.search_runs(experiments, filter_string="metrics.executor_python > 0")
    return float(run.data.metrics["executor_python"]) / 1e9


def seconds_for(hashes: int) -> float:
    """Return the processor time that near-duplicates among random hashes take, the least of a few.

    Args:
        hashes: how many.
    """
    codes = np.random.default_rng(hashes).integers(2**64, size=hashes, dtype=np.uint64)
    texts = [f"{code:016x}" for code in codes]
    times = []
    for _ in range(REPEATS):
        began = time.process_time()
        near_duplicates(texts)
        times.append(time.process_time() - began)
    seconds = min(times)
    logger.info("near-duplicates among %s hashes: %.2f s", f"{hashes:,}", seconds)
    return seconds


def requirements(
    speeds: dict[str, float],
    seconds: dict[int, float],
    gigabytes: float,
    epochs: dict[str, float],
) -> Iterator[Requirement]:
    """Yield all requirements."""
    yield _ratio("Spark, two executors of one core, of one", speeds, "two executors",
                 speeds["one executor"], TWO_OVER_ONE)  # fmt: skip
    yield _ratio("Spark, two executors, of `engine=local`", speeds, "two executors",
                 speeds["local"], SPARK_OF_LOCAL)  # fmt: skip
    yield _ratio("`engine=local` on two cores, of the bare cost × 2", speeds, "local",
                 2 * speeds["bare"], LOCAL_OF_BARE)  # fmt: skip
    yield Requirement(
        what="executor's Python with 24-megapixel images among small ones",
        seen=f"{gigabytes:.2f} GB",
        to_reach=f"≤ {EXECUTOR_GIGABYTES:g} GB",
        met=gigabytes <= EXECUTOR_GIGABYTES,
    )
    for fewer, more in pairwise(HASHES):
        growth = seconds[more] / seconds[fewer]
        expected = more * math.log(more) / (fewer * math.log(fewer))
        yield Requirement(
            what=f"near-duplicates among {more:,} hashes, of the time for {fewer:,}",
            seen=f"{growth:.1f} ×, {seconds[more]:.2f} s",
            to_reach=f"n log n: {expected:.1f} ×, and a quarter for the cache",
            met=growth <= MORE_THAN_N_LOG_N * expected,
        )
    one, two = epochs["one process"], epochs["two processes"]
    yield Requirement(
        what="two training processes of one thread, of one of one thread",
        seen=f"{one / two:.2f} × ({two:.2f} s an epoch, of {one:.2f} s)",
        to_reach=f"≥ {TWO_TRAIN_OVER_ONE:.2f} ×",
        met=one / two >= TWO_TRAIN_OVER_ONE,
    )


def _ratio(what: str, speeds: dict[str, float], name: str, of: float, least: float) -> Requirement:
    return Requirement(
        what=what,
        seen=f"{speeds[name] / of:.2f} × ({speeds[name]:.1f} of {of:.1f} images a second)",
        to_reach=f"≥ {least:.2f} ×",
        met=speeds[name] / of >= least,
    )


if __name__ == "__main__":
    sys.exit(main())
