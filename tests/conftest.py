"""What several rooms' tests share: a detector that takes a second to make, and pictures."""

import hashlib
import io
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper
from PIL import Image

from forgery_lab.data import ingestion, manifest
from forgery_pyfunc.calibration import Calibration
from forgery_pyfunc.features import channels
from tests.deploy.engine import make_champion
from tests.shared_folder import shared_folder
from tests.stores import copy_store, make_store
from tests.webui.servers import ROOT


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


def write_detector(
    folder: Path, families=("residual",), weight=1.0, calibration=None, name="means"
) -> Path:
    """Write a detector whose logits are weighted means of the features; no training is needed.

    The weight is one for all channels, or a dict from channels to theirs; it may be negative.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = channels(families)
    count = len(names)
    weights = [weight]
    if isinstance(weight, dict):
        weights = [count * weight.get(channel, 0.0) for channel in names]
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
        [*axes, helper.make_tensor("weight", TensorProto.FLOAT, [len(weights)], weights)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    onnx.save(model, folder / "network.onnx")
    description = {
        "format": 1,
        "name": name,
        "network": "blocks",
        "features": list(families),
        "calibration": (calibration or Calibration(t_lo=0.3, t_hi=0.7)).to_dict(),
        "training": {"data_digest": "none"},
    }
    (folder / "detector.json").write_text(json.dumps(description), "utf-8")
    return folder


def pytest_xdist_auto_num_workers():
    """One worker more than there are processors: a test often waits for servers and processes."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items):
    """Put the files with most slow tests first, so that no worker starts one at the very end.

    All but one of those that need the trained clone come after the others: they would wait for it.
    """
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    waiting = {item.path for item in items if "trained_clone" in item.fixturenames}
    waiting.discard(max(waiting, key=lambda path: (slow[path], path), default=None))
    items.sort(key=lambda item: (not slow[item.path], item.path in waiting, -slow[item.path]))


@pytest.fixture(autouse=True)
def no_experiment_of_others():
    """`mlflow.set_experiment` names the experiment to all later processes, of other tests too."""
    os.environ.pop("MLFLOW_EXPERIMENT_ID", None)


@pytest.fixture(scope="session")
def detector_folder(tmp_path_factory):
    """A detector of feature means, the same for all tests; do not write into it."""
    return write_detector(tmp_path_factory.mktemp("detector") / "means")


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory):
    """The folder of the stand-in as an MLflow model."""

    def save(folder):
        command = [sys.executable, "-m", "tests.stand_ins.detector", folder / "model"]
        subprocess.run(command, check=True, cwd=ROOT)

    return shared_folder(tmp_path_factory, "stand_in", save) / "model"


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """The folder of a tracking store that nothing was written to; copy it with `copy_store`."""
    return shared_folder(tmp_path_factory, "empty_store", make_store)


@pytest.fixture(scope="session")
def champion_store(tmp_path_factory, detector_folder, empty_store):
    """The URI of a tracking store whose registry has one version of that detector, the champion."""
    folder = tmp_path_factory.mktemp("store")
    uri = copy_store(empty_store, folder)
    make_champion(detector_folder, uri, folder)
    return uri


def write_pictures(folder: Path, count: int, first: int = 1, seed: int = 0) -> Path:
    """Write a CASIA-style folder: smooth pictures, and copies of them with a patch of noise."""
    rng = np.random.default_rng(seed)
    for name in ("Au", "Tp"):
        (folder / name).mkdir(parents=True)
    for number in range(first, first + count):
        coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        host = np.asarray(Image.fromarray(coarse).resize((128, 96), Image.Resampling.BICUBIC))
        forged = host.astype(float)
        forged[16:80, 16:112] += rng.normal(0, 25, (64, 96, 3))
        forged = forged.clip(0, 255).astype(np.uint8)
        source = f"ani{number:05d}"
        (folder / f"Au/Au_ani_{number:05d}.jpg").write_bytes(encoded(host, quality=92))
        copy = f"Tp_S_NNN_S_N_{source}_{source}_{number:05d}.jpg"
        (folder / "Tp" / copy).write_bytes(encoded(forged, quality=92))
    return folder


@dataclass(frozen=True)
class Frozen:
    """A frozen test set for tests: its source, a CASIA-style folder, and its digest."""

    source: Path
    digest: str


@pytest.fixture(scope="session")
def small_frozen(tmp_path_factory):
    """Fourteen photographs and a forgery of each."""
    source = write_pictures(tmp_path_factory.mktemp("frozen") / "source", 14, first=70_001)
    return Frozen(source, manifest.digest(ingestion.ingest(source)[0]))


def training_manifest(*names: str) -> pd.DataFrame:
    """Return the training manifest of a model that learnt from images of these sources."""
    rows = [
        {"sha256": hashlib.sha256(name.encode()).hexdigest(), "source_ids": [name],
         "group": name, "split": "train"}
        for name in names
    ]  # fmt: skip
    return pd.DataFrame(rows)
