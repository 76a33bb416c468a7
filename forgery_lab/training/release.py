"""The release detector: learnt from free photographs and forgeries of them, and from nothing else.

Photographs are in parts, camera originals by make (`photographs.find`). A network learns from all
parts but one; the one that is held out chooses calibration and thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from forgery_lab.errors import DataError
from forgery_lab.examples.feature_store import FeatureStore, GrowingStore
from forgery_lab.training.calibration import fit_block_calibration, fit_calibration
from forgery_lab.training.thresholds import COVERAGE, MAX_FALSE_ALARMS
from forgery_lab.training.validation import forged_blocks, predict
from forgery_pyfunc.calibration import Calibration

NAME = "release"

VALIDATED_PAIRS = 300
"""Held-out pairs that choose the epoch, spread over all photographs."""

BLOCK_SOFTNESS, BLOCK_SMOOTHING = 0.5, 1
"""In logits, and in blocks. The map is relative, as the verdict is. With a limit of 4 % on what is
hot of authentic pictures, F1 on pairs of held-out web photographs is 0.39 with both and 0.36 with a
softness of 2 alone, on the development half of CASIA 0.36 and 0.33."""

LEAST_OF_A_SOURCE = 50
"""Held-out photographs; smaller sources of the web choose a threshold together."""
LEAST_OF_A_KIND = 20
"""Authentic held-out pictures of a source and kind (as shipped, of a pair, edited) that choose a
threshold of their own beside that of their source: pairs are many, and small."""
GROWN = 0.5
"""Share of the epochs after which the draws of all pairs are learnt from."""
CAMERA, OTHERS = "camera", "other web"


@dataclass(frozen=True)
class Sides:
    """What a network learns from, what chooses its epoch, and what chooses its thresholds."""

    train: FeatureStore
    validation: FeatureStore
    held_out: FeatureStore


def sides(store: FeatureStore, held_out: int) -> Sides:
    """Return the examples of a store without one part, and those of that part.

    Args:
        store: of `pairs.Pairs`.
        held_out: number of the part. The validation set is the first draw of some of its pairs.
    """
    inside = store.index["split"] == f"part {held_out}"
    pairs = store.index["kind"] == "pair"
    place = store.index["id"].str.rpartition(".")[0]
    places = place[inside & pairs].unique()
    some = place.isin(places[:: max(1, len(places) // VALIDATED_PAIRS)])
    return Sides(
        store.select(~inside),
        store.select(inside & pairs & some & (store.index["draw"] == 0)),
        store.select(inside),
    )


@dataclass(frozen=True)
class OutsidePart:
    """The examples of a growing store without one part; draws are added over the epochs.

    Attributes:
        store: of `pairs.Pairs`.
        held_out: number of the part.
        epochs: the draws are added one by one over the first half of them.
    """

    store: GrowingStore
    held_out: int
    epochs: int

    def at_epoch(self, epoch: int) -> FeatureStore:
        """Return the examples of the draws of an epoch, and wait until they are there."""
        draws = min(self.store.draws, 1 + int(epoch * self.store.draws / (self.epochs * GROWN)))
        return sides(self.store.first(draws), self.held_out).train


@dataclass(frozen=True)
class Judged:
    """Held-out examples and what a calibrated network says of them.

    Attributes:
        index: of the store, with `probability`.
        calibration: as `detector.json` holds it.
    """

    index: pd.DataFrame
    calibration: Calibration

    def false_alarms(self) -> dict[str, dict[str, float]]:
        """Return share at or above t_hi and number of the authentic, by source and kind."""
        authentic = self.index[self.index["label"] == 0]
        alarms = authentic["probability"] >= self.calibration.t_hi
        by = alarms.groupby([sources_of(self.index)[authentic.index], authentic["kind"]])
        return {
            f"{source} {kind}": {"share": float(part.mean()), "number": len(part)}
            for (source, kind), part in by
        }

    def recall(self) -> float:
        """Return the share of held-out generated forgeries at or above t_hi."""
        forged = self.index[self.index["label"] == 1]
        return float((forged["probability"] >= self.calibration.t_hi).mean())

    def auc_by_life(self) -> dict[str, dict[str, float]]:
        """Return image AUC and number of the held-out pairs, by what happened to their files."""
        pairs = self.index[self.index["kind"] == "pair"]
        return {
            str(life): {
                "auc": float(roc_auc_score(some["label"], some["probability"])),
                "number": len(some),
            }
            for life, some in pairs.groupby("life")
            if some["label"].nunique() == 2
        }


def sources_of(index: pd.DataFrame) -> pd.Series:
    """Return what chooses a threshold together with each example: `CAMERA`, a source, `OTHERS`.

    Args:
        index: of examples, with `origin`, `source`, and `group` (the photograph).
    """
    web = index[index["origin"] != CAMERA]
    photographs = web.groupby("source")["group"].nunique()
    large = photographs.index[photographs >= LEAST_OF_A_SOURCE]
    named = index["source"].where(index["source"].isin(large), OTHERS)
    return named.where(index["origin"] != CAMERA, CAMERA)


def judge(model: keras.Model, held_out: FeatureStore) -> Judged:
    """Return the calibration that held-out examples choose, and what it makes of them.

    Probabilities are fitted on pairs. t_hi allows `MAX_FALSE_ALARMS` among the authentic pictures
    of camera originals and of every source of the web, and among those of each kind: as shipped,
    cut out and saved as a forger would, edited as a whole. The strictest counts.
    """
    scores = predict(model, held_out)
    index = held_out.index
    pixels = index["pixels"].to_numpy()
    pair = (index["kind"] == "pair").to_numpy()
    label = index["label"].to_numpy()
    groups = authentic_groups(index)
    fitted = [
        fit_calibration(
            scores.image[pair], label[pair], pixels[pair], scores.image[group], pixels[group]
        )
        for group in groups
    ]
    strictest = max((one.calibration for one in fitted), key=lambda one: one.t_hi)
    calibration = replace(strictest, chosen_on=_words(index))
    if scores.blocks is not None and (known := forged_blocks(scores, held_out)):
        authentic = [scores.blocks[position] for position in np.flatnonzero(pair & (label == 0))]
        calibration = fit_block_calibration(
            calibration, known, BLOCK_SOFTNESS, BLOCK_SMOOTHING, authentic
        )
    probability = [
        calibration.probability(logit, size)
        for logit, size in zip(scores.image, pixels, strict=True)
    ]
    return Judged(index.assign(probability=probability), calibration)


def authentic_groups(index: pd.DataFrame) -> list[np.ndarray]:
    """Return bool[n] for all authentic pictures of each source, and for each large kind of them."""
    authentic, source = index["label"] == 0, sources_of(index)
    every = [authentic & (source == one) for one in np.unique(source)]
    kinds = [group & (index["kind"] == kind) for group in every for kind in index["kind"].unique()]
    large = [group for group in kinds if group.sum() >= LEAST_OF_A_KIND]
    return [group.to_numpy() for group in (*every, *large)]


def _words(index: pd.DataFrame) -> str:
    photographs = index.drop_duplicates("group")
    counts = sources_of(index)[photographs.index].value_counts()
    web = [f"{count} {source}" for source, count in counts.items() if source != CAMERA]
    return (
        f"{counts.get(CAMERA, 0)} camera originals of makes and photographs of the web "
        f"({', '.join(web)}) that the network did not learn from, and forgeries of them: "
        f"temperature, bias and t_lo on {(index['kind'] == 'pair').sum()} pictures of pairs with "
        f"classes weighted equally, t_hi for at most {MAX_FALSE_ALARMS:.0%} false alarms on every "
        f"one of these kinds of photograph, as shipped, saved anew and edited, t_lo for a coverage "
        f"of {COVERAGE:.0%}"
    )


def check_held_out(photographs: pd.DataFrame, training: pd.DataFrame) -> None:
    """Raise `DataError` where a network learnt from one of the photographs.

    Args:
        photographs: with `sha256`.
        training: manifest of the network's training, as `training_manifest` gives it.
    """
    learnt = set(training.loc[training["split"] == "train", "sha256"])
    known = photographs["sha256"].isin(learnt)
    if known.any():
        raise DataError(
            f"{known.sum()} of {len(known)} photographs cannot calibrate this detector: its "
            "network learnt from them; give the held_out, photos and most of its training"
        )


def cross_fitted(judged: Sequence[Judged]) -> dict[str, dict[str, float]]:
    """Return false alarms on photographs as shipped, with thresholds from other makes.

    Every photograph is judged by the network that did not learn from its part, at the highest
    t_hi that any other part chose; its part did choose that network's epoch and temperature.
    """
    found = []
    for number, one in enumerate(judged):
        others = [other.calibration.t_hi for place, other in enumerate(judged) if place != number]
        shifted = replace(one, calibration=replace(one.calibration, t_hi=max(others)))
        shipped = shifted.index[shifted.index["kind"] == "shipped"]
        found.append(shipped.assign(alarm=shipped["probability"] >= shifted.calibration.t_hi))
    every = pd.concat(found, ignore_index=True)
    return {
        str(source): {"share": float(part.mean()), "alarms": int(part.sum()), "number": len(part)}
        for source, part in every["alarm"].groupby(sources_of(every))
    }


def training_manifest(photographs: pd.DataFrame, held_out: int) -> pd.DataFrame:
    """Return a row per photograph that training or calibration has seen, for `write_detector`."""
    return pd.DataFrame(
        {
            "sha256": photographs["sha256"],
            "phash": photographs["phash"],
            "source_ids": [[] for _ in range(len(photographs))],
            "group": photographs["sha256"].str[:16],
            "split": np.where(photographs["part"] == held_out, "validation", "train"),
            "source": photographs["source"],
            "terms": photographs["terms"],
            "author": photographs["author"],
        }
    )


def describe(judged: Judged) -> dict[str, Any]:
    """Return the figures on held-out photographs, as plain values."""
    return {"held_out_recall": judged.recall(), "held_out_false_alarms": judged.false_alarms()}
