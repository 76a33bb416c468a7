"""A training that was killed goes on where it stopped, in the same run."""

import json
import os
import shutil
import signal
import subprocess
import time

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

pytestmark = pytest.mark.slow


def test_a_killed_training_continues_in_its_run(trained, tmp_path):
    for name in ("data", "runs"):
        shutil.copytree(trained.root / name, tmp_path / name, ignore=shutil.ignore_patterns("main"))
    options = ("--epochs", "8", "--patience", "8", "--workspace", str(tmp_path))
    process = subprocess.Popen(
        ["python", "-m", "steps", "train", *options],
        cwd=trained.root, env=trained.environment, start_new_session=True,
    )  # fmt: skip
    checkpoints = tmp_path / "models/checkpoints"
    deadline = time.monotonic() + 180
    while not list(checkpoints.glob("*.npz")):
        assert process.poll() is None, "the training ended before it wrote a checkpoint"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "models/detector").exists()

    said = trained.step("train", *options)

    run_id = json.loads((tmp_path / "runs/train.json").read_text())["run_id"]
    assert f"continuing run {run_id}, which was stopped" in said
    client = MlflowClient(trained.environment["MLFLOW_TRACKING_URI"])
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    epochs = [metric.step for metric in client.get_metric_history(run_id, "val_loss")]
    assert epochs == list(range(1, 9))
    history = pd.read_csv(tmp_path / "reports/training/history.csv")
    assert history["epoch"].tolist() == epochs
    assert (tmp_path / "models/detector/network.onnx").is_file()
    assert not list(checkpoints.glob("*.npz"))
