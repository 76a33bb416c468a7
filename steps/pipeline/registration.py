"""The registration of a detector: logged as a pyfunc, then a version of the registered model."""

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities.model_registry import ModelVersion

from forgery import SHIPPED
from forgery_lab.evaluation import conditions, model_card, report, results
from forgery_lab.evaluation.results import Evaluation
from forgery_lab.export import pyfunc
from forgery_lab.export.detector_folder import Description
from forgery_pyfunc.calibration import Calibration
from forgery_pyfunc.detector import (
    CARD_FILE,
    CLASSIFIER_FILE,
    DESCRIPTION_FILE,
    FIGURES_FILE,
    NETWORK_FILE,
    read_description,
)
from steps.errors import GateRefusedError
from steps.pipeline import promotion
from steps.registry.logged_model import TRAINING, is_figure, readable
from steps.registry.model_registry import CHAMPION, DIGEST_TAG, Registry, number
from steps.settings.configuration import Workspace
from steps.settings.entities import PromoteSettings
from steps.tracking import runs
from steps.tracking.runs import Judged

logger = logging.getLogger(__name__)

HEADLINE_TAG = "auc_matched"
"""The AUC under protocol C with its interval, for people; metrics are the logged model's."""


def register_detector(detector: Path | None, gate: PromoteSettings, workspace: Workspace) -> None:
    """Register a detector; one that is in the registry already keeps its version.

    Args:
        detector: its folder; None: what `train` wrote.
        gate: settings of the gate, for the shipped detector: see `ensure_champion`.
        workspace: of the training, or of the registry alone.
    """
    folder = detector or workspace.path("detector")
    read_description(folder)
    ensure_champion(gate, workspace)
    registry = Registry(workspace.registered_model)
    digest = detector_digest(folder)
    version = registry.by_digest(digest)
    if version is not None:
        logger.info("this detector is already version %d of %s", number(version), registry.name)
        registry.challenge(version)
        return
    tags = provenance_of_training(workspace) if detector is None else {}
    version = register(folder, registry, workspace, tags)
    runs.set_tags({"registered_version": number(version)})


def ensure_champion(gate: PromoteSettings, workspace: Workspace) -> None:
    """Make the detector of this repository the champion of a registry that has no other yet.

    Where the gate refuses it, it is a challenger, and a warning says why. A start that was stopped
    between the two is continued.
    """
    registry = Registry(workspace.registered_model)
    champion = registry.by_alias(CHAMPION)
    if champion is not None:
        registry.finish_move(champion)
    if not (SHIPPED / NETWORK_FILE).is_file() or registry.history():
        return
    version = registry.by_digest(detector_digest(SHIPPED))
    if champion or len(registry.versions()) > (version is not None):
        return
    logger.info("the registry is new: the shipped detector goes through the gate first")
    with runs.started(workspace, run_name="register the shipped detector", nested=True):
        version = version or register(SHIPPED, registry, workspace)
        try:
            promotion.promote(promotion.to_production(gate, number(version)), workspace)
        except GateRefusedError as error:
            logger.warning("the shipped detector: %s", error)


def register(
    folder: Path, registry: Registry, workspace: Workspace, tags: Mapping[str, str] | None = None
) -> ModelVersion:
    """Log the detector and its card to the active run; return it as a new version, a challenger."""
    digest, training = detector_digest(folder), facts_of_training(folder)
    settings = {name: readable(value) for name, value in training.items() if not is_figure(name)}
    runs.log_params(settings)  # pages that compare versions show those of their runs
    model = pyfunc.log_model(folder, {DIGEST_TAG: digest}, settings)
    evaluation = evaluation_of(folder, workspace)
    figures = {name: value for name, value in training.items() if is_figure(name)}
    runs.log_metrics(scores(evaluation), of=judged(model.model_id, evaluation))
    runs.log_metrics(figures, of=Judged(model.model_id))
    text = card(folder, evaluation)
    runs.log_text(text, CARD_FILE)
    runs.log_text(model_card.page(text), model_card.PAGE)
    tags = {**headline(evaluation), **facts(folder), **(tags or {}), DIGEST_TAG: digest}
    version = registry.create(model.model_uri, model.run_id, tags)
    registry.describe(version, in_words(evaluation))
    logger.info("registered version %d of %s as challenger", number(version), registry.name)
    return version


def in_words(evaluation: Evaluation | None) -> str:
    """Return the description of a version; what it does elsewhere is in its card."""
    if evaluation is None:
        return "not evaluated"
    alone = evaluation.model_copy(update={"elsewhere": []})
    sentences = [one.text for one in report.in_words(alone)]
    if evaluation.elsewhere:
        sentences.append(f"`{model_card.PAGE}` on the source run has the figures on other data.")
    return "\n\n".join(sentences)


def judged(model_id: str | None, evaluation: Evaluation | None) -> Judged:
    """Return whose the figures of an evaluation are, and on which data set, as far as known."""
    data = evaluation.data if evaluation else None
    return Judged(model_id, data.name, data.digest[:36]) if data else Judged(model_id)


def detector_digest(folder: Path) -> str:
    """Return the SHA-256 of network, description and classifier: what decides every answer."""
    digest = hashlib.sha256()
    for name in (DESCRIPTION_FILE, NETWORK_FILE):
        digest.update((folder / name).read_bytes())
    classifier = folder / CLASSIFIER_FILE
    if classifier.is_file():
        digest.update(classifier.read_bytes())
    return digest.hexdigest()


def evaluation_of(folder: Path, workspace: Workspace) -> Evaluation | None:
    """Return the detector's own figures, or the workspace's where they are of this detector."""
    own = folder / FIGURES_FILE
    if own.is_file():
        return results.read(own)
    path = workspace.path("evaluation") / FIGURES_FILE
    if not path.is_file():
        return None
    evaluation, detector = results.read(path), Description.read(folder)
    judged = evaluation.model
    if judged is None or judged.calibration is None or judged.folds:
        return None
    same = Calibration.from_dict(judged.calibration) == detector.calibration
    return evaluation if same and (judged.training or {}) == detector.training else None


def card(folder: Path, evaluation: Evaluation | None) -> str:
    """Return the model card: the detector's own where it brings one, else one of its figures."""
    own = folder / CARD_FILE
    if own.is_file():
        return own.read_text("utf-8")
    data = model_card.about_data(evaluation) if evaluation else None
    return model_card.render(Description.read(folder), evaluation, data)


def provenance_of_training(workspace: Workspace) -> dict[str, str]:
    """Return the run that trained the workspace's detector, and DVC's digest of the data."""
    training, data = training_run(workspace), f"dvc.{workspace.paths.raw}"
    tags = {"training_run_id": training} if training else {}
    known = runs.provenance(workspace)
    return {**tags, data: known[data]} if data in known else tags


def training_run(workspace: Workspace) -> str | None:
    """Return the id of the run that trained the detector; say where this server lacks it."""
    note = workspace.run_file("train")
    found = runs.find_run(note)
    if found is None:
        uri = mlflow.get_tracking_uri()
        logger.warning(
            "the training run noted in %s is not on %s: DVC restored the detector from its cache, "
            "or it was tracked elsewhere; it is registered without a link to its run",
            note.name,
            uri,
        )
        return None
    return found.info.run_id


def facts(folder: Path) -> dict[str, str]:
    """Return the tags of a version: the detector's name, by which code it was made, of what."""
    description = Description.read(folder)
    return {"detector": description.name, **description.provenance}


def facts_of_training(folder: Path) -> dict[str, Any]:
    """Return what a detector says of its training: settings and figures, such as training.epochs.

    A figure is a number.
    """
    facts = flat(Description.read(folder).training, TRAINING)
    return {k: v for k, v in facts.items() if not is_figure(k) or isinstance(v, int | float)}


def scores(evaluation: Evaluation | None) -> dict[str, float]:
    """Return the figures of the detector itself, such as C.auc."""
    if not evaluation:
        return {}
    own = {name: one for name, one in evaluation.protocols.items() if one.of is None}
    values = flat(report.values(evaluation.model_copy(update={"protocols": own})))
    return {key: value for key, value in values.items() if value is not None}


def headline(evaluation: Evaluation | None) -> dict[str, str]:
    """Return the tag by which people tell versions apart, or none: the AUC of protocol C."""
    auc = evaluation.auc(conditions.C) if evaluation else None
    if auc is None or auc.value is None:
        return {}
    return {HEADLINE_TAG: f"{report.figure(auc.value)} ({report.interval(auc)})"}


def flat(values: Mapping, prefix: str = "") -> dict[str, Any]:
    """Return nested dicts as one, with dotted keys."""
    result: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        result.update(flat(value, f"{name}.") if isinstance(value, dict) else {name: value})
    return result
