"""A detector folder as an MLflow pyfunc: logged from code, with `forgery_pyfunc` inside."""

import io
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
from PIL import Image

import forgery_pyfunc
from forgery_pyfunc.contract import HEALTH_CHECK, RECORD_FIELDS
from forgery_pyfunc.detector import read_description
from forgery_pyfunc.request_parameters import PARAMETER_TYPES, Parameters

PACKAGE = Path(forgery_pyfunc.__file__).parent

REQUIREMENTS = (
    *("mlflow-skinny", "numpy", "onnxruntime", "pandas", "pillow", "pillow-heif", "threadpoolctl"),
    *("arro3-core", "arro3-io", "obstore"),  # the prediction log
    *("httptools", "uvloop"),  # uvicorn takes both; without, kept connections wait: docs/upstream
)
"""What a served model needs; TensorFlow is not among it. MLflow's small package is a part of its
large one: so the same list holds where the model is made and in the container."""


def signature() -> ModelSignature:
    """Return the contract of `/invocations` as an MLflow signature."""
    return ModelSignature(
        inputs=Schema([ColSpec("binary", "image")]),
        outputs=Schema(
            [ColSpec(kind, name, required=False) for name, kind in RECORD_FIELDS.items()]
        ),
        params=ParamSchema(
            [
                ParamSpec(name, kind, getattr(Parameters(), name))
                for name, kind in PARAMETER_TYPES.items()
            ]
        ),
    )


def input_example() -> pd.DataFrame:
    """Return a request with one small picture made here, which no detector takes for a drawing.

    Clouds of several scales and a little noise. It is not in the prediction log: MLflow has it
    scored whenever a model is logged.
    """
    rng = np.random.default_rng(0)
    height, width = 96, 128
    levels = 128 + rng.normal(0, 3, (height, width, 3))
    for cell in (6, 12, 24, 48):
        coarse = rng.normal(0, 8 * cell**0.5, (height // cell + 2, width // cell + 2))
        clouds = Image.fromarray(coarse.astype(np.float32)).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        levels += np.asarray(clouds)[..., np.newaxis]
    buffer = io.BytesIO()
    Image.fromarray(levels.clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return pd.DataFrame({"image": [buffer.getvalue() + HEALTH_CHECK]})


def save_model(detector: Path, path: Path, metadata: dict[str, Any] | None = None) -> None:
    """Write the detector as an MLflow model into a new folder.

    Raises:
        ModelError: `detector` is not a detector folder.
    """
    mlflow.pyfunc.save_model(path=path, **_parts(detector, metadata))


def log_model(
    detector: Path, metadata: dict[str, Any] | None = None, params: dict[str, str] | None = None
) -> ModelInfo:
    """Log the detector to the active run, with its parameters; return what MLflow knows of it.

    The model is called as the detector is, but for characters that MLflow refuses.

    Raises:
        ModelError: `detector` is not a detector folder.
    """
    name = re.sub(r"[^\w -]", "-", read_description(detector)["name"]) or "detector"
    return mlflow.pyfunc.log_model(name=name, params=params, **_parts(detector, metadata))


def _parts(detector: Path, metadata: dict[str, Any] | None) -> dict[str, Any]:
    description = read_description(detector)
    return {
        "python_model": str(PACKAGE / "model.py"),
        "code_paths": [str(PACKAGE)],
        "artifacts": {"detector": str(detector)},
        "signature": signature(),
        "input_example": input_example(),
        "pip_requirements": [f"{name}=={version(name)}" for name in REQUIREMENTS],
        "metadata": {"detector": description["name"], **(metadata or {})},
    }
