"""A trained model on disk: its description, its network, and what it learnt from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from forgery_pyfunc.calibration import Calibration
from forgery_pyfunc.detector import (
    CLASSIFIER_FILE,
    DESCRIPTION_FILE,
    FORMAT,
    MANIFEST_FILE,
    NETWORK_FILE,
    read_description,
)
from forgery_pyfunc.errors import ModelError

MANIFEST_COLUMNS = ("sha256", "source_ids", "group", "split")
"""Columns of a training manifest: a row per image that training or validation has seen."""
OPTIONAL_COLUMNS = ("phash", "source", "terms", "author")
"""Written where they are known: by the perceptual hash the gate finds images that look alike; the
others say on which terms the images were used."""

MEGABYTE = 2**20


@dataclass(frozen=True)
class TrainingData:
    """Name, number of images and terms of the data that a detector learnt from, as far as known."""

    name: str = "unknown"
    images: int | None = None
    licence: str | None = None

    def to_dict(self) -> dict[str, str | int]:
        """Return what is known, for `detector.json`."""
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Description:
    """What `detector.json` says.

    Attributes:
        name: of the detector.
        network: its architecture.
        features: families, in the order of the network's channels.
        calibration: from logits to probabilities and verdicts.
        training: settings and figures of the training, by name.
        data: what it learnt from.
        provenance: commit, digest of the data and run, as far as known.
        photographs: what the classifier of photographs declines, by source
            (`evaluation.photographs.DeclinedFigures`); a file of its own says so.
    """

    name: str
    network: str
    features: tuple[str, ...]
    calibration: Calibration
    training: Mapping[str, Any] = field(default_factory=dict)
    data: TrainingData = TrainingData()
    provenance: Mapping[str, str] = field(default_factory=dict)
    photographs: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Description:
        """Return the description in a bare detector folder.

        Raises:
            ModelError: there is none, or it is not as it must be.
        """
        values = read_description(folder)
        return cls(
            name=values["name"],
            network=values["network"],
            features=tuple(values["features"]),
            calibration=Calibration.from_dict(values["calibration"]),
            training=values.get("training", {}),
            data=TrainingData(**values.get("data", {})),
            provenance=values.get("provenance", {}),
            photographs=_classifier_figures(folder / CLASSIFIER_FILE),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the content of `detector.json`; data that nothing is known of are left out."""
        known = {} if self.data == TrainingData() else {"data": self.data.to_dict()}
        return {
            "format": FORMAT,
            "name": self.name,
            "network": self.network,
            "features": list(self.features),
            "calibration": self.calibration.to_dict(),
            "training": dict(self.training),
            **known,
            "provenance": dict(self.provenance),
        }


def _classifier_figures(path: Path) -> tuple[Mapping[str, Any], ...]:
    """Return the figures that a classifier's file brings; none where there is no such file."""
    if not path.is_file():
        return ()
    try:
        return tuple(json.loads(path.read_text("utf-8")).get("figures", ()))
    except ValueError as error:
        raise ModelError(f"{path} is not valid JSON: {error}") from error


@dataclass(frozen=True)
class DetectorFolder:
    """A detector as `train` writes it, or an MLflow model that holds one, or a model of others.

    Attributes:
        path: the folder.
        name: what messages call the model.
    """

    path: Path
    name: str

    @cached_property
    def description(self) -> Description | None:
        """What the detector says of itself; None for a model that was not made by this project.

        Raises:
            ModelError: it is not as it must be.
        """
        path = self._file(DESCRIPTION_FILE)
        return Description.read(path.parent) if path else None

    @property
    def network(self) -> Path | None:
        """The file of the exported network; None where there is none."""
        return self._file(NETWORK_FILE)

    @cached_property
    def training(self) -> pd.DataFrame | None:
        """The manifest of the images that it learnt from; None where it brings none.

        Raises:
            ModelError: it cannot be read, or lacks something of `MANIFEST_COLUMNS`.
        """
        path = self._file(MANIFEST_FILE)
        if path is None:
            return None
        try:
            rows = pd.read_parquet(path)
            sound = set(MANIFEST_COLUMNS) <= set(rows) and bool(rows["sha256"].notna().all())
            sound = sound and len(rows["source_ids"].map(len)) == len(rows)
            if sound and "phash" in rows:
                sound = bool(rows["phash"].str.fullmatch("[0-9a-f]{16}").eq(True).all())
        except (OSError, KeyError, TypeError, AttributeError, ValueError, pa.ArrowException):
            sound = False
        if not sound:
            raise ModelError(f"the training manifest of {self.name} cannot be read")
        return rows

    @property
    def megabytes(self) -> float:
        """The size of the folder."""
        files = (path for path in self.path.rglob("*") if path.is_file())
        return sum(path.stat().st_size for path in files) / MEGABYTE

    def _file(self, name: str) -> Path | None:
        """Return where a file of the detector is, in a bare folder or inside an MLflow model."""
        places = [self.path / name, *sorted(self.path.glob(f"artifacts/*/{name}"))]
        return next((path for path in places if path.is_file()), None)
