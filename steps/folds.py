"""Out-of-fold figures: a model is trained for every source-disjoint fold, and judged by it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pandas as pd

from forgery_lab import manifest, packaging, protocols, splits
from forgery_lab.progress import shown
from forgery_lab.protocols import Judged, Options
from steps import tracking
from steps.configuration import ConfigurationManager, Workspace
from steps.entities import PreprocessSettings, TrainSettings


@contextmanager
def models() -> Iterator[Path]:
    """Yield a folder for the folds' models, which lives until all of them have answered."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def judge(number: int, workspace: Workspace, options: Options, folder: Path) -> Judged:
    """Return predictions for all images, each by a model that saw neither it nor its sources.

    The models are trained as `params.yaml` says of `preprocess` and `train`.
    """
    frame = splits.folds(manifest.read(workspace.path("manifest")), number, options.seed).frame
    done: list[Path] = []

    def train_fold(train: pd.DataFrame, validation: pd.DataFrame) -> Path:
        learnt = pd.concat([train, validation])
        done.append(train_one(learnt, workspace, folder / str(len(done))))
        return done[-1]

    return protocols.judge_out_of_fold(
        train_fold, frame, workspace.path("raw"), options, lambda what: shown(what, "images")
    )


def train_one(learnt: pd.DataFrame, workspace: Workspace, folder: Path) -> Path:
    """Train on rows with `split` in a workspace of its own and return the model's folder."""
    from steps import preprocess, train  # TensorFlow, for those who ask for folds only

    manager = ConfigurationManager()
    paths = workspace.paths.model_copy(update={"raw": workspace.path("raw")})
    own = Workspace(folder, paths, workspace.registered_model)
    own.path("splits").parent.mkdir(parents=True)
    learnt.to_parquet(own.path("splits"))
    with tracking.started(workspace, run_name=folder.name, nested=True):
        settings = cast(PreprocessSettings, manager.settings("preprocess"))
        preprocess.build_features(settings, own, learnt)
        train.run(cast(TrainSettings, manager.settings("train")), own)
    shutil.rmtree(own.path("features"))
    packaging.save_model(own.path("detector"), folder / "model")
    return folder / "model"
