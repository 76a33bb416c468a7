"""Saves the stand-in as an MLflow model: `python serve_stand_in.py FOLDER`."""

import sys
from pathlib import Path

import mlflow
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(DataType.binary, "image")]),
    params=ParamSchema(
        [
            ParamSpec("threshold", DataType.double, -1.0),
            ParamSpec("heatmap", DataType.boolean, False),
            ParamSpec("strict", DataType.boolean, True),
        ]
    ),
)

mlflow.pyfunc.save_model(
    sys.argv[1],
    python_model=str(Path(__file__).with_name("stand_in.py")),
    signature=SIGNATURE,
    pip_requirements=["mlflow"],
)
