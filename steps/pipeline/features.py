"""Features of the images to learn from, cached in the workspace."""

import logging

import pandas as pd

from forgery_lab.examples import feature_store
from forgery_lab.examples.feature_store import FeatureStore, ManifestSource
from forgery_lab.examples.histories import HistoryMatcher
from forgery_lab.progress import shown
from steps.pipeline.engines import engine
from steps.settings.configuration import Workspace
from steps.settings.entities import PreprocessSettings
from steps.tracking import runs

logger = logging.getLogger(__name__)


def build_features(
    settings: PreprocessSettings, workspace: Workspace, learnt: pd.DataFrame
) -> None:
    """Compute and cache the features of the images to learn from; say which could not be used."""
    folder = workspace.path("features")
    folder.mkdir(parents=True, exist_ok=True)
    with (
        engine(settings, workspace.path("raw"), folder) as spread,
        shown("features", "images") as progress,
    ):
        store = feature_store.build(
            source(settings, workspace, learnt),
            folder,
            settings.features,
            settings.disk_budget_gb * 1e9,
            progress=progress,
            spread=spread,
        )
    report_failures(store, workspace)


def source(
    settings: PreprocessSettings, workspace: Workspace, rows: pd.DataFrame
) -> ManifestSource:
    """Return the images to learn from, with matched histories or as shipped."""
    root = workspace.path("raw")
    if settings.history == "raw":
        return ManifestSource(rows, root)
    # The pool of histories is the training forgeries': nothing of the test images enters.
    matcher = HistoryMatcher.fit(rows[rows["split"] == "train"], root, settings.seed)
    return ManifestSource(rows, root, matcher, settings.draws, settings.rescaled)


def report_failures(store: FeatureStore, workspace: Workspace) -> None:
    """Log how many examples there are, and say which images could not be used and why."""
    failed = feature_store.failures(workspace.path("features"))
    runs.log_metrics({"examples": len(store), "examples.failed": len(failed)})
    if len(failed):
        table = failed[["path", "draw", "error"]].to_json(orient="split", index=False)
        runs.log_text(table, "failed_examples.json")
    for _, row in failed.drop_duplicates("path").iterrows():
        logger.warning("left out: %s: %s", row["path"], row["error"])
