"""The evaluation of a model on a split data set: the figures of every protocol it allows."""

import json
import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import mlflow
import pandas as pd

from forgery_lab.data import folders
from forgery_lab.evaluation import model_card, protocols, report
from forgery_lab.evaluation.protocols import Judged, Options
from forgery_lab.export import pyfunc
from forgery_lab.files import write_whole
from forgery_lab.progress import shown
from forgery_pyfunc.detector import MANIFEST_FILE, read_description
from steps.errors import SettingsError
from steps.pipeline import folds
from steps.settings.configuration import Workspace
from steps.settings.entities import EvaluateSettings
from steps.tracking import runs

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Subject:
    """A model to judge: its MLflow folder, what its detector says of itself, what it learnt from.

    Either of the last two is None for a model that was not made by this project.
    """

    folder: Path
    description: dict[str, Any] | None
    training: pd.DataFrame | None


def evaluate(settings: EvaluateSettings, workspace: Workspace) -> None:
    """Score the model on all images that are new to it; write and log figures and report."""
    options = Options(
        seed=settings.seed,
        draws=settings.draws,
        resamples=settings.bootstrap,
        protocols=settings.protocols,
        robustness=settings.robustness,
        tracking_uri=mlflow.get_tracking_uri(),
    )
    if 0 < settings.folds < 3 or (settings.folds and (settings.model or settings.against)):
        raise SettingsError(
            f"-P: evaluate.folds is {settings.folds}; allowed: 0, or 3 and more (one to judge, one "
            "to validate, the rest to learn from), and then without model and against, since the "
            "folds' own models are judged"
        )
    others = dict(named_folder(entry) for entry in settings.extra)
    with subject(settings.model, workspace) as model, folds.models() as trained:
        if settings.folds:
            recipe = folds.Recipe(settings.preprocess, settings.train)
            judged = folds.judge(settings.folds, recipe, workspace, options, trained)
        else:
            judged = judge(model, workspace, options)
        found = protocols.summarise(judged, options)
        found["model"] = about(model, settings.model, settings.folds)
        found["data"] = about_data(workspace)
        found = with_protocol_a(found, workspace)
        found["elsewhere"] = [
            judge_elsewhere(model, name, folder, options) for name, folder in others.items()
        ]
        if settings.against:
            found |= compare(judged, found, settings.against, workspace, options)
        examples = protocols.examples(judged, workspace.path("raw"), options)
        write(found, judged, examples, workspace)
        write_card(found, model, workspace)
    log(found, workspace)


@contextmanager
def subject(uri: str, workspace: Workspace) -> Iterator[Subject]:
    """Yield the model at `uri`, or the detector of the workspace as a model."""
    with tempfile.TemporaryDirectory() as name:
        if uri:
            folder = Path(mlflow.artifacts.download_artifacts(uri, dst_path=name))
        else:
            folder = Path(name) / "model"
            pyfunc.save_model(workspace.path("detector"), folder)
        manifests = list(folder.glob(f"artifacts/*/{MANIFEST_FILE}"))
        detectors = list(folder.glob("artifacts/*/detector.json"))
        yield Subject(
            folder,
            read_description(detectors[0].parent) if detectors else None,
            pd.read_parquet(manifests[0]) if manifests else None,
        )


def judge(model: Subject, workspace: Workspace, options: Options) -> Judged:
    """Return what the model and the baselines say of the test images."""
    return protocols.judge(
        model.folder,
        pd.read_parquet(workspace.path("splits")),
        workspace.path("raw"),
        model.training,
        options,
        lambda what: shown(what, "images"),
    )


def named_folder(entry: str) -> tuple[str, Path]:
    """Return name and folder of `name:path`; raise `SettingsError` for anything else."""
    name, separator, path = entry.partition(":")
    if not (name and separator and path):
        raise SettingsError(f"-P: evaluate.extra is {entry!r}; allowed: name:path,name:path")
    if not Path(path).is_dir():
        raise SettingsError(f"-P: evaluate.extra: {path} is not a folder")
    return name, Path(path)


def judge_elsewhere(model: Subject, name: str, folder: Path, options: Options) -> dict[str, Any]:
    """Return the figures of protocol E on one other data set."""
    with shown(f"reading {name}", "files") as progress:
        rows, refused = folders.elsewhere(folder, options.workers, progress)
    with shown(f"scoring {name}", "images") as progress:
        found = protocols.judge_elsewhere(
            model.folder, name, rows, folder, model.training, options, progress
        )
    return {**found, "could_not_be_read": len(refused)}


def compare(
    judged: Judged, found: Mapping[str, Any], uri: str, workspace: Workspace, options: Options
) -> dict[str, Any]:
    """Return how the model differs from the one at `uri`, on images that both may be judged by.

    Where there are none, the note that says why.
    """
    with subject(uri, workspace) as other:
        theirs = judge(other, workspace, options)
    conditions = protocols.compare_models(theirs, judged, options)
    if conditions:
        return {"comparison": {"name": uri, "conditions": conditions}}
    why = protocols.why_not_compared(judged, "the model", theirs, uri)
    return {"notes": [*found["notes"], f"there is no comparison with {uri}: {why}"]}


def about(model: Subject, uri: str, number: int = 0) -> dict[str, Any]:
    """Return what the report says of the model, or of the models of so many folds."""
    if model.description is None:
        return {"name": uri}
    shown_keys = ("name", "network", "features", "calibration", "training")
    facts = {key: model.description[key] for key in shown_keys if key in model.description}
    learnt = 0 if model.training is None else len(model.training)
    facts |= {"folds": number} if number else {"uri": uri or "the detector of this workspace"}
    return {**facts, "training_images": learnt}


def about_data(workspace: Workspace) -> dict[str, Any]:
    """Return what the report says of the data set and its split."""
    split = json.loads(workspace.path("split_report").read_text("utf-8"))
    ingested = json.loads(workspace.path("ingest_report").read_text("utf-8"))
    terms = model_card.licence_of(ingested["source"])
    frame = pd.read_parquet(workspace.path("splits"), columns=["label"])
    return {
        "name": PurePath(ingested["source"]).name,
        **({"licence": terms} if terms else {}),
        "digest": ingested["digest"],
        "images": len(frame),
        "split": split["scheme"],
        "sources_known_by": split["basis"],
        "sources_on_two_sides": split["disjoint"]["sources_on_two_sides"],
        "dropped": split["dropped"]["images"],
    }


def with_protocol_a(found: dict[str, Any], workspace: Workspace) -> dict[str, Any]:
    """Return the figures with those of protocol A beside them, where its training was run.

    That training is a pipeline of its own (`random_split/dvc.yaml`).
    """
    path = workspace.path("random_split") / "reports/evaluation" / report.FIGURES
    if not path.is_file():
        return found
    other = json.loads(path.read_text("utf-8"))
    if other["data"]["digest"] != found["data"]["digest"]:
        logger.warning("protocol A is left out: %s is about other data", path)
        return found
    if any(other["model"].get(key) != found["model"].get(key) for key in ("network", "features")):
        logger.warning("protocol A is left out: %s is about another network or features", path)
        return found
    return protocols.with_protocol_a(found, other)


def write(
    found: Mapping[str, Any],
    judged: Judged,
    examples: Mapping[str, Any],
    workspace: Workspace,
) -> None:
    """Write report and figures, the predictions behind them, and the metrics for DVC."""
    folder = workspace.path("evaluation")
    report.write(folder, found, examples)
    write_whole(folder / "predictions.parquet", judged.predictions.to_parquet())
    write_whole(workspace.path("metrics"), json.dumps(report.values(found), indent=1) + "\n")


def write_card(found: Mapping[str, Any], model: Subject, workspace: Workspace) -> None:
    """Write the model card of a detector of this project."""
    if model.description is None:
        return
    card = model_card.render(model.description, found, model_card.about_data(found))
    write_whole(workspace.path("evaluation") / model_card.FILE, card)


def log(found: Mapping[str, Any], workspace: Workspace) -> None:
    """Log figures to the run, and say in words what they mean and what was left out."""
    for condition, figures in report.values(found).items():
        known = {f"{condition}.{name}": value for name, value in figures.items()}
        runs.log_metrics({name: value for name, value in known.items() if value is not None})
    for other in found["elsewhere"]:
        rate = other["false_positives"]["value"]
        if rate is not None:
            runs.log_metrics({f"E.{other['name']}.false_positive_rate": rate})
    runs.log_artifacts(workspace.path("evaluation"), "evaluation")
    for one in report.in_words(found):
        logger.info("%s", one["text"])
    for left in found["left_out"]:
        logger.info("protocol %s is left out: %s", left["protocol"], left["reason"])
    for note in found["notes"]:
        logger.info("%s", note)
    logger.info("the report is %s", workspace.path("evaluation") / report.PAGE)
