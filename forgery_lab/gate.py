"""The promotion gate: is a model sound, and not worse than the one it would replace?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mlflow
import pandas as pd

from forgery_lab import metrics, packaging, scoring
from forgery_lab.scoring import Load
from forgery_pyfunc.detector import RECORD_FIELDS
from forgery_pyfunc.errors import ModelError


@dataclass(frozen=True)
class Judgement:
    """What the gate says, with the figures behind it; `reason` is one sentence."""

    passed: bool
    reason: str
    figures: dict[str, float]


def check_integrity(uri: str) -> None:
    """Raise `ModelError` unless the model has the contract's signature and answers an image.

    It must give the same answer twice, in all fields, with a probability.
    """
    if mlflow.models.get_model_info(uri).signature != packaging.signature():
        raise ModelError(f"{uri} does not have the signature of the contract")
    golden: list[Load] = [lambda: packaging.input_example()["image"][0]] * 2
    first, second = (record for _, record in scoring.score(uri, golden, workers=1))
    if first["error"]:
        raise ModelError(f"{uri} cannot score the golden image: {first['error']}")
    if set(first) != set(RECORD_FIELDS):
        raise ModelError(f"{uri} answers with the fields {', '.join(first)}")
    if not 0 <= first["probability"] <= 1:
        raise ModelError(f"{uri} gives the golden image a probability of {first['probability']}")
    if first != second:
        raise ModelError(f"{uri} gives two answers for one image")


def probabilities(uri: str, images: Sequence[Load]) -> pd.Series:
    """Return the probability of each image, by position; NA for what cannot be scored."""
    answers = {place: record["probability"] for place, record in scoring.score(uri, images)}
    return pd.Series(answers, dtype="Float64").sort_index()


def judge(
    label: pd.Series,
    source: pd.Series,
    models: tuple[pd.Series, pd.Series],
    margin: float,
    seed: int,
) -> Judgement:
    """Return whether the challenger's AUC is at most `margin` below the champion's.

    Args:
        label: whether each image is forged.
        source: the source photographs that the paired bootstrap draws.
        models: probabilities that challenger and champion give to the same images.
        margin: of AUC.
        seed: of the bootstrap.
    """
    challenger, champion = models
    both = (challenger.notna() & champion.notna()).to_numpy()
    scores = [
        metrics.Scores.at_threshold(
            label.to_numpy()[both], model[both].to_numpy(float), source=source.to_numpy()[both]
        )
        for model in (champion, challenger)
    ]
    found = metrics.compare([scores[0]], [scores[1]], seed=seed)["auc"]
    values = [metrics.measure(one)["auc"] for one in scores]
    difference = values[1] - values[0]
    figures = {"champion.auc": values[0], "challenger.auc": values[1], "images": float(both.sum())}
    figures.update({f"difference.{name}": _number(found[name]) for name in ("low", "high")})
    passed = bool(difference >= -margin)
    verb = "is not worse" if passed else "is worse"
    reason = (
        f"the challenger {verb} than the champion by more than {margin}: AUC {values[1]:.3f} "
        f"against {values[0]:.3f} on the same {both.sum()} test images (95 % interval of the "
        f"difference {figures['difference.low']:+.3f} … {figures['difference.high']:+.3f})"
    )
    return Judgement(passed, reason, figures)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
