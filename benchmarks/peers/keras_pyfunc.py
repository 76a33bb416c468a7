"""A pyfunc around a plain Keras network, as MLflow's documentation builds one.

`python keras_pyfunc.py FOLDER` writes the model, which `mlflow models serve` serves. As the usual
application it computes error levels through temporary files, and its network was not trained.
"""

import base64
import io
import sys
import tempfile
from pathlib import Path
from typing import Any

import keras
import mlflow
import numpy as np
import pandas as pd
from keras import layers
from mlflow.pyfunc import PythonModel, PythonModelContext
from mlflow.types.schema import ColSpec, Schema
from PIL import Image, ImageChops, ImageEnhance

SIZE = (128, 128)
QUALITY = 90


class ElaModel(PythonModel):
    """Scores images in base64."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the network."""
        self.network = keras.models.load_model(context.artifacts["network"])

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: Any = None
    ) -> list[float]:
        """Return the probability of each image."""
        images = [error_levels(base64.b64decode(text)) for text in model_input["image"]]
        return self.network.predict(np.stack(images), verbose=0)[:, 0].tolist()


def error_levels(data: bytes) -> np.ndarray:
    """Return float32[H, W, 3], the difference between an image and its JPEG save, stretched."""
    with tempfile.TemporaryDirectory() as folder:
        image = Image.open(io.BytesIO(data)).convert("RGB")
        saved = Path(folder) / "saved.jpg"
        image.save(saved, "JPEG", quality=QUALITY)
        difference = ImageChops.difference(image, Image.open(saved))
        brightest = int(np.asarray(difference).max()) or 1
        levels = ImageEnhance.Brightness(difference).enhance(255 / brightest).resize(SIZE)
    return np.asarray(levels, np.float32) / 255


def network() -> keras.Model:
    """Return the network of the public projects for this task."""
    return keras.Sequential(
        [
            keras.Input((*SIZE, 3)),
            layers.Conv2D(32, 5, activation="relu"),
            layers.Conv2D(32, 5, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def main() -> None:
    """Write the model."""
    folder = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "network.keras"
        network().save(path)
        mlflow.pyfunc.save_model(
            folder,
            python_model=ElaModel(),
            artifacts={"network": str(path)},
            signature=mlflow.models.ModelSignature(inputs=Schema([ColSpec("string", "image")])),
            pip_requirements=[],
        )


if __name__ == "__main__":
    main()
