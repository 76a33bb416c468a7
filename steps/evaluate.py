"""From a model and a split data set to the figures of every protocol that the model allows."""

import json
import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from forgery_lab import packaging, protocols
from forgery_lab.progress import shown
from forgery_lab.protocols import Judged, Options
from steps.configuration import Workspace
from steps.entities import EvaluateSettings

logger = logging.getLogger(__name__)

TRAINING_MANIFEST = "training_manifest.parquet"


def run(settings: EvaluateSettings, workspace: Workspace) -> None:
    """Score the model on all images that are new to it; write and log figures and curves."""
    options = Options(
        seed=settings.seed,
        draws=settings.draws,
        resamples=settings.bootstrap,
        robustness=settings.robustness,
        tracking_uri=mlflow.get_tracking_uri(),
    )
    with model_folder(settings.model, workspace) as model:
        judged = judge(model, workspace, options)
    found = protocols.summarise(judged, options)
    write(found, judged, workspace)
    log(found, workspace)


@contextmanager
def model_folder(uri: str, workspace: Workspace) -> Iterator[Path]:
    """Yield a folder with the MLflow model: the one at `uri`, or the detector of the workspace."""
    with tempfile.TemporaryDirectory() as folder:
        if uri:
            yield Path(mlflow.artifacts.download_artifacts(uri, dst_path=folder))
        else:
            packaging.save_model(workspace.path("detector"), Path(folder) / "model")
            yield Path(folder) / "model"


def judge(model: Path, workspace: Workspace, options: Options) -> Judged:
    """Return what the model and the baselines say of the test images."""
    manifests = list(model.glob(f"artifacts/*/{TRAINING_MANIFEST}"))
    training = pd.read_parquet(manifests[0]) if manifests else None
    frame = pd.read_parquet(workspace.path("splits"))
    return protocols.judge(
        model,
        frame,
        workspace.path("raw"),
        training,
        options,
        lambda what: shown(what, "images"),
    )


def write(found: Mapping[str, Any], judged: Judged, workspace: Workspace) -> None:
    """Write all figures, the predictions behind them, and the metrics that DVC compares."""
    folder = workspace.path("evaluation")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "figures.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    judged.predictions.to_parquet(folder / "predictions.parquet")
    for condition, figures in found["protocols"].items():
        for name, points in figures["curves"].items():
            pd.DataFrame(points).to_csv(folder / f"{condition}_{name}.csv", index=False)
    metrics = workspace.path("metrics")
    metrics.write_text(json.dumps(values(found), indent=1) + "\n", "utf-8")


def values(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return {protocol: {metric: value}}, the maps' figures under D."""
    metrics = {
        condition: {name: estimate["value"] for name, estimate in figures["metrics"].items()}
        for condition, figures in found["protocols"].items()
    }
    where = found["where"].get("C") or next(iter(found["where"].values()), None)
    if where:
        metrics["D"] = {name: part["value"] for name, part in where.items() if name != "images"}
    return metrics


def log(found: Mapping[str, Any], workspace: Workspace) -> None:
    """Log figures to the run, and say the headline and what was left out."""
    for condition, figures in values(found).items():
        known = {f"{condition}.{name}": value for name, value in figures.items()}
        mlflow.log_metrics({name: value for name, value in known.items() if value is not None})
    mlflow.log_artifacts(str(workspace.path("evaluation")), "evaluation")
    for figures in found["protocols"].values():
        auc = figures["metrics"]["auc"]
        logger.info("%s, AUC %s [%s, %s]", figures["title"], auc["value"], auc["low"], auc["high"])
    for left in found["left_out"]:
        logger.info("protocol %s is left out: %s", left["protocol"], left["reason"])
    for note in found["notes"]:
        logger.info("%s", note)
