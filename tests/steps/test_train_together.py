"""A training by several processes is the training of one, and outlives the death of any of them."""

import shutil
import subprocess
import time

import numpy as np
import pandas as pd
import psutil
import pytest
from mlflow.tracking import MlflowClient

REPLICA = "steps.pipeline.replica"
EPOCHS = "6"


@pytest.fixture
def workspace(trained, tmp_path):
    """A workspace in which everything before the training is done, and the options that name it."""
    for name in ("data", "runs"):
        shutil.copytree(trained.root / name, tmp_path / name, ignore=shutil.ignore_patterns("main"))
    return tmp_path


def options(workspace, **more):
    given = {"epochs": EPOCHS, "patience": EPOCHS, "workspace": str(workspace), **more}
    return [text for name, value in given.items() for text in (f"--{name}", value)]


def history(workspace):
    return pd.read_csv(workspace / "reports/training/history.csv").drop(columns="seconds")


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_even_if_one_is_killed(trained, workspace):
    trained.step("train", *options(workspace), KERAS_BACKEND="jax")
    alone = history(workspace)
    training = subprocess.Popen(
        ["python", "-m", "steps", "train", *options(workspace, workers="2")],
        cwd=trained.root, env=trained.environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    replicas = wait_for(lambda: len(found := replicas_below(training)) == 2 and found, training)
    wait_for(lambda: epochs_done(workspace) > 0, training)
    replicas[1].kill()
    said, _ = training.communicate(timeout=120)
    assert training.returncode == 1
    assert "was killed by signal 9" in said
    assert "the same command continues after the last whole epoch" in said
    assert not any(one.is_running() for one in replicas)

    said = trained.step("train", *options(workspace, workers="2"))
    assert "continuing run" in said
    together = history(workspace)
    assert together["epoch"].tolist() == alone["epoch"].tolist()
    for name in ("loss", "val_loss", "val_auc", "val_block_auc"):
        np.testing.assert_allclose(together[name], alone[name], rtol=2e-3, err_msg=name)
    assert (workspace / "models/detector/network.onnx").is_file()
    assert [one.info.status for one in runs(trained)[:2]] == ["FINISHED", "FINISHED"]
    assert logged(trained) == list(range(1, int(EPOCHS) + 1))


def wait_for(what, training, seconds=180):
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert training.poll() is None, training.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def replicas_below(training):
    below = psutil.Process(training.pid).children(recursive=True)
    return [one for one in below if REPLICA in command(one)]


def command(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it has ended
        return ""


def runs(clone):
    client = MlflowClient(clone.environment["MLFLOW_TRACKING_URI"])
    ids = [one.experiment_id for one in client.search_experiments()]
    return client.search_runs(ids, "tags.step = 'train'", order_by=["start_time DESC"])


def logged(clone):
    client = MlflowClient(clone.environment["MLFLOW_TRACKING_URI"])
    return [one.step for one in client.get_metric_history(runs(clone)[0].info.run_id, "val_loss")]


def epochs_done(workspace):
    for checkpoint in (workspace / "models/checkpoints").glob("*.npz"):
        with np.load(checkpoint) as file:
            return file["note"].tobytes().count(b'"epoch"')
    return 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"workers": "5", "batch_size": "32"}, "which 5 processes cannot share out equally"),
        ({"workers": "0"}, "workers"),
        ({"hosts": ","}, "hosts"),
        ({"hosts": "localhost,no-such-host.invalid"}, "on no-such-host.invalid ended with status"),
    ],
)
def test_what_cannot_train_together_is_refused(trained, workspace, more, message):
    said = trained.step("train", *options(workspace, **more), expect=None)
    assert message in said
    assert "Traceback" not in said
    assert not (workspace / "models/detector").exists()
