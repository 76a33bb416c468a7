"""From a trained Keras network to the files of a detector folder."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pandas as pd

from forgery_lab.errors import DataError
from forgery_lab.export import onnx_graph
from forgery_lab.export.detector_folder import MANIFEST_COLUMNS, OPTIONAL_COLUMNS, Description
from forgery_lab.files import replace_folder, staged, write_whole
from forgery_pyfunc.detector import (
    CLASSIFIER_FILE,
    DESCRIPTION_FILE,
    KERAS_FILE,
    MANIFEST_FILE,
    NETWORK_FILE,
    shipped_folder,
)

TOLERANCE = 1e-3
"""Largest difference of a logit between Keras and ONNX Runtime that an export may show."""


def to_onnx(model: keras.Model, path: Path) -> None:
    """Write a network as ONNX: input `features`, outputs named as the model's."""
    write_whole(path, onnx_graph.convert(model).SerializeToString())


def check_export(model: keras.Model, onnx_path: Path, samples: Sequence[np.ndarray]) -> float:
    """Return the largest difference of any logit between Keras and ONNX Runtime.

    Args:
        model: the network.
        onnx_path: what `to_onnx` wrote of it.
        samples: float[h, w, C] feature maps of real images, of any sizes.
    """
    session = onnxruntime.InferenceSession(str(onnx_path))
    names = [output.name for output in session.get_outputs()]
    differences = []
    for sample in samples:
        batch = np.asarray(sample, np.float32)[np.newaxis]
        expected = model(batch)
        answers = session.run(None, {"features": batch})
        for name, answer in zip(names, answers, strict=True):
            differences.append(np.abs(answer - np.asarray(expected[name])).max())
    return float(np.max(differences))  # NaN where there is one


def write_detector(
    folder: Path,
    model: keras.Model,
    samples: Sequence[np.ndarray],
    description: Description,
    training_manifest: pd.DataFrame,
) -> float:
    """Write a detector folder, replacing an old one whole; return what `check_export` measured.

    The shipped classifier of photographs comes along where there is one, so that every detector
    declines alike.

    Args:
        folder: to write; it never holds half of a detector.
        model: the trained network; its optimiser is not saved.
        samples: feature maps that ONNX and Keras must agree on.
        description: for `detector.json`, which adds size and export to the training's figures.
        training_manifest: a row per image that training or validation has seen, with
            `MANIFEST_COLUMNS` and perhaps `OPTIONAL_COLUMNS`.

    Raises:
        DataError: ONNX and Keras differ by more than `TOLERANCE`, a column is missing, or the
            folder holds something else.
    """
    missing = [column for column in MANIFEST_COLUMNS if column not in training_manifest]
    if missing:
        raise DataError(f"the training manifest has no column {', '.join(missing)}")
    check_folder(folder)
    with staged(folder) as scratch:
        new = scratch / "new"
        to_onnx(model, new / NETWORK_FILE)
        difference = check_export(model, new / NETWORK_FILE, samples)
        if not difference <= TOLERANCE:
            raise DataError(
                f"the ONNX network differs from Keras by {difference:.2g}, more than {TOLERANCE}"
            )
        _without_optimizer(model).save(new / KERAS_FILE)
        known = [name for name in OPTIONAL_COLUMNS if name in training_manifest]
        columns = [*MANIFEST_COLUMNS, *known]
        training_manifest[columns].to_parquet(new / MANIFEST_FILE, index=False)
        measured = {"onnx_max_difference": difference, "parameters": model.count_params()}
        complete = replace(description, training={**description.training, **measured})
        write_description(new, complete)
        classifier = shipped_folder() / CLASSIFIER_FILE
        if classifier.is_file():
            shutil.copyfile(classifier, new / CLASSIFIER_FILE)
        replace_folder(folder, new, scratch)
    return difference


def write_description(folder: Path, description: Description) -> None:
    """Write `detector.json` of a folder, replacing an old one whole."""
    content = json.dumps(description.to_dict(), indent=2) + "\n"
    write_whole(folder / DESCRIPTION_FILE, content)


def check_folder(folder: Path) -> None:
    """Raise `DataError` where `folder` holds anything but a detector, which would be lost."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; a detector needs one")
    if any(folder.iterdir()) and not (folder / DESCRIPTION_FILE).is_file():
        raise DataError(
            f"{folder} holds something other than a detector, and would be replaced: give an empty "
            "folder, a new one, or one of a detector"
        )


def _without_optimizer(model: keras.Model) -> keras.Model:
    """Return a copy of the network that was never compiled, so that only weights are saved."""
    copy = model.__class__.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy
