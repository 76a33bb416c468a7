"""A model that honours the contract of /invocations without a network, and a data set to judge.

The model's code says which version it is and lives in a package of the name `forgery_pyfunc`, as
the real one's does: whoever scores it with the checkout's own package gets no answer.
"""

import textwrap
from pathlib import Path

import mlflow
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

CODE = '''
"""Probability: how much the middle of the picture differs from its surroundings."""

import base64, io
import numpy as np
import pandas as pd
import mlflow
from PIL import Image
from mlflow.pyfunc.model import PythonModel


class StandIn(PythonModel):
    def load_context(self, context):
        from forgery_pyfunc.answer import SHARPNESS, VERSION

        self.version, self.sharpness = VERSION, SHARPNESS

    def predict(self, context, model_input, params=None):
        params = params or {}
        images = [image for image in model_input["image"] if image != b"left out"]
        return pd.DataFrame([self.record(i, params) for i in images]).astype(object)

    def record(self, data, params):
        empty = dict.fromkeys(["verdict", "probability", "heatmap", "width", "height", "format",
                               "model_version", "error"])
        if data == b"die":
            import os
            os._exit(3)
        if data == b"sleep":
            import time
            time.sleep(600)
        try:
            image = Image.open(io.BytesIO(data))
            luma = np.asarray(image.convert("L")).astype(float)
        except OSError:
            return {**empty, "error": "not_an_image: this is no image"}
        bright = luma > 200
        probability = float(1 / (1 + np.exp(-self.sharpness * (bright.mean() - 0.08))))
        cut = params.get("threshold")
        low, high = (0.4, 0.6) if cut is None else (cut, cut)
        verdict = ("forged" if probability >= high else
                   "authentic" if probability < low else "inconclusive")
        heatmap = None
        if params.get("heatmap"):
            buffer = io.BytesIO()
            Image.fromarray((luma * 0.8).astype(np.uint8)).save(buffer, "PNG")
            heatmap = base64.b64encode(buffer.getvalue()).decode()
        return {**empty, "verdict": verdict, "probability": probability, "heatmap": heatmap,
                "width": image.width, "height": image.height, "format": image.format,
                "model_version": self.version}


mlflow.models.set_model(StandIn())
'''


def save(folder: Path, version: str = "stand-in/1", sharpness: float = 5.0) -> Path:
    """Write an MLflow model and return its folder."""
    code = folder / "code" / "forgery_pyfunc"
    code.mkdir(parents=True)
    (code / "__init__.py").write_text("")
    (code / "answer.py").write_text(f"VERSION = {version!r}\nSHARPNESS = {sharpness}\n")
    (folder / "model.py").write_text(textwrap.dedent(CODE))
    model = folder / "model"
    mlflow.pyfunc.save_model(
        path=model,
        python_model=str(folder / "model.py"),
        code_paths=[str(code)],
        signature=ModelSignature(
            inputs=Schema([ColSpec("binary", "image")]),
            params=ParamSchema(
                [ParamSpec("heatmap", "boolean", False), ParamSpec("threshold", "double", None)]
            ),
        ),
        pip_requirements=["mlflow"],
    )
    return model
