"""A tiny MLflow model that honours the contract of `/invocations`; logged from code.

Its "probability" is the mean brightness, so tests can tell images apart. It holds no detector.
"""

import base64
import binascii
import contextlib
import io

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel
from PIL import Image

FIELDS = [
    "verdict",
    "probability",
    "heatmap",
    "width",
    "height",
    "format",
    "model_version",
    "error",
    "reason",
    "t_lo",
    "t_hi",
]


class StandIn(PythonModel):
    def predict(self, context, model_input, params=None):
        params = params or {}
        records = [self.score(image, params) for image in model_input["image"]]
        if params.get("strict", True) and all(record["error"] for record in records):
            raise MlflowException(
                f"no image could be read; the first: {records[0]['error']}",
                error_code=INVALID_PARAMETER_VALUE,
            )
        answer = pd.DataFrame.from_records(records, columns=FIELDS)
        return answer.astype(object).where(answer.notna(), None)

    def score(self, data, params):
        record = dict.fromkeys(FIELDS)
        record["model_version"] = "stand-in/1"
        try:
            image = Image.open(io.BytesIO(to_bytes(data)))
            grey = np.asarray(image.convert("L"))
        except OSError as error:
            return record | {"error": f"broken_image: {type(error).__name__}"}
        probability = float(grey.mean() / 255)
        threshold = params.get("threshold")
        t_lo, t_hi = (0.3, 0.7) if threshold is None else (threshold, threshold)
        return record | {
            "verdict": verdict(probability, t_lo, t_hi),
            "probability": probability,
            "heatmap": png(contrast(grey)) if params.get("heatmap") else None,
            "width": image.width,
            "height": image.height,
            "format": image.format,
            "t_lo": t_lo,
            "t_hi": t_hi,
        }


def to_bytes(cell):
    """The layouts `inputs` and `instances` arrive as base64 text, or as the bytes of that text."""
    data = cell.encode() if isinstance(cell, str) else bytes(cell)
    with contextlib.suppress(binascii.Error):
        return base64.b64decode(data, validate=True)
    return data


def verdict(probability, t_lo, t_hi):
    if probability >= t_hi:
        return "forged"
    return "authentic" if probability < t_lo else "inconclusive"


def contrast(grey):
    """What departs from the mean brightness stands for evidence."""
    return np.clip(2 * np.abs(grey - grey.mean()), 0, 255).astype(np.uint8)


def png(grey):
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


mlflow.models.set_model(StandIn())
