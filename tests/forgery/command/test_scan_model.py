"""`--model`: a detector folder in this process, a logged model in a process of its own."""

import importlib.util
import json
import shutil

import pytest

from forgery_pyfunc import Detector
from forgery_pyfunc.imaging.jpeg_encoder import encode
from tests.forgery.command.runner import forgery
from tests.forgery.evidence.scenes import scene
from tests.lab.evaluation import model_stand_in


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    return model_stand_in.save(tmp_path_factory.mktemp("logged"))


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encode(scene(256, 384), quality=90))
    return path


def answer(photo, *arguments):
    result = forgery("scan", "--jsonl", photo, *arguments)
    assert result.stdout, result.stderr
    return json.loads(result.stdout)


def test_a_detector_folder_answers_in_this_process(photo, detector_folder, monkeypatch):
    row = answer(photo, "--model", detector_folder)
    record = Detector.load(detector_folder).score(photo)
    assert (row["model_version"], row["probability"]) == (record.model_version, record.probability)
    monkeypatch.setenv("FORGERY_URL", "http://127.0.0.1:9")
    assert answer(photo, "--model", detector_folder) == row


def test_a_logged_model_answers_by_its_own_code(photo, logged, tmp_path):
    (tmp_path / "text.jpg").write_text("no picture")
    maps = tmp_path / "maps"
    result = forgery("scan", "--jsonl", tmp_path, "--model", logged, "--heatmaps", maps)
    assert result.exit_code == 2
    first, second = map(json.loads, result.stdout.splitlines())
    assert first["model_version"] == "stand-in/1"
    assert first["verdict"]
    assert second["error"].startswith("not_an_image: ")
    assert [path.name for path in maps.iterdir()] == ["photo.jpg.png"]
    assert answer(photo, "--model", logged, "--threshold", 0)["verdict"] == "forged"


def test_a_registry_uri_is_looked_up_where_the_environment_says(photo, champion_store, monkeypatch):
    uri = "models:/forgery-detector@champion"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", champion_store)
    assert answer(photo, "--model", uri)["model_version"] == "forgery-detector/1"
    missing = forgery("scan", photo, "--model", "models:/forgery-detector@nobody")
    assert missing.exit_code == 2
    assert missing.stderr.startswith("Error: the model models:/forgery-detector@nobody cannot be")
    assert len(missing.stderr.splitlines()) == 1


def test_what_is_no_model_is_one_sentence(photo, tmp_path, detector_folder, monkeypatch):
    result = forgery("scan", photo, "--model", tmp_path)
    assert result.exit_code == 2
    assert "is neither a folder with detector.json or MLmodel nor a URI" in result.stderr
    both = forgery("scan", photo, "--model", detector_folder, "--url", "http://127.0.0.1:9")
    assert "--url and --model exclude each other" in both.stderr
    damaged = tmp_path / "damaged"
    shutil.copytree(detector_folder, damaged)
    (damaged / "network.onnx").write_bytes(b"no network")
    assert "not a valid ONNX network" in forgery("scan", photo, "--model", damaged).stderr


def test_without_mlflow_a_registry_uri_says_what_to_install(photo, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    result = forgery("scan", photo, "--model", "models:/forgery-detector@champion")
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: --model: models:/forgery-detector@champion needs MLflow, which is not installed: "
        "pip install 'forgery-detector[serve]'\n"
    )
