"""How many pictures of each source the classifier of photographs declines."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from forgery_lab.evaluation import metrics
from forgery_lab.evaluation.results import Proportion


@dataclass(frozen=True)
class DeclinedFigures:
    """What a classifier that had not seen a source says of its pictures.

    Attributes:
        source: a repository, or a subject of what was drawn.
        is_photograph: whether its pictures are photographs.
        learnt_from: whether the final classifier learnt from the source.
        pictures, declined: as they are.
        renditions, renditions_declined: scaled and saved again.
    """

    source: str
    is_photograph: bool
    learnt_from: bool
    pictures: int
    declined: int
    renditions: int = 0
    renditions_declined: int = 0

    @property
    def share(self) -> Proportion:
        """The share of pictures that are declined, as they are, with its exact interval."""
        return metrics.proportion(self.declined, self.pictures)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as a JSON-able dict."""
        return asdict(self)


def by_source(
    table: pd.DataFrame, unseen: np.ndarray, threshold: float, held_out: Collection[str]
) -> list[DeclinedFigures]:
    """Return the figures of each source, photographs first.

    Args:
        table: of `picture_renditions.table`.
        unseen: float[n], `photograph_classifier.Fitted.unseen`.
        threshold: probability below which a picture is declined.
        held_out: sources that the final classifier did not learn from.
    """
    rows = table.assign(declined=unseen < threshold, as_it_is=table["rendition"] == 0)
    found = []
    for (source, is_photograph), part in rows.groupby(["source", "is_photograph"]):
        own, others = part[part["as_it_is"]], part[~part["as_it_is"]]
        found.append(
            DeclinedFigures(
                source=str(source),
                is_photograph=bool(is_photograph),
                learnt_from=bool(part["may_teach"].any()) and source not in held_out,
                pictures=len(own),
                declined=int(own["declined"].sum()),
                renditions=len(others),
                renditions_declined=int(others["declined"].sum()),
            )
        )
    return sorted(found, key=lambda one: (not one.is_photograph, one.source))


def together(figures: Sequence[DeclinedFigures], is_photograph: bool) -> Proportion:
    """Return the share of all photographs, or of all others, that are declined."""
    chosen = [one for one in figures if one.is_photograph == is_photograph]
    return metrics.proportion(
        sum(one.declined for one in chosen), sum(one.pictures for one in chosen)
    )
