"""Fits the classifier of photographs, and says how it does on sources that it has not seen."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from forgery_lab.errors import DataError
from forgery_lab.progress import Progress
from forgery_pyfunc.calibration import sigmoid
from forgery_pyfunc.photograph_classifier import FAR, PhotographClassifier
from forgery_pyfunc.picture_statistics import NAMES

MAX_DECLINED = 0.015
"""Share of photographs of sources that it has not seen that the threshold may decline."""

_MEMBERS = 5
_UNITS = 24
_PENALTY = 0.3
_EPOCHS = 60
_LEAST_SCALE = 1e-3


@dataclass(frozen=True)
class Fitted:
    """A classifier, and what is known of it.

    Attributes:
        classifier: learnt from all sources but those held out.
        unseen: float[n], probability of being a photograph in the table's order, each by a
            classifier that has not seen the picture's source.
    """

    classifier: PhotographClassifier
    unseen: np.ndarray


def fit(
    table: pd.DataFrame,
    held_out: Collection[str],
    seed: int,
    max_declined: float = MAX_DECLINED,
    progress: Progress | None = None,
) -> Fitted:
    """Return the classifier of a table, calibrated and cut by what it says of unseen sources.

    Args:
        table: of `picture_renditions.table`.
        held_out: sources that the classifier does not learn from.
        seed: of the networks' first weights.
        max_declined: share of photographs, the sources counting alike, below the threshold.
        progress: is told of each source that was left out.

    Raises:
        DataError: what may teach holds one class only.
    """
    sources = sorted(set(table["source"]) - set(held_out))
    logits = np.empty(len(table))
    for number, source in enumerate(sources):
        rows = (table["source"] == source).to_numpy()
        logits[rows] = _learnt(table, {source, *held_out}, seed).logits(_statistics(table[rows]))
        if progress:
            progress(number + 1, len(sources))
    classifier = _learnt(table, held_out, seed)
    kept = table["source"].isin(held_out).to_numpy()
    logits[kept] = classifier.logits(_statistics(table[kept]))
    slope, bias = _calibrated(logits, table)
    unseen = sigmoid(slope * logits + bias)
    calibrated = replace(
        classifier,
        output=(slope * classifier.output).astype(np.float32),
        output_bias=slope * classifier.output_bias + bias,
        threshold=_threshold(unseen, table, max_declined),
    )
    return Fitted(calibrated, unseen)


def _learnt(table: pd.DataFrame, without: Collection[str], seed: int) -> PhotographClassifier:
    """Return a classifier of what may teach, without some sources, not calibrated."""
    rows = table[table["may_teach"] & ~table["source"].isin(without)]
    labels = rows["is_photograph"].to_numpy()
    if labels.all() or not labels.any():
        raise DataError("the classifier needs photographs and others that may teach, not one kind")
    values, weight = _statistics(rows), _weights(rows)
    mean = weight @ values / weight.sum()
    scale = np.maximum(np.sqrt(weight @ (values - mean) ** 2 / weight.sum()), _LEAST_SCALE)
    standard = np.clip((values - mean) / scale, -FAR, FAR)
    networks = [_network(standard, labels, weight, seed + member) for member in range(_MEMBERS)]
    return PhotographClassifier(
        mean=mean.astype(np.float32),
        scale=scale.astype(np.float32),
        hidden=np.concatenate([one.coefs_[0] for one in networks], 1).astype(np.float32),
        hidden_bias=np.concatenate([one.intercepts_[0] for one in networks]).astype(np.float32),
        output=np.concatenate([one.coefs_[1][:, 0] for one in networks]).astype(np.float32)
        / _MEMBERS,
        output_bias=float(np.mean([one.intercepts_[1][0] for one in networks])),
        threshold=0.5,
    )


def _network(
    values: np.ndarray, labels: np.ndarray, weight: np.ndarray, seed: int
) -> MLPClassifier:
    network = MLPClassifier(
        (_UNITS,), alpha=_PENALTY, max_iter=_EPOCHS, tol=0.0, n_iter_no_change=_EPOCHS,
        batch_size=min(256, len(values)), random_state=seed,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is chosen
        return network.fit(values, labels, sample_weight=weight)


def _statistics(table: pd.DataFrame) -> np.ndarray:
    return table[list(NAMES)].to_numpy(np.float32)


def _weights(table: pd.DataFrame) -> np.ndarray:
    """Return weights with a mean of 1: both classes count alike, sources by the root of their size.

    A picture counts once, however many renditions it has.
    """
    once = 1 / table.groupby("picture")["picture"].transform("size")
    key = [table["is_photograph"], table["source"]]
    size = once.groupby(key).transform("sum")
    weight = once / np.sqrt(size)
    weight /= weight.groupby(table["is_photograph"]).transform("sum")
    return (weight * len(table) / 2).to_numpy()


def _calibrated(logits: np.ndarray, table: pd.DataFrame) -> tuple[float, float]:
    """Return slope and bias of the likeliest probabilities (Platt, 1999)."""
    fitted = LogisticRegression(C=1e3).fit(
        logits[:, np.newaxis], table["is_photograph"], sample_weight=_weights(table)
    )
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def _threshold(probability: np.ndarray, table: pd.DataFrame, max_declined: float) -> float:
    """Return the largest cut below which at most that share of the photographs lies."""
    photographs = table["is_photograph"].to_numpy()
    order = np.argsort(probability[photographs], kind="stable")
    weight = _weights(table[photographs])[order]
    below = np.cumsum(weight) / weight.sum()
    first = min(int(np.searchsorted(below, max_declined)), len(order) - 1)
    return float(probability[photographs][order[first]])
