"""Through the gate to a stage: alias, stage tag and stage, with an audit trail."""

import getpass
import json
import logging
from functools import partial

import mlflow
import pandas as pd
from mlflow.entities.model_registry import ModelVersion

from forgery_lab import gate
from forgery_lab.gate import Judgement
from forgery_lab.histories import HistoryMatcher
from forgery_lab.scoring import Load
from steps.configuration import Workspace
from steps.entities import PromoteSettings
from steps.errors import GateRefusedError, TrackingError
from steps.registry import CHALLENGER, CHAMPION, Registry, number

logger = logging.getLogger(__name__)


def run(settings: PromoteSettings, workspace: Workspace) -> None:
    """Promote a version, or raise `GateRefusedError` with the gate's reason."""
    registry = Registry(workspace.registered_model)
    version, champion = wanted(settings, registry), registry.by_alias(CHAMPION)
    audit = {"by": getpass.getuser()}
    if settings.stage == "Archived":
        registry.move(version, settings.stage, audit)
        return
    if champion is not None and number(champion) == number(version):
        logger.info("version %d is the champion already", number(version))
        return
    gate.check_integrity(registry.uri(version))
    judgement = judge(settings, workspace, registry, version, champion)
    mlflow.log_dict({"passed": judgement.passed, "reason": judgement.reason,
                     **judgement.figures}, "gate.json")  # fmt: skip
    mlflow.log_metrics({f"gate.{name}": value for name, value in judgement.figures.items()})
    if not judgement.passed:
        raise GateRefusedError(f"version {number(version)} stays challenger: {judgement.reason}")
    registry.move(version, settings.stage, {**audit, "gate": json.dumps(judgement.figures)})
    logger.info("version %d is in %s now: %s", number(version), settings.stage, judgement.reason)


def wanted(settings: PromoteSettings, registry: Registry) -> ModelVersion:
    """Return the version to promote, by default the challenger."""
    if settings.version is not None:
        return registry.by_number(settings.version)
    version = registry.by_alias(CHALLENGER)
    if version is None:
        raise TrackingError(f"{registry.name} has no challenger; run `register` first")
    return version


def judge(
    settings: PromoteSettings,
    workspace: Workspace,
    registry: Registry,
    version: ModelVersion,
    champion: ModelVersion | None,
) -> Judgement:
    """Return what the gate says; without a champion, integrity is enough."""
    if champion is None:
        scores = {key: value for key, value in version.tags.items() if key.startswith("metric.")}
        said = ", ".join(f"{key} {value}" for key, value in sorted(scores.items())) or "unknown"
        logger.warning("there is no champion to compare with; scores of this version: %s", said)
        return Judgement(True, "it is sound, and there was no champion", {})
    rows, images = test_images(settings.seed, workspace)
    challenger = gate.probabilities(registry.uri(version), images)
    models = challenger, gate.probabilities(registry.uri(champion), images)
    return gate.judge(rows["label"], rows["group"], models, settings.margin, settings.seed)


def test_images(seed: int, workspace: Workspace) -> tuple[pd.DataFrame, list[Load]]:
    """Return the test split, and its images with matched histories (protocol C)."""
    rows = pd.read_parquet(workspace.path("splits"))
    rows, root = rows[rows["split"] == "test"].reset_index(drop=True), workspace.path("raw")
    matcher = HistoryMatcher.fit(rows, root, seed)

    def saved(row: dict) -> bytes:
        return matcher.save(row, (root / row["path"]).read_bytes(), draw=0)[0]

    return rows, [partial(saved, row) for row in rows.to_dict("records")]
