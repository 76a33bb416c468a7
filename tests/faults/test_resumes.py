"""The comparing of outputs notices what differs, and passes over what no two runs share."""

import json
import shutil
import subprocess
import time
import zipfile

import psutil
import pytest
from mlflow.tracking import MlflowClient

from steps.registry.model_registry import Registry
from tests.faults.outputs import Outputs, files, registry
from tests.faults.resumes import kill
from tests.stores import copy_store, tracking

HISTORY = "epoch,loss,seconds\n1,0.5,{}\n2,0.25,{}\n"


def write_workspace(folder, run_id="a", seconds=1.0, saved="2026-01-01"):
    """Write a workspace with a file of every kind that is compared."""
    for name, content in {
        "data/raw/Au/a.jpg": b"first picture",
        "data/raw/Tp/b.jpg": b"second picture",
        "data/features/index.parquet": b"rows",
        "data/features/shard-00000.features.npy": b"numbers",
        "runs/train.json": json.dumps({"run_id": run_id, "experiment_id": "1"}).encode(),
        "reports/training/history.csv": HISTORY.format(seconds, 2 * seconds).encode(),
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "models/detector").mkdir(parents=True)
    with zipfile.ZipFile(folder / "models/detector/network.keras", "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3", "date_saved": saved}))
        archive.writestr("model.weights.h5", b"weights")
    return folder


def outputs(folder):
    return Outputs(files(folder), {})


@pytest.fixture
def whole(tmp_path):
    return outputs(write_workspace(tmp_path / "whole"))


@pytest.fixture
def workspace(tmp_path):
    """Another run's: the same outputs, with its own id, times and durations."""
    return write_workspace(tmp_path / "workspace", "b", seconds=3.5, saved="2026-02-02")


def test_ids_times_and_durations_are_no_difference(whole, workspace):
    assert whole.differences(outputs(workspace)) == []


@pytest.mark.parametrize("name", ["data/raw/Au/a.jpg", "data/features/shard-00000.features.npy"])
def test_a_flipped_bit_is_a_difference(whole, workspace, name):
    content = bytearray((workspace / name).read_bytes())
    content[3] ^= 1
    (workspace / name).write_bytes(content)
    (difference,) = whole.differences(outputs(workspace))
    assert difference.startswith(f"file {name}: ")


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("runs/train.json", '"1"', '"2"'),
        ("reports/training/history.csv", "0.25", "0.26"),
        ("models/detector/network.keras", "weights", "wrights"),
    ],
)
def test_what_stands_beside_an_ignored_field_is_compared(whole, workspace, name, before, after):
    content = (workspace / name).read_bytes()
    if name.endswith(".keras"):
        with zipfile.ZipFile(workspace / name, "a") as archive:
            archive.writestr("more.h5", after)
    else:
        (workspace / name).write_bytes(content.replace(before.encode(), after.encode()))
    assert len(whole.differences(outputs(workspace))) == 1


def test_a_file_that_is_left_or_missing_is_a_difference(whole, workspace):
    (workspace / "reports/.split.json.0.partial").write_bytes(b"half")
    (workspace / "data/raw/Tp/b.jpg").unlink()
    assert [one.split(":")[0] for one in whole.differences(outputs(workspace))] == [
        "file data/raw/Tp/b.jpg",
        "file reports/.split.json.0.partial",
    ]


def test_outputs_that_are_absent_whole_older_or_hidden_are_not_half_written(
    whole, workspace, tmp_path
):
    shutil.rmtree(workspace / "models")
    (workspace / "data/raw/Au/a.jpg").write_bytes(b"older picture")
    (workspace / "data/.raw.1.partial").write_bytes(b"half")
    (workspace / "models/.detector.1.partial/new").mkdir(parents=True)
    (workspace / "models/.detector.1.partial/new/network.onnx").write_bytes(b"half")
    part = workspace / "scores/.table.parquet.unfinished/part-0000000.parquet"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"rows")
    (workspace / "data/features/index.parquet").unlink()
    (workspace / "data/features/.index.parquet.0.partial").write_bytes(b"ro")
    older = write_workspace(tmp_path / "older")
    (older / "data/raw/Au/a.jpg").write_bytes(b"older picture")
    assert outputs(workspace).half_written(whole, outputs(older)) == []


def test_half_a_folder_and_half_a_file_are_half_written(whole, workspace):
    (workspace / "data/raw/Tp/b.jpg").unlink()
    (workspace / "data/features/shard-00000.features.npy").write_bytes(b"numb")
    (workspace / "runs/train.json").write_text('{"run_id": "b"}')
    nothing = Outputs({}, {})
    assert outputs(workspace).half_written(whole, nothing) == [
        "data/features",
        "data/raw",
        "runs/train.json",
    ]
    (workspace / "data/features/index.parquet").unlink()
    assert "data/features/shard-00000.features.npy" in outputs(workspace).half_written(
        whole, nothing
    )


def promoted(folder, store, stage="Production", **audit):
    """Return the state of a registry after a promotion in a new store."""
    folder.mkdir()
    with tracking(copy_store(store, folder)) as uri:
        found = Registry("forgery-detector")
        version = found.create(folder.as_uri(), None, {"detector": "d"})
        found.move(version, stage, {"action": "promote", **audit})
        return registry(MlflowClient(uri))


def test_of_a_promotion_its_time_and_run_are_no_difference(tmp_path, empty_store):
    first = promoted(tmp_path / "a", empty_store, run_id="1", reason="sound")
    assert promoted(tmp_path / "b", empty_store, run_id="2", reason="sound") == first
    for number, other in enumerate(({"reason": "forced"}, {"reason": "sound", "stage": "Staging"})):
        assert promoted(tmp_path / str(number), empty_store, run_id="1", **other) != first


def test_the_whole_process_group_is_gone_after_a_kill():
    script = "sleep 600 & echo $!; wait"
    process = subprocess.Popen(
        ["sh", "-c", script], start_new_session=True, stdout=subprocess.PIPE, text=True
    )
    child = psutil.Process(int(process.stdout.readline()))
    began = time.monotonic()
    kill(process)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert time.monotonic() - began < 60
    process.stdout.close()
