"""The promotion of a version: through the gate to alias, stage tag and stage, with its audit."""

import hashlib
import json
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, fields, replace
from typing import NoReturn

from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities.model_registry import ModelVersion

from forgery_lab.progress import shown
from forgery_lab.promotion import gate
from forgery_lab.promotion.gate import Judgement, PromotionLimits
from forgery_lab.sources.source import Source
from forgery_pyfunc.errors import ForgeryError
from steps.errors import GateRefusedError, SettingsError, TrackingError
from steps.pipeline import frozen_set
from steps.registry.files import fetch
from steps.registry.logged_model import metrics_of, readable
from steps.registry.model_registry import CHALLENGER, CHAMPION, Registry, number
from steps.settings.configuration import Workspace
from steps.settings.entities import PromoteSettings
from steps.tracking import parent_run, runs

logger = logging.getLogger(__name__)

QUESTION_TAG, REFUSAL_TAG = "gate.question", "gate.refusal"
"""Tags of a refused version: what was asked, and why the answer was no."""
REFUSAL_LIMIT = 2000
"""Characters of a reason; an event of the history holds it beside figures and limits, in 5000."""

PASSED_METRIC = "gate.passed"
"""1 where a version may replace the champion, else 0; also for one that was forced."""
NOT_JUDGED = Judgement(("it was not judged",))


def promote(settings: PromoteSettings, workspace: Workspace) -> None:
    """Promote a version, or raise `GateRefusedError` with the gate's reasons."""
    if settings.force and not settings.reason:
        raise SettingsError('-P: promote.force needs a reason; give -P reason="…"')
    registry = Registry(workspace.registered_model)
    version = wanted(settings, registry)
    if finish(registry, version) == settings.stage:
        return
    champion = registry.by_alias(CHAMPION)
    audit = {"action": "promote", "run_id": runs.current_run().info.run_id}
    if settings.stage == "Archived":
        registry.move(version, settings.stage, {**audit, "reason": settings.reason})
        return
    if champion is not None and number(champion) == number(version):
        logger.info("version %d is already the champion", number(version))
        return
    asked, objections = question(settings, champion), objection(settings, registry, champion)
    if objections and not settings.force:
        refuse(version, "; ".join(objections))
    if version.tags.get(QUESTION_TAG) == asked and not settings.force:
        before = version.tags.get(REFUSAL_TAG, "refused by the gate")
        refuse(version, f"{before} (as judged before)")
    try:
        judgement = judge(settings, workspace, registry, version, champion)
    except ForgeryError as error:  # a champion whose files are lost can be replaced by force
        if not settings.force:
            raise
        judgement = Judgement((str(error),), lasting=False)
    judgement = replace(judgement, refusals=(*objections, *judgement.refusals))
    log(judgement)
    if not judgement.passed and not settings.force:
        if judgement.lasting:
            reason = judgement.reason[:REFUSAL_LIMIT]
            registry.tag(version, {QUESTION_TAG: asked, REFUSAL_TAG: reason})
        refuse(version, judgement.reason, judgement)
    check_champion(registry, champion, version)
    forced = f"forced, because {settings.reason}, although " if not judgement.passed else ""
    audit |= {
        "forced": not judgement.passed,
        "reason": (forced + judgement.reason)[:REFUSAL_LIMIT],
        "figures": {name: float(readable(one)) for name, one in judgement.figures.items()},
        "limits": asdict(limits(settings)),
        "frozen_digest": settings.frozen_digest,
    }
    registry.move(version, settings.stage, audit)
    sentence = f"version {number(version)} is now in {settings.stage}: {audit['reason']}"
    conclude(runs.PROMOTED, sentence, judgement)
    logger.info("%s", sentence)


def finish(registry: Registry, version: ModelVersion) -> str | None:
    """Finish a promotion that was killed after the alias had moved; return its stage, or None."""
    event = registry.finish_move(version)
    if event is None:
        return None
    stage, reason = event["to"], event.get("reason", "")
    sentence = f"version {number(version)} is now in {stage}, as a run that was killed began: "
    sentence += reason
    conclude(runs.PROMOTED, sentence, Judgement((reason,) if event.get("forced") else ()))
    logger.info("%s", sentence)
    return str(stage)


def to_production(settings: PromoteSettings, version: int | None = None) -> PromoteSettings:
    """Return the settings by which the gate alone decides whether a version becomes champion."""
    return settings.model_copy(
        update={"stage": "Production", "version": version, "force": False, "reason": ""}
    )


def wanted(settings: PromoteSettings, registry: Registry) -> ModelVersion:
    """Return the version to promote, by default the challenger."""
    if settings.version is not None:
        return registry.by_number(settings.version)
    version = registry.by_alias(CHALLENGER)
    if version is None:
        raise TrackingError(f"{registry.name} has no challenger; run `register` first")
    return version


def question(settings: PromoteSettings, champion: ModelVersion | None) -> str:
    """Return a digest of all that a judgement depends on beside the version itself."""
    asked = settings.model_dump(exclude={"version", "stage", "force", "reason", "frozen"})
    asked["champion"] = number(champion) if champion is not None else None
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def objection(
    settings: PromoteSettings, registry: Registry, champion: ModelVersion | None
) -> tuple[str, ...]:
    """Return what speaks against a new champion, whatever the version is: that one is missing."""
    had = [event["version"] for event in registry.history() if event.get("to") == "Production"]
    if champion is not None or not had or settings.stage != "Production":
        return ()
    return (
        f"there is nothing to compare it with; version {had[-1]} was the champion: roll back "
        'first (`mlflow run . -e rollback`), or give -P force=true -P reason="…"',
    )


def limits(settings: PromoteSettings) -> PromotionLimits:
    """Return the limits that a challenger has to meet."""
    names = (field.name for field in fields(PromotionLimits))
    return PromotionLimits(**{name: getattr(settings, name) for name in names})


def refuse(version: ModelVersion, reason: str, judgement: Judgement = NOT_JUDGED) -> NoReturn:
    """Note the refusal in the active run, and end the promotion: a refusal is an outcome."""
    sentence = f"version {number(version)} is not promoted: {reason}"
    conclude(runs.REFUSED, sentence, judgement)
    raise GateRefusedError(sentence)


def conclude(outcome: str, sentence: str, judgement: Judgement) -> None:
    """Say in the active run how the promotion ended: tags, a metric and the description."""
    parent_run.set_outcome(outcome, sentence)
    for log_metrics in (runs.log_metrics, parent_run.show):
        log_metrics({PASSED_METRIC: float(judgement.passed)})
    runs.describe(f"**{outcome.capitalize()}**: {sentence}.\n\n{judgement.markdown()}".strip())


def judge(
    settings: PromoteSettings,
    workspace: Workspace,
    registry: Registry,
    version: ModelVersion,
    champion: ModelVersion | None,
) -> Judgement:
    """Return what the gate says; without a champion, soundness is enough.

    Raises:
        TrackingError: the files of one of the two could not be downloaded.
    """
    frozen = frozen_set.ensure(settings.frozen, settings.frozen_digest, workspace)
    rows = frozen.frame[["path", "label", "kind"]]
    source = Source.parse(settings.frozen).public_name
    data = from_pandas(rows, source=source, name="frozen test set", digest=frozen.digest[:36])
    runs.log_input(data, context="gate")
    with ExitStack() as stack:
        challenger = fetch(registry, version, stack)
        other = fetch(registry, champion, stack) if champion is not None else None
        with shown("the gate", "images") as progress:
            judgement = gate.judge(
                challenger, other, frozen, limits(settings), settings.seed, settings.draws, progress
            )
    if champion is None and judgement.passed:
        known = ", ".join(headline(metrics_of(version))) or "unknown"
        logger.warning("there is no champion to compare with; scores of this version: %s", known)
    return judgement


def headline(metrics: Mapping[str, float]) -> list[str]:
    """Return the figures of a version that a person asks for first, such as "C.auc 0.77"."""
    names = [f"C.{name}" for name in ("auc", "accuracy", "precision", "recall", "f1")]
    return [f"{name} {metrics[name]:.2f}" for name in names if name in metrics]


def log(judgement: Judgement) -> None:
    """Print the comparison and log it to the step's run."""
    if judgement.lines:
        print(judgement.table(), flush=True)
    runs.log_text(judgement.to_json(), "gate/comparison.json")
    runs.log_text(judgement.table() + "\n", "gate/comparison.txt")
    runs.log_metrics(
        {f"gate.{name}": value for name, value in judgement.figures.items() if value == value}
    )


def check_champion(registry: Registry, judged: ModelVersion | None, version: ModelVersion) -> None:
    """Raise `GateRefusedError` where the champion is no longer the one that was compared with."""
    now = registry.by_alias(CHAMPION)
    before, after = (number(one) if one is not None else None for one in (judged, now))
    if before != after:
        refuse(
            version,
            f"the champion is now version {after}, but the gate compared with "
            f"{'none' if before is None else f'version {before}'}; promote again",
        )
