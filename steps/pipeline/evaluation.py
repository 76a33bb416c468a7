"""The evaluation of a model on a split data set: the figures of every protocol it allows."""

import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

import mlflow
import pandas as pd
from mlflow.data.pandas_dataset import from_pandas
from mlflow.models import Model

from forgery_lab.data import folders
from forgery_lab.evaluation import (
    conditions,
    mistakes,
    model_card,
    protocols,
    report,
    results,
    summary,
)
from forgery_lab.evaluation.mistakes import ShownImages
from forgery_lab.evaluation.protocols import Options, Predictions
from forgery_lab.evaluation.results import (
    Comparison,
    DataFacts,
    ElsewhereFigures,
    Evaluation,
    ModelFacts,
)
from forgery_lab.export import pyfunc
from forgery_lab.export.detector_folder import DetectorFolder
from forgery_lab.files import write_whole
from forgery_lab.progress import shown
from forgery_pyfunc.detector import CARD_FILE, FIGURES_FILE
from steps.errors import SettingsError
from steps.pipeline import folds
from steps.registry import logged_model
from steps.settings.configuration import Workspace
from steps.settings.entities import EvaluateSettings
from steps.tracking import parent_run, runs
from steps.tracking.runs import Judged

logger = logging.getLogger(__name__)

OWN = "the detector of this workspace"
TABLE = "figures_by_condition.json"
"""The figures as a table, which MLflow's pages show, also of several runs side by side."""
OF_PIPELINE = {
    *("B.auc", "C.auc", "C.precision", "C.recall", "C.f1", "control.auc", "D.auc", "D.f1"),
    *("C.precision_at_half", "C.recall_at_half", "C.f1_at_half"),
}
"""Figures by which pipelines are compared: their parent runs have them."""


def evaluate(settings: EvaluateSettings, workspace: Workspace) -> None:
    """Score the model on all images that are new to it; write and log figures and report."""
    options = Options(
        seed=settings.seed,
        draws=settings.draws,
        resamples=settings.bootstrap,
        conditions=tuple(conditions.named(name) for name in settings.protocols),
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
            predictions = folds.judge(settings.folds, recipe, workspace, options, trained)
        else:
            predictions = judge(model, workspace, options)
        evaluation = summary.summarise(predictions, options).model_copy(
            update={
                "model": about(model, settings.model, settings.folds),
                "data": about_data(workspace),
            }
        )
        evaluation = with_protocol_a(evaluation, workspace).model_copy(
            update={
                "elsewhere": [
                    judge_elsewhere(model, name, folder, options) for name, folder in others.items()
                ]
            }
        )
        if settings.against:
            evaluation = compared(predictions, evaluation, settings.against, workspace, options)
        images = mistakes.worst_and_best(predictions, workspace.path("raw"), options)
        write(evaluation, predictions, images, workspace)
        write_card(evaluation, model, workspace)
        judged = registered(model) if settings.model else None
    log_data(evaluation, workspace)
    log(evaluation, workspace, judged)


@contextmanager
def subject(uri: str, workspace: Workspace) -> Iterator[DetectorFolder]:
    """Yield the model at `uri`, or the detector of the workspace as a model."""
    with tempfile.TemporaryDirectory() as name:
        if uri:
            folder = Path(mlflow.artifacts.download_artifacts(uri, dst_path=name))
        else:
            folder = Path(name) / "model"
            pyfunc.save_model(workspace.path("detector"), folder)
        yield DetectorFolder(folder, uri or OWN)


def judge(model: DetectorFolder, workspace: Workspace, options: Options) -> Predictions:
    """Return what the model and the baselines say of the test images."""
    return protocols.judge(
        model.path,
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


def judge_elsewhere(
    model: DetectorFolder, name: str, folder: Path, options: Options
) -> ElsewhereFigures:
    """Return the figures of protocol E on one other data set."""
    with shown(f"reading {name}", "files") as progress:
        rows, refused = folders.elsewhere(folder, options.workers, progress)
    runs.log_input(from_pandas(rows[["path", "label"]], source=str(folder), name=name), "elsewhere")
    with shown(f"scoring {name}", "images") as progress:
        figures = protocols.judge_elsewhere(
            model.path, name, rows, folder, model.training, options, progress
        )
    return figures.model_copy(update={"could_not_be_read": len(refused)})


def compared(
    predictions: Predictions,
    evaluation: Evaluation,
    uri: str,
    workspace: Workspace,
    options: Options,
) -> Evaluation:
    """Return the evaluation with how the model differs from the one at `uri`.

    Where no image may judge both, with the note that says why.
    """
    with subject(uri, workspace) as other:
        of_other = judge(other, workspace, options)
    differences = summary.compare_models(of_other, predictions, options)
    if differences:
        comparison = Comparison(name=uri, conditions=differences)
        return evaluation.model_copy(update={"comparison": comparison})
    why = summary.why_not_compared(predictions, "the model", of_other, uri)
    notes = [*evaluation.notes, f"there is no comparison with {uri}: {why}"]
    return evaluation.model_copy(update={"notes": notes})


def about(model: DetectorFolder, uri: str, number: int = 0) -> ModelFacts:
    """Return what the report says of the model, or of the models of so many folds."""
    description = model.description
    if description is None:
        return ModelFacts(name=uri)
    stated: dict[str, object] = {"folds": number} if number else {"uri": uri or OWN}
    if description.training:
        stated["training"] = description.training
    return ModelFacts(
        name=description.name,
        network=description.network,
        features=list(description.features),
        calibration=description.calibration.to_dict(),
        training_images=0 if model.training is None else len(model.training),
    ).model_copy(update=stated)


def about_data(workspace: Workspace) -> DataFacts:
    """Return what the report says of the data set and its split."""
    split = json.loads(workspace.path("split_report").read_text("utf-8"))
    ingested = json.loads(workspace.path("ingest_report").read_text("utf-8"))
    terms = model_card.licence_of(ingested["source"])
    frame = pd.read_parquet(workspace.path("splits"), columns=["label"])
    return DataFacts(
        name=PurePath(ingested["source"]).name,
        **({"licence": terms} if terms else {}),
        digest=ingested["digest"],
        images=len(frame),
        split=split["scheme"],
        sources_known_by=split["basis"],
        sources_on_two_sides=split["disjoint"]["sources_on_two_sides"],
        dropped=split["dropped"]["images"],
    )


def with_protocol_a(evaluation: Evaluation, workspace: Workspace) -> Evaluation:
    """Return the evaluation with the figures of protocol A, where its training was run.

    That training is a pipeline of its own (`random_split/dvc.yaml`).
    """
    path = workspace.path("random_split") / "reports/evaluation" / FIGURES_FILE
    if not path.is_file():
        return evaluation
    other = results.read(path)
    own, of_a = evaluation.model or ModelFacts(), other.model or ModelFacts()
    if not (other.data and evaluation.data and other.data.digest == evaluation.data.digest):
        logger.warning("protocol A is left out: %s is about other data", path)
        return evaluation
    if (own.network, own.features) != (of_a.network, of_a.features):
        logger.warning("protocol A is left out: %s is about another network or features", path)
        return evaluation
    return summary.with_protocol_a(evaluation, other)


def write(
    evaluation: Evaluation, predictions: Predictions, images: ShownImages, workspace: Workspace
) -> None:
    """Write report and figures, the predictions behind them, and the metrics for DVC."""
    folder = workspace.path("evaluation")
    report.write(folder, evaluation, images)
    write_whole(folder / "predictions.parquet", predictions.model.to_parquet())
    write_whole(workspace.path("metrics"), json.dumps(report.values(evaluation), indent=1) + "\n")


def write_card(evaluation: Evaluation, model: DetectorFolder, workspace: Workspace) -> None:
    """Write the model card of a detector of this project."""
    if model.description is None:
        return
    card = model_card.render(model.description, evaluation, model_card.about_data(evaluation))
    write_whole(workspace.path("evaluation") / CARD_FILE, card)
    write_whole(workspace.path("evaluation") / model_card.PAGE, model_card.page(card))


def registered(model: DetectorFolder) -> str | None:
    """Return the id of the logged model in a folder, or None where this server lacks it."""
    known = logged_model.existing(Model.load(str(model.path)).model_id)
    return known.model_id if known else None


def log_data(evaluation: Evaluation, workspace: Workspace) -> None:
    """Log the data set of the workspace, by which evaluations on the same data are found."""
    source = json.loads(workspace.path("ingest_report").read_text("utf-8"))["source"]
    frame = pd.read_parquet(workspace.path("splits"), columns=["path", "label", "kind", "split"])
    data = evaluation.data
    if data is not None:
        known = from_pandas(frame, source=source, name=data.name, digest=data.digest[:36])
        runs.log_input(known, context="evaluate")


def log(evaluation: Evaluation, workspace: Workspace, model_id: str | None = None) -> None:
    """Log figures to the run and the logged model, and say what the model learnt."""
    data = evaluation.data
    of = Judged(model_id, data.name, data.digest[:36]) if model_id and data else None
    if model_id:
        runs.log_input_model(model_id)
    for condition, figures in report.values(evaluation).items():
        named = {f"{condition}.{name}": value for name, value in figures.items()}
        known = {name: value for name, value in named.items() if value is not None}
        runs.log_metrics(known, of=of)
        parent_run.show({name: value for name, value in known.items() if name in OF_PIPELINE})
    for other in evaluation.elsewhere:
        rate = other.false_positives.value
        if rate is not None:
            runs.log_metrics({f"E.{other.name}.false_positive_rate": rate})
    runs.log_artifacts(workspace.path("evaluation"), "evaluation")
    runs.log_table(report.table(evaluation), TABLE)
    runs.describe("\n\n".join(one.text for one in report.in_words(evaluation)))
    logger.info("%s", report.learnt(evaluation))
    asked_for = [one.text for one in report.elsewhere_in_words(evaluation)]
    for text in (*asked_for, *evaluation.notes):
        logger.info("%s", text)
    for sentence in report.in_words(evaluation):
        if sentence.text not in asked_for:
            logger.debug("%s", sentence.text)
    for left_out in evaluation.left_out:
        logger.debug("protocol %s is left out: %s", left_out.protocol, left_out.reason)
    logger.info("the report is %s", workspace.path("evaluation") / report.PAGE)
