"""What users read when something is wrong: one sentence, a status, nothing half-written."""

import shutil
import sys

import pandas as pd
import pytest

from steps import preprocess
from tests.conftest import encoded, picture


@pytest.mark.parametrize(
    ("step", "options", "sentence"),
    [
        ("train", ("--epochz", "3"), "unknown key train.epochz; did you mean train.epochs?"),
        ("train", ("--epochs", "many"), "train.epochs is 'many'"),
        ("trian", (), "unknown entry point trian; did you mean train?"),
        ("score", ("--output", "x.csv"), "score.input is missing"),
        ("evaluate", ("--protocols", "B,Z"), "evaluate.protocols.1 is 'Z'; allowed: 'A', 'B'"),
    ],
)
def test_a_bad_setting_ends_with_status_2(clone, step, options, sentence):
    said = clone.step(step, *options, expect=2)
    assert sentence in said
    assert "Traceback" not in said


def write_folder(root, authentic=(), tampered=()):
    for name, files in (("Au", authentic), ("Tp", tampered)):
        (root / name).mkdir(parents=True)
        for number, data in enumerate(files):
            (root / name / f"{number}.jpg").write_bytes(data)
    return root


@pytest.mark.parametrize("case", ["empty", "no classes", "one class", "dead url", "checksum"])
def test_a_bad_source_is_refused_in_one_sentence(clone, tmp_path, case):
    source, options = tmp_path / "source", []
    source.mkdir()
    if case == "no classes":
        (source / "a.jpg").write_bytes(encoded(picture()))
    if case == "one class":
        write_folder(source, authentic=[encoded(picture())])
    if case == "checksum":
        source = tmp_path / "data.zip"
        source.write_bytes(b"PK\3\4")
        options = ["--checksum", "0" * 64]
    url = "http://127.0.0.1:9/data.zip" if case == "dead url" else str(source)
    workspace = tmp_path / "workspace"
    arguments = ("--source", url, *options, "--workspace", str(workspace))
    said = clone.step("ingest", *arguments, expect=1, VERBOSE="1")  # logs have no such beginning
    assert "Traceback" not in said
    assert [line for line in said.splitlines() if line.startswith("ingest: ")]
    assert not (workspace / "data/manifest.parquet").exists()
    assert not (workspace / "reports").exists()


def test_a_tracking_server_that_is_down_is_named(clone):
    said = clone.step(
        "ingest",
        expect=1,
        MLFLOW_TRACKING_URI="http://127.0.0.1:9",
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="0",
    )
    assert "ingest: the tracking server http://127.0.0.1:9" in said
    assert "Traceback" not in said


def test_a_missing_model_is_named(clone):
    said = clone.step("serve", expect=1)
    assert "serve: the registry has no champion of forgery-detector" in said
    said = clone.step("promote", "--version", "7", expect=1)
    assert "the registry has no version 7 of forgery-detector" in said


@pytest.mark.slow
def test_features_of_another_network_are_named_with_the_way_to_others(trained):
    said = trained.step("train", "--network", "classic", expect=1)
    assert "run `preprocess -P features=ela` first" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        ([None, None, None], ["no training forgery has a mask"]),
        ([None, None, "m.png"], ["1 of 2 training forgeries have no mask"]),
        ([None, "n.png", "m.png"], []),
    ],
)
def test_a_weaker_mode_for_want_of_masks_is_stated(caplog, masks, said):
    preprocess.say_masks(pd.DataFrame({"label": [0, 1, 1], "mask_path": masks}))
    assert len(caplog.messages) == len(said)
    assert all(words in message for words, message in zip(said, caplog.messages, strict=True))


ON_A_SMALL_DISK = """
mount -t tmpfs -o size="$1" tmpfs "$2" && cp -r "$3/data" "$2" &&
  "$4" -m steps train --workspace "$2"
status=$?
find "$2" -name "*.partial" -o -path "*/models/*" -type f
exit $status
"""


@pytest.mark.slow
def test_a_disk_that_fills_up_during_training_is_named(trained, tmp_path):
    learnt, small = tmp_path / "learnt", tmp_path / "small"
    small.mkdir()
    for name in ("splits.parquet", "features"):
        copy = shutil.copytree if (trained.root / "data" / name).is_dir() else shutil.copy
        (learnt / "data").mkdir(parents=True, exist_ok=True)
        copy(trained.root / "data" / name, learnt / "data" / name)
    used = sum(-(-file.stat().st_size // 4096) * 4096 for file in learnt.rglob("*"))
    command = ("unshare", "-rm", "sh", "-c", ON_A_SMALL_DISK, "sh")
    arguments = (str(used + 200_000), str(small), str(learnt), sys.executable)
    said = trained.run(*command, *arguments, expect=None)
    if "unshare: " in said or "mount: " in said:
        pytest.skip(f"cannot mount a small disk here: {said.strip()}")
    lines = [line for line in said.splitlines() if line.startswith("train: ")]
    assert "the disk is full" in "".join(lines), said
    assert "Traceback" not in said
    assert not [line for line in said.splitlines() if line.startswith(str(small))], said
