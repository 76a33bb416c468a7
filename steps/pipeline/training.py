"""Training a network on cached features, and writing the detector that it makes."""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from matplotlib import pyplot
from matplotlib.figure import Figure
from mlflow.data.pandas_dataset import from_pandas

from forgery_lab.data import manifest
from forgery_lab.errors import DataError
from forgery_lab.examples.feature_store import FeatureStore
from forgery_lab.export import writing
from forgery_lab.export.detector_folder import Description
from forgery_lab.files import remove_partial, write_whole
from forgery_lab.progress import shown
from forgery_lab.training import loop, networks
from forgery_lab.training.calibration import fit_block_calibration, fit_calibration
from forgery_lab.training.loop import TrainingExamples, TrainingResult
from forgery_lab.training.settings import TrainingSettings
from forgery_lab.training.validation import Scores, forged_blocks, predict
from forgery_pyfunc.calibration import Calibration
from steps.pipeline import together
from steps.settings.configuration import Workspace
from steps.settings.entities import LearningSettings, TrainSettings
from steps.tracking import runs

logger = logging.getLogger(__name__)

EXPORT_SAMPLES = 8
"""Validation images on which the exported network must agree with the trained one."""


@dataclass(frozen=True)
class Task:
    """All that `loop.fit` needs."""

    model: keras.Model
    train: FeatureStore
    validation: FeatureStore
    settings: TrainingSettings
    checkpoint: Path


def train(settings: TrainSettings, workspace: Workspace) -> None:
    """Train, calibrate and export a network; a training that was killed is continued."""
    task = prepare(settings, workspace)
    with shown("training", "epochs") as progress:

        def on_epoch(epoch: int, row: Mapping[str, float], ended_at: float) -> None:
            log_epoch(epoch, row, ended_at)
            progress(epoch, settings.epochs)

        context = {"run_id": runs.current_run().info.run_id}
        if settings.workers > 1 or len(settings.hosts) > 1:
            digest = loop.fingerprint(task.model, task.train, task.validation, task.settings)
            together.train(settings, workspace, task.checkpoint, digest, context, on_epoch)
        result = loop.fit(
            task.model,
            task.train,
            task.validation,
            task.settings,
            checkpoint=task.checkpoint,
            context=context,
            on_epoch=on_epoch,
        )
    write_report(result, workspace)
    write_detector(settings, task, result, workspace)
    remove_partial(task.checkpoint)
    task.checkpoint.unlink()


def unfinished_run(settings: TrainSettings, workspace: Workspace) -> str | None:
    """Return the id of the run whose training `train` would continue, or None."""
    task = prepare(settings, workspace)
    context = loop.resumable(
        task.checkpoint, task.model, task.train, task.validation, task.settings
    )
    return context["run_id"] if context else None


def prepare(settings: TrainSettings, workspace: Workspace) -> Task:
    """Return a new network and what it shall learn from.

    Raises:
        DataError: the cached features are not those that the network takes.
    """
    store = FeatureStore.open(workspace.path("features"))
    has_ela = store.families == ("ela",)
    if has_ela != (settings.network == "classic"):
        wanted = "residual,copymove,double_jpeg" if has_ela else "ela"
        raise DataError(
            f"train.network is {settings.network!r}, and the cached features are "
            f"{', '.join(store.families)}: the classic network takes ela, and only ela; run "
            f"`preprocess -P features={wanted}` first"
        )
    side = store.index["split"]
    train, validation = store.select(side == "train"), store.select(side == "validation")
    details = training_settings(settings, settings.patience)
    model = networks.build_for(settings.network, store.channels, settings.seed)
    checkpoint = checkpoint_of(model, train, validation, details, workspace)
    return Task(model, train, validation, details, checkpoint)


def checkpoint_of(
    model: keras.Model,
    train: TrainingExamples,
    validation: FeatureStore,
    settings: TrainingSettings,
    workspace: Workspace,
) -> Path:
    """Return the file of a training's state, named after all that decides the training."""
    name = loop.fingerprint(model, train, validation, settings)[:16]
    return workspace.path("checkpoints") / f"{name}.npz"


def training_settings(settings: LearningSettings, patience: int) -> TrainingSettings:
    """Return how `loop.fit` shall train; `patience` in epochs."""
    return TrainingSettings(
        epochs=settings.epochs,
        patience=patience,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        averaging=settings.averaging,
        seed=settings.seed,
    )


def log_epoch(epoch: int, row: Mapping[str, float], ended_at: float) -> None:
    """Log how an epoch went, and tell it to whoever listens to details.

    An epoch that is logged again, with the same time, changes nothing.
    """
    figures = {name: value for name, value in row.items() if name != "epoch"}
    runs.log_metrics(figures, step=epoch, at=ended_at)
    logger.debug("epoch %d: %s", epoch, ", ".join(f"{k} {v:.4f}" for k, v in figures.items()))


def write_report(result: TrainingResult, workspace: Workspace) -> None:
    """Write and log the learning curves and the figures of the best epoch."""
    plots = workspace.path("training_plots")
    write_whole(plots / "history.csv", result.history.to_csv(index=False), alone=True)
    best = result.history.iloc[result.best_epoch - 1].drop("seconds")
    figures = {**best.to_dict(), "epochs": len(result.history)}
    write_whole(workspace.path("training_report"), json.dumps(figures, indent=1) + "\n", alone=True)
    runs.log_metrics({f"best.{name}": value for name, value in best.items()})
    runs.log_artifact(plots / "history.csv")
    figure = learning_curves(result.history)
    runs.log_figure(figure, "figures/learning_curves.png")
    pyplot.close(figure)


def learning_curves(history: pd.DataFrame) -> Figure:
    """Return a figure of losses beside one of validation scores, by epoch."""
    figure, sides = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    scores = [name for name in map(str, history) if name.startswith("val_") and name != "val_loss"]
    for axes, names in zip(sides, (["loss", "val_loss"], scores), strict=True):
        for name in names:
            axes.plot(history["epoch"], history[name], marker="o", label=name)
        axes.set_xlabel("epoch")
        axes.legend()
    return figure


def write_detector(
    settings: TrainSettings, task: Task, result: TrainingResult, workspace: Workspace
) -> None:
    """Write the detector's folder and log it."""
    validation = task.validation
    rows = pd.read_parquet(workspace.path("splits"))
    learnt = rows[rows["sha256"].isin({*task.train.index["id"], *validation.index["id"]})]
    digest = log_data(rows)
    scores = predict(result.model, validation)
    description = Description(
        name=settings.network,
        network=settings.network,
        features=task.train.families,
        calibration=calibration(scores, validation),
        training={**asdict(task.settings), "best_epoch": result.best_epoch},
        provenance={"data_digest": digest, **runs.git_commit()},
    )
    folder = workspace.path("detector")
    samples = export_samples(validation)
    difference = writing.write_detector(folder, result.model, samples, description, learnt)
    runs.log_metrics({"onnx_max_difference": difference})
    runs.log_params({"parameters": result.model.count_params()})
    runs.log_artifacts(folder, "detector")
    auc = result.history["val_auc"].iloc[result.best_epoch - 1]
    logger.info("epoch %d was best: AUC %.2f on validation images", result.best_epoch, auc)
    logger.debug("wrote %s; ONNX and Keras differ by at most %.2g", folder, difference)


def export_samples(validation: FeatureStore) -> list[np.ndarray]:
    """Return the features of some validation images, spread over all."""
    positions = np.linspace(0, len(validation) - 1, EXPORT_SAMPLES).astype(int)
    return [validation.features(position) for position in positions]


def log_data(rows: pd.DataFrame) -> str:
    """Log the data set that the training read; return its digest, which `ingest` logged too."""
    frame = rows[[name for name in rows if name in manifest.SCHEMA]]
    digest = manifest.digest(frame)
    columns = ["path", "label", "kind", "group", "sha256"]
    data = from_pandas(frame[columns], name="manifest", digest=digest[:36])
    runs.log_input(data, context="train")
    runs.set_tags({"data_digest": digest})
    return digest


def calibration(scores: Scores, store: FeatureStore) -> Calibration:
    """Return the detector's calibration, fitted on validation images."""
    pixels = store.index["pixels"].to_numpy()
    label = store.index["label"].to_numpy()
    of_images = fit_calibration(scores.image, label, pixels).calibration
    known = forged_blocks(scores, store)
    return fit_block_calibration(of_images, known) if known else of_images
