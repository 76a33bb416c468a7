"""A job on this machine, in several processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from forgery_lab.evaluation.scoring import score
from forgery_lab.places import Place
from forgery_lab.progress import Progress
from forgery_lab.scoring.job import SHARDS_OF_A_PAGE, Job
from forgery_lab.scoring.reading import reader
from forgery_lab.scoring.survivor import surviving


def score_job(
    job: Job,
    images: Place,
    model: Path,
    threshold: float | None,
    workers: int,
    progress: Progress,
) -> int:
    """Score the shards of a job that are left, and return how many images they have.

    Args:
        job: of which parts may be done.
        images: the folder that the job's listing is of.
        model: folder of an MLflow model.
        threshold: replaces the model's grey band.
        workers: processes, each of which loads the model.
        progress: called with images done and images in all, those of earlier starts included.

    Raises:
        ModelError: see `surviving`.
        DataError: an image's server failed, or a part could not be written.
    """
    left = job.left()
    scored = 0
    before = job.images - sum(len(job.listed(shard)) for shard in left)
    for first in range(0, len(left), SHARDS_OF_A_PAGE):
        shards = {shard: job.listed(shard) for shard in left[first : first + SHARDS_OF_A_PAGE]}
        places = [(shard, image) for shard, listed in shards.items() for image in listed]
        found: dict[int, dict[str, dict[str, Any]]] = {shard: {} for shard in shards}
        for position, record in score(
            model,
            [reader(images, image) for _, image in places],
            threshold=threshold,
            workers=workers,
            sizes=[size for _, (_, size) in places],
            open_model=surviving,
        ):
            shard, (name, _) = places[position]
            found[shard][name] = record
            scored += 1
            progress(before + scored, job.images)
            if len(found[shard]) == len(shards[shard]):
                names = [name for name, _ in shards[shard]]
                done = found.pop(shard)
                job.write(shard, names, [done[name] for name in names])
    return scored
