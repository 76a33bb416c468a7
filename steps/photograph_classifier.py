"""The classifier that tells photographs from screenshots, drawings, charts and documents."""

import json
import logging

from forgery_lab.evaluation import photographs
from forgery_lab.examples import picture_renditions
from forgery_lab.files import write_whole
from forgery_lab.progress import shown
from forgery_lab.sources import labelled_pictures
from forgery_lab.sources.labelled_pictures import LabelledPicture
from forgery_lab.training import photograph_classifier
from forgery_pyfunc.detector import CLASSIFIER_FILE
from steps.settings.configuration import Workspace
from steps.settings.entities import PhotographClassifierSettings
from steps.tracking import runs

logger = logging.getLogger(__name__)


def run(settings: PhotographClassifierSettings, workspace: Workspace) -> None:
    """Learn from labelled pictures, judge on sources that were left out, and write the file."""
    pictures = find_pictures(settings)
    with shown("statistics", "pictures") as progress:
        table = picture_renditions.table(
            pictures, settings.renditions, settings.seed, progress=progress
        )
    with shown("sources left out", "sources") as progress:
        fitted = photograph_classifier.fit(
            table, settings.held_out, settings.seed, progress=progress
        )
    threshold = fitted.classifier.threshold
    figures = photographs.by_source(table, fitted.unseen, threshold, settings.held_out)
    content = {**fitted.classifier.to_dict(), "figures": [one.to_dict() for one in figures]}
    path = workspace.root / settings.output / CLASSIFIER_FILE
    write_whole(path, json.dumps(content) + "\n")
    runs.log_artifact(path)
    for name, is_photograph in (("photographs", True), ("others", False)):
        share = photographs.together(figures, is_photograph)
        runs.log_metrics({f"declined.{name}": share.value or 0.0})
        logger.info("declined of %s of unseen sources: %d of %d", name, share.count, share.of)
    logger.info("wrote %s", path)


def find_pictures(settings: PhotographClassifierSettings) -> list[LabelledPicture]:
    """Return all labelled pictures, of each source's photographs at most so many."""
    cameras, web = ((settings.photos / name) for name in ("photos", "photos_web"))
    found = [
        *labelled_pictures.of_table(settings.pictures),
        *labelled_pictures.of_folder(cameras, "cameras", is_photograph=True),
        *labelled_pictures.of_folder(web, "clothes", is_photograph=True),
        *labelled_pictures.of_drawn(settings.drawn),
    ]
    return labelled_pictures.at_most(found, settings.most_of_a_source)
