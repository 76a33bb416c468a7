"""From a manifest to splits and cached features."""

import json
import logging

import pandas as pd

from forgery_lab.data import manifest, splits
from forgery_lab.files import write_whole
from steps.pipeline.features import build_features
from steps.settings.configuration import Workspace
from steps.settings.entities import PreprocessSettings
from steps.tracking import runs

logger = logging.getLogger(__name__)


def run(settings: PreprocessSettings, workspace: Workspace) -> None:
    """Assign every image to a side, and compute the features that training will read."""
    frame = split(settings, workspace)
    learnt = frame[frame["split"].isin(["train", "validation"])]
    say_masks(learnt)
    build_features(settings, workspace, learnt)


def say_masks(learnt: pd.DataFrame) -> None:
    """Warn where forgeries of the training side have no usable mask."""
    known = learnt.loc[learnt["label"] == 1, "mask_path"].notna()
    if not known.any():
        logger.warning(
            "no training forgery has a mask: the network learns from labels alone, and its "
            "heat map is weak and not calibrated"
        )
    elif not known.all():
        logger.warning(
            "%d of %d training forgeries have no mask: the network learns their labels alone",
            (~known).sum(),
            len(known),
        )


def split(settings: PreprocessSettings, workspace: Workspace) -> pd.DataFrame:
    """Write and log the splits with the report that proves what they claim; return them."""
    last = 1 - settings.train_fraction - settings.validation_fraction
    fractions = (settings.train_fraction, settings.validation_fraction, last)
    found = splits.assign(
        manifest.read(workspace.path("manifest")), settings.split, fractions, settings.seed
    )
    report = workspace.path("split_report")
    write_whole(report, json.dumps(found.report.to_dict(), indent=1) + "\n", alone=True)
    write_whole(workspace.path("splits"), found.frame.to_parquet(), alone=True)
    runs.log_artifact(report)
    for imbalance in found.report.beyond_tolerance():
        logger.warning("the split is not balanced: %s", imbalance)
    counts = found.frame["split"].value_counts()
    runs.log_metrics({f"images.{side}": count for side, count in counts.items()})
    sides = ", ".join(f"{count} {side}" for side, count in counts.items())
    logger.info("split by %s: %s", settings.split, sides)
    return found.frame
