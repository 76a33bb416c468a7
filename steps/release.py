"""The detector that this project ships: from free photographs to the folder `forgery/shipped/`."""

import contextlib
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import keras
import pandas as pd

from forgery_lab.evaluation import model_card
from forgery_lab.examples import feature_store
from forgery_lab.examples.feature_store import GrowingStore
from forgery_lab.examples.pairs import EDITED, Pairs, Plan
from forgery_lab.export import writing
from forgery_lab.export.detector_folder import Description
from forgery_lab.files import write_whole
from forgery_lab.progress import shown
from forgery_lab.sources import attribution, photographs
from forgery_lab.training import loop, networks, release
from forgery_lab.training.release import Judged
from forgery_pyfunc.detector import (
    ATTRIBUTION_FILE,
    CARD_FILE,
    FIGURES_FILE,
    KERAS_FILE,
    MANIFEST_FILE,
)
from steps.pipeline.training import checkpoint_of, export_samples, log_epoch, training_settings
from steps.settings.configuration import Workspace
from steps.settings.entities import ReleaseSettings
from steps.tracking import runs

logger = logging.getLogger(__name__)

LARGE_WINDOWS = 0.25
"""Share of the pictures larger than a window that are read through larger ones: a third more time
per epoch."""


def run(settings: ReleaseSettings, workspace: Workspace) -> None:
    """Make pairs of the photographs, learn from them, and write the detector with its card."""
    output = workspace.root / settings.output
    writing.check_folder(output)
    found = find_photographs(settings, workspace)
    if settings.recalibrate:
        recalibrate(settings, found, output, workspace)
        return
    with growing_features(settings, found, workspace, "features") as store:
        judged = [learn(settings, store, found, settings.held_out, output, workspace)]
        if settings.cross_fit:
            judged += learn_others(settings, store, found, workspace)
    if settings.cross_fit:
        alarms = release.cross_fitted(judged)
        runs.log_text(json.dumps(alarms, indent=1), "cross_fitted_false_alarms.json")
        logger.info("false alarms, cross-fitted: %s", alarms)
    runs.log_artifacts(output, "detector")


def find_photographs(settings: ReleaseSettings, workspace: Workspace) -> pd.DataFrame:
    """Return the photographs of the given folder, or those of the public repositories."""
    folder = settings.photos
    if folder is None:
        with shown("fetching photographs", "files") as progress:
            folder = photographs.fetch(
                workspace.path("release_work") / "photographs", settings.most, progress
            )
    found = photographs.find(folder, settings.most)
    for (origin, source, part), some in found.groupby(["origin", "source", "part"]):
        logger.info("part %d: %d photographs, %s of %s", part, len(some), origin, source)
    return found


@contextlib.contextmanager
def growing_features(
    settings: ReleaseSettings, found: pd.DataFrame, workspace: Workspace, name: str
) -> Iterator[GrowingStore]:
    """Compute the features of pairs and photographs beside the block.

    The workspace keeps them in a folder of this name.
    """
    with (
        shown("pairs and features", "pictures") as progress,
        feature_store.growing(
            Pairs(found, Plan(settings.seed, draws=settings.draws)),
            workspace.path("release_work") / name,
            settings.features,
            settings.disk_budget_gb * 1e9,
            progress=progress,
        ) as store,
    ):
        yield store


def recalibrate(
    settings: ReleaseSettings, found: pd.DataFrame, folder: Path, workspace: Workspace
) -> None:
    """Fit the calibration of a detector anew, on the pictures that its training fitted it on.

    Its network stays. Figures that were measured with the old calibration are removed.

    Raises:
        DataError: the network learnt from a photograph that is to calibrate it.
        ModelError: the folder holds no detector.
    """
    description = Description.read(folder)
    held_out = found[found["part"] == settings.held_out].reset_index(drop=True)
    release.check_held_out(held_out, pd.read_parquet(folder / MANIFEST_FILE))
    details = settings.model_copy(update={"features": description.features})
    with growing_features(details, held_out, workspace, "held_out_features") as store:
        model = keras.models.load_model(folder / KERAS_FILE, compile=False)
        judged = release.judge(model, store.whole())
    figures = release.describe(judged)
    calibrated = {f"calibration_{key}": value for key, value in runs.git_commit().items()}
    again = replace(
        description,
        calibration=judged.calibration,
        training={**description.training, **figures},
        provenance={**description.provenance, **calibrated},
    )
    (folder / FIGURES_FILE).unlink(missing_ok=True)
    writing.write_description(folder, again)
    write_whole(folder / CARD_FILE, model_card.render(again, None, listed=True))
    logger.info("calibrated %s anew; %s", folder, figures)
    runs.log_artifacts(folder, "detector")


def learn_others(
    settings: ReleaseSettings, store: GrowingStore, found: pd.DataFrame, workspace: Workspace
) -> list[Judged]:
    """Train without each of the other parts, in runs and folders of their own."""
    judged = []
    for part in range(photographs.PARTS):
        if part != settings.held_out:
            name = f"without-part-{part}"
            folder = workspace.path("release_work") / name
            with runs.started(workspace, run_name=name, nested=True):
                judged.append(learn(settings, store, found, part, folder, workspace))
    return judged


def learn(
    settings: ReleaseSettings,
    store: GrowingStore,
    found: pd.DataFrame,
    held_out: int,
    folder: Path,
    workspace: Workspace,
) -> Judged:
    """Train without one part, calibrate on it, and write the detector.

    The checkpoint stays: what was stopped goes on, and what was finished is not trained again.
    """
    train = release.OutsidePart(store, held_out, settings.epochs)
    validation = release.sides(store.first(1), held_out).validation
    details = replace(
        training_settings(settings, patience=settings.epochs),
        mined=EDITED,
        large_windows=LARGE_WINDOWS,
    )
    model = networks.build_for(
        "blocks", validation.channels, settings.seed, relative=True, width=settings.width
    )
    checkpoint = checkpoint_of(model, train, validation, details, workspace)
    result = loop.fit(model, train, validation, details, checkpoint, on_epoch=log_epoch)
    judged = release.judge(result.model, release.sides(store.whole(), held_out).held_out)
    figures = release.describe(judged)
    runs.log_text(json.dumps(figures, indent=1), f"held_out_{held_out}.json")
    by_life = judged.auc_by_life()
    runs.log_text(json.dumps(by_life, indent=1), f"held_out_{held_out}_auc_by_life.json")
    seen = release.training_manifest(found, held_out)
    description = Description(
        name=release.NAME,
        network="blocks",
        features=validation.families,
        calibration=judged.calibration,
        training={**asdict(details), "best_epoch": result.best_epoch, **figures},
        data=model_card.of_release(found),
        provenance=runs.git_commit(),
    )
    samples = export_samples(validation)
    difference = writing.write_detector(folder, result.model, samples, description, seen)
    write_whole(folder / ATTRIBUTION_FILE, attribution.render(found))
    write_whole(folder / CARD_FILE, model_card.render(Description.read(folder), None, listed=True))
    logger.info("wrote %s; ONNX and Keras differ by at most %.2g; %s", folder, difference, figures)
    return judged
