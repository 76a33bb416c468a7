"""The usual web application of the field: Flask, error levels through temporary files, Keras.

As in the public projects for this task. Its network has the usual layers and was not trained:
its answers mean nothing, and take as long as those of a trained one.
`gunicorn benchmarks.peers.usual_app:app`
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from flask import Flask, request
from PIL import Image, ImageChops, ImageEnhance

from forgery_lab.training.networks import build

SIZE = (128, 128)
QUALITY = 90
FORM = """<form method="post" action="/predict" enctype="multipart/form-data">
<input type="file" name="file"><input type="submit"></form>"""

app = Flask(__name__)
model = build("classic", channels=3)


@app.get("/")
def index() -> str:
    """Show the form."""
    return FORM


@app.post("/predict")
def predict() -> dict[str, Any]:
    """Score an uploaded file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "upload.jpg"
        request.files["file"].save(path)
        levels = error_levels(path).resize(SIZE)
    features = np.asarray(levels, np.float32)[np.newaxis] / 255
    logit = model.predict(features, verbose=0)["image"].item()
    return {
        "verdict": "forged" if logit >= 0 else "authentic",
        "probability": 1 / (1 + np.exp(-logit)),
    }


def error_levels(path: Path) -> Image.Image:
    """Return the difference between an image and its JPEG save, stretched to full brightness."""
    image = Image.open(path).convert("RGB")
    saved = path.with_name("saved.jpg")
    image.save(saved, "JPEG", quality=QUALITY)
    difference = ImageChops.difference(image, Image.open(saved))
    brightest = int(np.asarray(difference).max()) or 1
    return ImageEnhance.Brightness(difference).enhance(255 / brightest)
