"""From what was scored to the evaluation: the figures of every protocol, and what is left out."""

from __future__ import annotations

import pandas as pd

from forgery_lab.evaluation import baselines, conditions
from forgery_lab.evaluation.conditions import IMAGE_LEVEL, SOURCE_DISJOINT, Condition
from forgery_lab.evaluation.figures import compare, figures, map_figures, robustness_figures
from forgery_lab.evaluation.protocols import Options, Predictions
from forgery_lab.evaluation.results import (
    BaselineFigures,
    ConditionDifference,
    ConditionFigures,
    Difference,
    Evaluation,
    LeftOut,
    MapFigures,
)


def summarise(predictions: Predictions, options: Options) -> Evaluation:
    """Return all figures of an evaluation."""
    resamples, seed = options.resamples, options.seed
    of_model: dict[Condition, ConditionFigures] = {}
    of_baselines: dict[Condition, dict[str, BaselineFigures]] = {}
    of_maps: dict[Condition, MapFigures] = {}
    measured: dict[str, object] = {}
    for protocol, rows in predictions.rows.items():
        for condition in _measured_on(protocol):
            if (predictions.model["condition"] == condition.name).any():
                of_model[condition] = figures(predictions.model, rows, condition, resamples, seed)
        for condition in (protocol, conditions.C):
            beside = predictions.baselines
            beside = beside[beside["condition"] == condition.name]
            for name, own in beside.groupby("baseline", sort=False):
                of_baselines.setdefault(condition, {})[str(name)] = BaselineFigures(
                    title=baselines.BASELINES[str(name)],
                    metrics=figures(own, rows, condition, resamples, seed).metrics,
                )
            maps = map_figures(predictions.model, rows, condition, resamples, seed)
            if maps:
                of_maps[condition] = maps
        measured["against_baseline"] = against_baseline(predictions, rows, options)
        robustness = robustness_figures(predictions.model, rows, resamples, seed)
        if robustness:
            measured["robustness"] = robustness
    left_out = [
        *predictions.left_out,
        *_not_asked_for(predictions, options),
        *_without_predictions(predictions, options, of_model),
    ]
    if predictions.rows and not of_maps:
        reason = "the model gives no heat map, or no test image has a mask of its size"
        left_out.append(LeftOut(protocol="D", reason=reason))
    return Evaluation(
        protocols=of_model,
        baselines=of_baselines,
        where=of_maps,
        left_out=left_out,
        notes=predictions.notes,
    ).model_copy(update=measured)


def _measured_on(protocol: Condition) -> tuple[Condition, ...]:
    """Return the conditions under which the rows of protocol A or B are scored."""
    return SOURCE_DISJOINT if protocol == conditions.B else (protocol,)


def _not_asked_for(predictions: Predictions, options: Options) -> list[LeftOut]:
    """Return what the model would allow and the options leave out."""
    stated = {one.protocol for one in predictions.left_out}
    if conditions.A not in predictions.rows:
        stated.add(conditions.A.name)
    return [
        LeftOut(protocol=condition.name, reason="it was not requested")
        for condition in IMAGE_LEVEL
        if condition not in options.conditions and condition.name not in stated
    ]


def _without_predictions(
    predictions: Predictions, options: Options, measured: dict[Condition, ConditionFigures]
) -> list[LeftOut]:
    """Return what was asked for and allowed, and has nothing to measure."""
    allowed = {condition for name in predictions.rows for condition in _measured_on(name)}
    reasons = {
        conditions.CONTROL: "no forged image has a mask that leaves half of it without a forged "
        "pixel"
    }
    return [
        LeftOut(
            protocol=condition.name, reason=reasons.get(condition, "no image was scored under it")
        )
        for condition in IMAGE_LEVEL
        if condition in allowed and condition in options.conditions and condition not in measured
    ]


def with_protocol_a(evaluation: Evaluation, other: Evaluation) -> Evaluation:
    """Return the evaluation with protocol A of `other`, of a model trained for it alone.

    Nothing changes where `other` holds no protocol A.
    """
    a = conditions.A
    if a not in other.protocols:
        return evaluation
    of_other = other.protocols[a].model_copy(update={"of": "another model"})
    beside = {a: other.baselines[a]} if a in other.baselines else {}
    note = "protocol A needs another model: the same network, trained on raw files, random split"
    return evaluation.model_copy(
        update={
            "protocols": {a: of_other, **evaluation.protocols},
            "baselines": {**beside, **evaluation.baselines},
            "left_out": [one for one in evaluation.left_out if one.protocol != a.name],
            "notes": [*evaluation.notes, note],
        }
    )


def against_baseline(
    predictions: Predictions, rows: pd.DataFrame, options: Options
) -> dict[Condition, Difference]:
    """Return how much the model's AUC differs from the last baseline's, paired, per condition."""
    last = predictions.baselines[predictions.baselines["baseline"] == baselines.LAST]
    differences = compare(last, predictions.model, rows, options.resamples, options.seed)
    return {condition: one.metrics["auc"] for condition, one in differences.items()}


def compare_models(
    first: Predictions, second: Predictions, options: Options
) -> dict[Condition, ConditionDifference]:
    """Return second less first per condition and metric, on the images that both may be judged by.

    Both must have been judged with the same frame and options, so that renditions are the same.
    """
    differences: dict[Condition, ConditionDifference] = {}
    for protocol in first.rows:
        if protocol not in second.rows:
            continue
        rows = first.rows[protocol]
        common = rows[rows["sha256"].isin(second.rows[protocol]["sha256"])]
        differences |= compare(first.model, second.model, common, options.resamples, options.seed)
    return differences


def why_not_compared(first: Predictions, name: str, second: Predictions, other: str) -> str:
    """Return why `compare_models` found no condition that is common to two models."""
    if set(first.rows) & set(second.rows):
        return "too few test images are new to both"
    reasons = []
    for model, predictions in ((name, first), (other, second)):
        allowed = ", ".join(protocol.name for protocol in predictions.rows) or "no protocol"
        why = "; ".join(dict.fromkeys(one.reason for one in predictions.left_out))
        reasons.append(f"{model} may be judged under {allowed} ({why})")
    return " and ".join(reasons)
