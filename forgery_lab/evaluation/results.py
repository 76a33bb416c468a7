"""The results of an evaluation, typed: what `figures.json` holds.

A record is written with the fields that were given, and no others, so that a file that is read
and written again stays as it was.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    ValidationError,
)

from forgery_lab.errors import DataError
from forgery_lab.evaluation import conditions
from forgery_lab.evaluation.conditions import Condition
from forgery_lab.files import write_whole

Curve = dict[str, list[float]]
"""The points of a curve by axis, such as fpr and tpr."""


def _condition(value: object) -> object:
    return conditions.named(value) if isinstance(value, str) else value


ByName = Annotated[
    Condition, BeforeValidator(_condition), PlainSerializer(lambda condition: condition.name)
]
"""A condition, written as its name."""


class Result(BaseModel):
    """A frozen part of an evaluation, which refuses keys that it does not have."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, only of fields that were given."""
        return self.model_dump(exclude_unset=True)


class Interval(Result):
    """A value and its 95 % interval; None where it is undefined, such as the AUC of one class."""

    value: float | None
    low: float | None = None
    high: float | None = None


class Estimate(Interval):
    """A metric averaged over draws, with the interval and the extremes over draws."""

    least: float | None = None
    most: float | None = None


class Difference(Estimate):
    """A paired difference of two models; `p` is two-sided, by the bootstrap."""

    p: float


class Proportion(Interval):
    """A share with its exact interval; `at_most` is the one-sided bound."""

    at_most: float | None
    count: int
    of: int


class Confusion(Result):
    """Counts of the forced decisions."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int


class ReliabilityBin(Result):
    """Mean probability, observed share of forgeries (equal priors) and images of a bin."""

    predicted: float
    observed: float
    images: int


class Curves(Result):
    """The curves of the first draw of a condition."""

    roc: Curve
    precision_recall: Curve
    reliability: list[ReliabilityBin]
    risk_coverage: Curve

    def columns(self) -> dict[str, Curve]:
        """Return each curve that has points, by name."""
        curves = self.to_dict()
        bins = curves["reliability"]
        axes = bins[0] if bins else {}
        curves["reliability"] = {axis: [one[axis] for one in bins] for axis in axes}
        return {name: curve for name, curve in curves.items() if curve}


class PartFigures(Result):
    """The AUC of a part of the images, such as splices against all authentic ones."""

    images: int
    auc: Estimate


class ConditionFigures(Result):
    """What a model scores under one condition; `of` names another model where it is of that."""

    title: str
    images: int
    authentic: int
    forged: int
    sources: int
    draws: int
    not_scored: int
    why_not_scored: list[str]
    metrics: dict[str, Estimate]
    confusion: Confusion | None = None
    parts: dict[str, PartFigures] = {}
    curves: Curves | None = None
    of: str | None = None

    @property
    def auc(self) -> Estimate | None:
        """The area under the ROC curve, None where nothing was scored."""
        return self.metrics.get("auc")


class BaselineFigures(Result):
    """What a baseline scores under one condition."""

    title: str
    metrics: dict[str, Estimate]


class MapFigures(Result):
    """Heat maps against masks (protocol D): means over forged images."""

    images: int
    auc: Interval
    f1: Interval
    iou: Interval
    best_f1: Interval
    block_auc: Interval


class LeftOut(Result):
    """A protocol that was not measured, and why."""

    protocol: str
    reason: str


class RobustnessPoint(Result):
    """The AUC at one level of a handling (protocol F)."""

    at: int | float
    value: float | None
    low: float | None
    high: float | None
    least: float | None
    most: float | None


class ElsewhereFigures(Result):
    """What a model says of another data set (protocol E), thresholds as they are.

    `raw` and `matched` have metrics by name where the data set has two classes.
    """

    name: str
    images: int
    authentic: int | None = None
    forged: int | None = None
    left_out_as_seen_in_training: int = 0
    left_out_as_sharing_a_source: int = 0
    not_scored: int = 0
    false_positives: Proportion
    inconclusive: float
    raw: dict[str, Estimate] | None = None
    matched: dict[str, Estimate] | None = None
    could_not_be_read: int = 0


class ConditionDifference(Result):
    """The differences of two models under one condition, on images that both scored."""

    images: int
    metrics: dict[str, Difference]


class Comparison(Result):
    """A model less the one of this name."""

    name: str
    conditions: dict[ByName, ConditionDifference]


class ModelFacts(Result):
    """What a report says of the model; a model of another project has a name alone."""

    name: str | None = None
    network: str | None = None
    features: list[str] | None = None
    calibration: dict[str, int | float | str | None] | None = None
    training: dict[str, Any] | None = None
    folds: int | None = None
    uri: str | None = None
    training_images: int | None = None


class DataFacts(Result):
    """What a report says of the data set and its split."""

    name: str
    licence: str | None = None
    digest: str
    images: int
    split: str
    sources_known_by: str
    sources_on_two_sides: int
    dropped: int


class Evaluation(Result):
    """All figures of an evaluation."""

    protocols: dict[ByName, ConditionFigures]
    baselines: dict[ByName, dict[str, BaselineFigures]]
    where: dict[ByName, MapFigures]
    left_out: list[LeftOut]
    notes: list[str]
    against_baseline: dict[ByName, Difference] = {}
    robustness: dict[conditions.Change, list[RobustnessPoint]] = {}
    model: ModelFacts | None = None
    data: DataFacts | None = None
    elsewhere: list[ElsewhereFigures] = []
    comparison: Comparison | None = None

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Evaluation:
        """Return the evaluation that `to_dict` gave.

        Raises:
            DataError: the values are not those of an evaluation.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise DataError(f"not the figures of an evaluation: {place}: {first['msg']}") from error

    def auc(self, condition: Condition) -> Estimate | None:
        """Return the AUC under a condition, or None where it was not measured."""
        figures = self.protocols.get(condition)
        return figures.auc if figures else None

    def without_curves(self) -> Evaluation:
        """Return the evaluation without the points of its curves."""
        content = self.to_dict()
        for figures in content["protocols"].values():
            figures.pop("curves", None)
        return Evaluation.from_dict(content)


def read(path: Path) -> Evaluation:
    """Return the evaluation of a figures file (`FIGURES_FILE`).

    Raises:
        DataError: the file does not hold one.
    """
    try:
        return Evaluation.from_dict(json.loads(path.read_text("utf-8")))
    except (ValueError, DataError) as error:
        raise DataError(f"{path}: {error}") from error


def write(path: Path, evaluation: Evaluation) -> None:
    """Write a figures file."""
    write_whole(path, json.dumps(evaluation.to_dict(), indent=1) + "\n")
