"""Which test images may judge a model: those that share nothing with what it learnt from.

Only images that share neither SHA-256 nor source with the model's training manifest count; what
that leaves out is reported.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from forgery_lab.evaluation import conditions
from forgery_lab.evaluation.conditions import DISPLACED, Condition
from forgery_lab.evaluation.results import LeftOut

LEAST_PER_CLASS = 3
"""Images of each class below which no figure is given."""

_RANDOM_SPLIT_LEAK = 0.05
"""Share of a model's validation images with a source among its training images: above, its split
was random."""


@dataclass(frozen=True)
class Eligibility:
    """Which rows may judge a model under which protocols.

    `rows` maps A and B (which stands for B, C, C′, D, control and F) to manifest rows.
    """

    rows: dict[Condition, pd.DataFrame]
    left_out: list[LeftOut]
    notes: list[str]


def eligible(frame: pd.DataFrame, training: pd.DataFrame | None) -> Eligibility:
    """Return which test rows of `frame` may judge a model, and what is left out and why.

    Args:
        frame: manifest with `split`; rows of "test" are candidates.
        training: the model's training manifest (sha256, source_ids, group, split), or None.
    """
    test = frame[frame["split"] == "test"]
    if training is None:
        reason = "the model has no training manifest, so no image can be shown to be new to it"
        return Eligibility({}, _left_out(("A", "B", "C", DISPLACED, "D", "F"), reason), [])
    new = test[~test["sha256"].isin(set(training["sha256"]))]
    clean = new[~share_sources(new, training)]
    disjoint = ("B", "C", DISPLACED, "D", "F")
    notes = []
    if len(test) > len(new):
        notes.append(f"{len(test) - len(new)} test images were left out: the model trained on them")
    validation = training["split"] == "validation"
    shared = share_sources(training[validation], training[training["split"] == "train"])
    leak = float(shared.mean()) if len(shared) else 0.0
    if leak > _RANDOM_SPLIT_LEAK:
        reason = (
            f"the model was trained on a random split: {leak:.1%} of its validation images share "
            "a source photograph with its training images"
        )
        left_out = _left_out(disjoint, reason)
        if has_classes(new):
            return Eligibility({conditions.A: new}, left_out, notes)
        too_few = _left_out(("A",), _too_few(new, "SHA-256"))
        return Eligibility({}, too_few + left_out, notes)
    left_out = _left_out(
        ("A",),
        "the model was trained on a source-disjoint split; protocol A comes from a training run "
        "of its own (preprocess and train with split=random)",
    )
    if len(new) > len(clean):
        notes.append(f"{len(new) - len(clean)} test images were left out: shared sources")
    if not has_classes(clean):
        left_out += _left_out(disjoint, _too_few(clean, "SHA-256 and source"))
        return Eligibility({}, left_out, notes)
    return Eligibility({conditions.B: clean}, left_out, notes)


def _left_out(protocols: tuple[str, ...], reason: str) -> list[LeftOut]:
    return [LeftOut(protocol=protocol, reason=reason) for protocol in protocols]


def _too_few(rows: pd.DataFrame, by: str) -> str:
    count = f"{int((rows['label'] == 0).sum())} and {int((rows['label'] == 1).sum())}"
    return (
        f"only {count} (authentic and forged) test images are new to the model by {by}; "
        f"{LEAST_PER_CLASS} of each are needed"
    )


def has_classes(rows: pd.DataFrame) -> bool:
    """Return whether there are enough images of both classes for a figure."""
    return all((rows["label"] == label).sum() >= LEAST_PER_CLASS for label in (0, 1))


def sources(rows: pd.DataFrame) -> list[list[str]]:
    """Return the sources of each row; a row without ids stands for its near-duplicate group."""
    return [
        list(ids) if len(ids) else [f"group:{group}"]
        for ids, group in zip(rows["source_ids"], rows["group"], strict=True)
    ]


def host(rows: pd.DataFrame) -> np.ndarray:
    """Return str[n]: the photograph that each image mostly shows, which the bootstrap draws."""
    return np.array([names[0] for names in sources(rows)], dtype=str)


def share_sources(rows: pd.DataFrame, others: pd.DataFrame) -> np.ndarray:
    """Return bool[n]: whether each row has a source that is a source of the others too."""
    taken = {name for names in sources(others) for name in names}
    return np.array([not taken.isdisjoint(names) for names in sources(rows)], bool)
