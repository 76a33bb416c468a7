"""The panel's pictures scored by detector folders, with this tree's features, in all cores."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.panel.pictures import Picture
from forgery_lab.evaluation.metrics import localisation
from forgery_lab.evaluation.trials import read_heatmap
from forgery_lab.processes import in_parallel
from forgery_lab.progress import Progress
from forgery_pyfunc.detector import Detector
from forgery_pyfunc.errors import ImageError

MAP_COLUMNS = ("block_auc", "f1", "best_f1")


@dataclass(frozen=True)
class Judging:
    """Scores one picture by every detector; picklable.

    Attributes:
        detectors: folders, as `train` writes them.
    """

    detectors: tuple[Path, ...]

    def __call__(self, picture: Picture) -> list[dict[str, Any]]:
        """Return a row per detector, which is named by its number: what it says of the picture."""
        example = picture.make()
        rows = []
        for number, folder in enumerate(self.detectors):
            row = {
                "detector": number,
                "group": picture.group,
                "name": picture.name,
                "source": picture.source,
                "label": picture.label,
                "kind": picture.kind,
                "texture": picture.texture,
            }
            rows.append(row | said(_loaded(folder), example.data, example.mask, picture.label))
        return rows


@functools.lru_cache
def _loaded(folder: Path) -> Detector:
    return Detector.load(folder)


def said(
    detector: Detector, data: bytes, mask: np.ndarray | None, label: int
) -> dict[str, float | str | None]:
    """Return probability, verdict and, of a forgery whose mask is known, how well the map fits."""
    try:
        record = detector.score(data, None, mask is not None and label == 1)
    except ImageError as error:
        return {"probability": np.nan, "verdict": error.code}
    probability = np.nan if record.probability is None else record.probability
    row: dict[str, float | str | None] = {"probability": probability, "verdict": record.verdict}
    if record.heatmap and mask is not None and mask.any():
        heatmap = read_heatmap(record.heatmap)
        if heatmap.shape == mask.shape:
            found = localisation(heatmap, mask.astype(bool))
            row |= {name: found[name] for name in MAP_COLUMNS}
    return row


def score(
    pictures: Sequence[Picture], detectors: Sequence[Path], progress: Progress | None = None
) -> pd.DataFrame:
    """Return a row per picture and detector, in the order of the pictures."""
    judging = Judging(tuple(detectors))
    found = in_parallel(judging, pictures, chunk=8, fewest=16, progress=progress)
    frame = pd.DataFrame([row for rows in found for row in rows])
    return frame.reindex(columns=[*frame.columns.difference(MAP_COLUMNS, sort=False), *MAP_COLUMNS])
