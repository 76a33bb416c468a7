"""`forgery learnt`: which registered versions learnt from a picture."""

import hashlib
import io
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from forgery.command import main
from forgery_lab.data.inspection import perceptual_hash
from forgery_pyfunc.imaging.decoding import decode
from steps.operations.commands import learnt
from steps.registry.model_registry import Registry
from tests.stores import copy_store, tracking


def jpeg(seed: int, quality: int) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), np.uint8)
    output = io.BytesIO()
    Image.fromarray(coarse).resize((320, 240), 2).save(output, "JPEG", quality=quality)
    return output.getvalue()


GIVEN, COPY, STRANGE = jpeg(1, 95), jpeg(1, 60), jpeg(2, 95)


def row(data: bytes, split: str) -> dict:
    return {
        "sha256": hashlib.sha256(data).hexdigest(),
        "source_ids": [],
        "group": "a",
        "split": split,
        "phash": perceptual_hash(decode(data)),
    }


@pytest.fixture
def registry(tmp_path, monkeypatch, empty_store, stand_in):
    """Versions 1 (learnt from the picture), 2 (did not) and 3 (does not say)."""
    uri = copy_store(empty_store, tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with tracking(uri):
        registry = Registry("forgery-detector")
        for number, data in enumerate((GIVEN, STRANGE, None), 1):
            folder = tmp_path / str(number)
            shutil.copytree(stand_in, folder)
            (description,) = folder.glob("artifacts/*/detector.json")
            if data:
                manifest = description.with_name("training_manifest.parquet")
                pd.DataFrame([row(data, "train")]).to_parquet(manifest)
            registry.create(folder.as_uri(), None, {})
        registry.move(registry.by_number(1), "Production", {})
        yield registry


def ask(*arguments) -> tuple[int, str]:
    result = CliRunner().invoke(learnt, list(map(str, arguments)), catch_exceptions=False)
    return result.exit_code, result.stdout or result.stderr


@pytest.mark.usefixtures("registry")
def test_every_version_says_what_it_learnt_of_a_file_and_of_its_copies(tmp_path):
    (tmp_path / "given.jpg").write_bytes(GIVEN)
    (tmp_path / "copy.jpg").write_bytes(COPY)
    status, said = ask(tmp_path / "given.jpg")
    assert status == 1
    third, second, first = said.splitlines()
    assert third.endswith("unknown, it brings no training manifest")
    assert second.endswith("version 2: did not learn from it")
    assert first.endswith("version 1 (champion): learnt from it (train)")
    said = ask(tmp_path / "copy.jpg")[1]
    assert "learnt from a picture that looks the same (train)" in said.splitlines()[2]


def test_a_picture_that_is_gone_is_named_by_its_digest(registry):
    registry.client.delete_model_version(registry.name, "3")
    digest = hashlib.sha256(GIVEN).hexdigest()
    status, said = ask("--json", digest.upper())
    assert status == 1
    second, first = map(json.loads, said.splitlines())
    assert (first["version"], first["files"], first["alike"]) == (1, ["train"], [])
    assert (second["version"], second["files"], second["unknown"]) == (2, [], None)
    assert ask(hashlib.sha256(COPY).hexdigest())[0] == 0


@pytest.mark.usefixtures("registry")
def test_what_is_no_picture_is_refused(tmp_path):
    assert ask(tmp_path / "none.jpg") == (
        2, f"Error: '{tmp_path / 'none.jpg'}': no such file; allowed: a file, or the 64 "
        "hexadecimal digits of its SHA-256\n",
    )  # fmt: skip
    (tmp_path / "text.jpg").write_text("no picture")
    status, said = ask(tmp_path / "text.jpg")
    assert status == 2
    assert "Error: " in said


def test_the_command_is_found_by_its_entry_point():
    assert main.get_command(None, "learnt") is learnt
