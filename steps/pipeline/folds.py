"""Out-of-fold figures: a model is trained for every source-disjoint fold, and judged by it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from forgery_lab.data import manifest, splits
from forgery_lab.evaluation import protocols
from forgery_lab.evaluation.protocols import Options, Predictions
from forgery_lab.export import pyfunc
from forgery_lab.progress import shown
from steps.pipeline.features import build_features
from steps.settings.configuration import Workspace
from steps.settings.entities import PreprocessSettings, TrainSettings
from steps.tracking import runs


@dataclass(frozen=True)
class Recipe:
    """How the model of a fold is made."""

    preprocess: PreprocessSettings
    train: TrainSettings


@contextmanager
def models() -> Iterator[Path]:
    """Yield a folder for the folds' models, which lives until all of them have answered."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def judge(
    number: int,
    recipe: Recipe,
    workspace: Workspace,
    options: Options,
    folder: Path,
    folds_judged: int | None = None,
) -> Predictions:
    """Return predictions for images, each by a model that saw neither it nor its sources.

    Args:
        number: of folds.
        recipe: of their models.
        workspace: that `ingest` has filled.
        options: of the evaluation.
        folder: for the models, see `models`.
        folds_judged: how many, the first ones, whose images are scored; by default all.
    """
    frame = splits.folds(manifest.read(workspace.path("manifest")), number, options.seed).frame
    done: list[Path] = []

    def train_fold(train: pd.DataFrame, validation: pd.DataFrame) -> Path:
        learnt = pd.concat([train, validation])
        done.append(train_one(learnt, recipe, workspace, folder / str(len(done))))
        return done[-1]

    return protocols.judge_out_of_fold(
        train_fold,
        frame,
        workspace.path("raw"),
        options,
        lambda what: shown(what, "images"),
        folds_judged,
    )


def train_one(learnt: pd.DataFrame, recipe: Recipe, workspace: Workspace, folder: Path) -> Path:
    """Train on rows with `split` in a workspace of its own and return the model's folder."""
    from steps.pipeline import training  # TensorFlow, for those who ask for folds only

    paths = workspace.paths.model_copy(update={"raw": workspace.path("raw")})
    own = Workspace(folder, paths, workspace.registered_model)
    own.path("splits").parent.mkdir(parents=True)
    learnt.to_parquet(own.path("splits"))
    with runs.started(workspace, run_name=folder.name, nested=True):
        runs.log_settings(recipe.preprocess)
        runs.log_settings(recipe.train)
        build_features(recipe.preprocess, own, learnt)
        training.train(recipe.train, own)
    shutil.rmtree(own.path("features"))
    pyfunc.save_model(own.path("detector"), folder / "model")
    return folder / "model"
