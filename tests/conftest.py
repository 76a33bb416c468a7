"""What several rooms' tests share: a detector that takes a second to make, and pictures."""

import io
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from forgery_pyfunc.calibration import Calibration
from forgery_pyfunc.features import channels
from tests.deploy.engine import make_champion


def picture(width=192, height=128, seed=0):
    """Return uint8[height, width, 3]: smooth colours, an edge and a little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    levels = np.stack([x * 0.9, y * 1.2, (x + y) * 0.6], axis=2) % 200
    levels[height // 4 : height // 2, width // 4 : width // 2] += 40
    return (levels + rng.normal(0, 3, levels.shape)).clip(0, 255).astype(np.uint8)


def encoded(pixels, file_format="JPEG", **options):
    """Return the bytes of a file with these pixels."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, file_format, **options)
    return buffer.getvalue()


def write_detector(folder: Path, families=("residual",), weight=1.0, calibration=None) -> Path:
    """Write a detector whose logits are weighted means of the features; no training is needed."""
    folder.mkdir(parents=True, exist_ok=True)
    count = len(channels(families))
    axes = [
        helper.make_tensor(name, TensorProto.INT64, [len(v)], v)
        for name, v in (("over_image", [1, 2, 3]), ("over_channels", [3]), ("flat", [1]))
    ]
    nodes = [
        helper.make_node("Mul", ["features", "weight"], ["weighted"]),
        helper.make_node("ReduceMean", ["weighted", "over_image"], ["mean"], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "flat"], ["image"]),
        helper.make_node("ReduceMean", ["weighted", "over_channels"], ["blocks"], keepdims=1),
    ]
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", "h", "w", count])],
        [
            helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1]),
            helper.make_tensor_value_info("blocks", TensorProto.FLOAT, ["n", "h", "w", 1]),
        ],
        [*axes, helper.make_tensor("weight", TensorProto.FLOAT, [1], [weight])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    onnx.save(model, folder / "network.onnx")
    description = {
        "format": 1,
        "name": "means",
        "network": "blocks",
        "features": list(families),
        "calibration": (calibration or Calibration(t_lo=0.3, t_hi=0.7)).to_dict(),
        "training": {"data_digest": "none"},
    }
    (folder / "detector.json").write_text(json.dumps(description), "utf-8")
    return folder


@pytest.fixture(scope="session")
def detector_folder(tmp_path_factory):
    """A detector of feature means, the same for all tests; do not write into it."""
    return write_detector(tmp_path_factory.mktemp("detector") / "means")


@pytest.fixture(scope="session")
def champion_store(tmp_path_factory, detector_folder):
    """The URI of a tracking store whose registry has one version of that detector, the champion."""
    folder = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{folder}/mlflow.db"
    make_champion(detector_folder, uri, folder)
    return uri
