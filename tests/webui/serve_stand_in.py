"""Saves the stand-in as an MLflow model: `python serve_stand_in.py FOLDER`."""

import sys
from pathlib import Path

import mlflow

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # run as a script, from anywhere

from forgery_lab.export.pyfunc import signature  # noqa: E402

mlflow.pyfunc.save_model(
    sys.argv[1],
    python_model=str(Path(__file__).with_name("stand_in.py")),
    signature=signature(),
    pip_requirements=["mlflow"],
)
