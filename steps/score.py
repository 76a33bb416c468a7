"""Batch scoring: one row per file of a folder, errors included."""

import logging
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import mlflow

from forgery_lab.places import Place
from forgery_lab.progress import Progress, shown
from forgery_lab.scoring import local
from forgery_lab.scoring.job import Job, Terms, digest
from forgery_lab.scoring.model import check_contract
from forgery_lab.scoring.reading import listing
from forgery_lab.scoring.whole_table import WRITERS, write_table
from steps.errors import SettingsError
from steps.registry import model_registry
from steps.settings.configuration import Workspace
from steps.settings.entities import ScoreSettings
from steps.tracking import runs

logger = logging.getLogger(__name__)


def run(settings: ScoreSettings, workspace: Workspace) -> None:
    """Score every file below the folder; go on where an earlier start was stopped."""
    images, output = Place.parse(settings.input), Place.parse(settings.output)
    check_output(settings)
    uri, version = model_registry.resolve(settings.model, workspace.registered_model)
    with downloaded(uri) as model:
        check_contract(model)
        job = find_or_begin(settings, images, output, model)
        logger.info("scoring %s files with %s", f"{job.images:,}", version or uri)
        began = time.monotonic()
        with shown("scoring", "files") as progress:
            figures = score(settings, job, images, model, progress)
    is_folder = settings.engine == "spark"
    verdicts = job.finish() if is_folder else write_table(job, output)
    log(verdicts, figures, output, time.monotonic() - began)


def check_output(settings: ScoreSettings) -> None:
    """Raise `SettingsError` where the output's name is not one that the engine writes."""
    allowed = [".parquet"] if settings.engine == "spark" else list(WRITERS)
    if Place.parse(settings.output).suffix not in allowed:
        raise SettingsError(
            f"-P: score.output is {settings.output!r}; allowed with engine={settings.engine}: "
            f"names ending in {' or '.join(allowed)}"
        )


@contextmanager
def downloaded(uri: str) -> Iterator[Path]:
    """Yield the folder of a model; one from a server or a store goes again."""
    with tempfile.TemporaryDirectory() as folder:
        is_here = Path(uri).is_dir()
        yield Path(uri if is_here else mlflow.artifacts.download_artifacts(uri, dst_path=folder))


def find_or_begin(settings: ScoreSettings, images: Place, output: Place, model: Path) -> Job:
    """Return the job of this output; one that was stopped goes on with the listing it has."""
    is_folder = settings.engine == "spark"
    folder = output if is_folder else output.beside(f".{output.name}.unfinished")
    terms = Terms(images.address, digest(model), settings.threshold)
    job, files = Job.find(folder, terms), listing(images)
    if job is None:
        return Job.begin(folder, terms, files)
    left = job.left()
    logger.info(
        "going on with %s: %d of %d parts are done", folder, job.shards - len(left), job.shards
    )
    if job.images != len(files):
        logger.warning(
            "%s has %d files now; the job goes on with the %d of its listing",
            images, len(files), job.images,
        )  # fmt: skip
    return job


def score(
    settings: ScoreSettings, job: Job, images: Place, model: Path, progress: Progress
) -> dict[str, float]:
    """Score what is left of a job; return figures by name."""
    if settings.engine == "local":
        workers = len(os.sched_getaffinity(0))
        scored = local.score_job(job, images, model, settings.threshold, workers, progress)
        return {"images_scored": scored, "workers": workers}
    from forgery_lab.scoring.spark import engine

    cost = engine.score_job(job, images, model, settings.threshold, settings.master, progress)
    return asdict(cost)


def log(verdicts: Counter[str], figures: dict[str, float], output: Place, seconds: float) -> None:
    """Log to the run how many images have which verdict, what it cost, and where the table is."""
    runs.log_metrics({f"verdicts.{name}": count for name, count in verdicts.items()})
    runs.log_metrics({"seconds": seconds, **figures})
    runs.set_tags({"output": output})
    if output.path and output.path.is_file():
        runs.log_artifact(output.path)
    said = ", ".join(f"{count:,} {name}" for name, count in verdicts.most_common())
    logger.info("wrote %s: %s", output, said)
