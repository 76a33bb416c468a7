"""The golden image and the answer that the model must give to it, wherever it runs.

`python -m deploy.golden MODEL FOLDER` has the model score a picture made here and writes both
into a folder. The image build does so; `rollout` compares every new container with it.
Nothing here imports `forgery_pyfunc`: the model must run the copy that was logged with it.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

IMAGE_FILE = "golden.png"
ANSWER_FILE = "golden.json"
TOLERANCE = 0.01
"""How far the probability may differ: another CPU rounds differently, another model more so."""
FIELDS = ("verdict", "probability", "width", "height", "format")


def picture() -> np.ndarray:
    """Return uint8[256, 384, 3]: soft noise with a smoother, brighter patch, always the same."""
    noise = np.random.default_rng(20).normal(0, 12, (256, 384, 3))
    y, x = np.mgrid[:256, :384]
    levels = 70 + 0.25 * x[..., None] + 0.2 * y[..., None] + noise
    levels[70:170, 120:260] = 150 + 0.3 * noise[70:170, 120:260]
    return levels.clip(0, 255).astype(np.uint8)


def record(model: Path, image: bytes) -> dict[str, Any]:
    """Return the model's answer to the image, the fields that must not change."""
    import mlflow.pyfunc
    import pandas as pd

    answer = mlflow.pyfunc.load_model(str(model)).predict(pd.DataFrame({"image": [image]}))
    return {name: answer[name].tolist()[0] for name in FIELDS}


def main() -> None:
    """Write the golden image and its answer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="folder of an MLflow model")
    parser.add_argument("folder", type=Path, help="where the two files go")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    image = arguments.folder / IMAGE_FILE
    Image.fromarray(picture()).save(image)
    answer = record(arguments.model, image.read_bytes())
    text = json.dumps({"answer": answer, "tolerance": TOLERANCE}, indent=2)
    (arguments.folder / ANSWER_FILE).write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
