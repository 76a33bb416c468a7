"""One small data set, split and judged once, for the tests of evaluation."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from forgery_lab.data import splits
from forgery_lab.evaluation import protocols, summary
from forgery_lab.evaluation.protocols import Options
from forgery_pyfunc.imaging.jpeg_encoder import encode
from tests.lab.evaluation import model_stand_in

OPTIONS = Options(seed=1, draws=2, resamples=100, workers=1)


@pytest.fixture(scope="session")
def data_set(tmp_path_factory):
    """Forty dark photographs; a forged copy of each has a bright square in its left half."""
    root = tmp_path_factory.mktemp("protocols")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(40):
        smooth = Image.fromarray(rng.integers(0, 120, (6, 9, 3), dtype=np.uint8))
        host = np.asarray(smooth.resize((144, 96), Image.Resampling.BICUBIC))
        mask = np.zeros((96, 144), np.uint8)
        mask[16:64, 8:56] = 255
        forged = np.where(mask[..., None] > 0, 250, host).astype(np.uint8)
        Image.fromarray(mask).save(root / f"mask{number}.png")
        for label, pixels in enumerate((host, forged)):
            data = encode(pixels, quality=92 if label else 75)
            path = f"{label}_{number}.jpg"
            (root / path).write_bytes(data)
            rows.append(
                {
                    "path": path,
                    "label": label,
                    "kind": ("authentic", "copy-move", "splice")[label + label * (number % 2)],
                    "category": "txt" if number % 3 == 0 else "ani",
                    "source_ids": [f"ani{number:05d}"],
                    "group": f"g{number}",
                    "sha256": hashlib.sha256(data).hexdigest(),
                    "phash": hashlib.sha256(data).hexdigest()[:16],
                    "format": "JPEG",
                    "width": 144,
                    "height": 96,
                    "mask_path": f"mask{number}.png" if label else None,
                }
            )
    frame = splits.assign(pd.DataFrame(rows), "source", (0.5, 0.2, 0.3), seed=2).frame
    return frame, root


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return model_stand_in.save(tmp_path_factory.mktemp("model"), sharpness=20.0)


@pytest.fixture(scope="session")
def judged(data_set, model):
    frame, root = data_set
    return protocols.judge(model, frame, root, learnt_from(frame), OPTIONS)


@pytest.fixture(scope="session")
def evaluated(judged):
    return summary.summarise(judged, OPTIONS)


def learnt_from(frame):
    return frame.loc[
        frame["split"].isin(["train", "validation"]), ["sha256", "source_ids", "group", "split"]
    ]
