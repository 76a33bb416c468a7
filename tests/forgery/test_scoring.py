"""Scoring in this process: the same answers as the shipped detector gives when it is served."""

import shutil
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest

from forgery import SHIPPED
from forgery.client import Client
from forgery.scoring import LocalScorer
from forgery_pyfunc import Detector
from forgery_pyfunc.errors import ModelError, ParameterError
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.imaging.jpeg_encoder import encode
from tests.forgery.evidence.scenes import scene
from tests.webui.conftest import model_server
from tests.webui.pictures import encode as encode_as

PICTURES = {
    "jpeg": encode(scene(256, 384), quality=85),
    "png": encode_as(scene(200, 130, seed=1), "PNG"),
    "webp": encode_as(scene(192, 256, seed=2), "WEBP", quality=80),
    "grey tiff": encode_as(scene(128, 128, seed=3)[..., 0], "TIFF"),
    "too small": encode_as(scene(40, 40), "PNG"),
    "no photograph": encode_as(np.zeros((128, 128, 3), np.uint8), "PNG"),
    "text": b"text",
    "broken": encode(scene(256, 384), quality=85)[:3000],
    "empty": b"",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A client of `mlflow models serve` with the shipped detector."""
    folder = tmp_path_factory.mktemp("shipped")
    code = "import sys; from pathlib import Path; from forgery_lab.export.pyfunc import save_model"
    code += "; save_model(Path(sys.argv[1]), Path(sys.argv[2]))"
    subprocess.run([sys.executable, "-c", code, SHIPPED, folder / "model"], check=True)
    with model_server(folder / "model", folder / "log", PYTHONPATH="") as url:
        yield Client(url)


@pytest.fixture(scope="module")
def detector():
    return LocalScorer(Detector.shipped())


@pytest.mark.parametrize("threshold", [None, 0.15])
def test_answers_are_those_of_the_served_detector(served, detector, threshold):
    images = list(PICTURES.values())
    here = detector.score(images, threshold, heatmap=True, explain=True)
    there = served.score(images, threshold, heatmap=True, explain=True)
    for name, ours, theirs in zip(PICTURES, here, there, strict=True):
        assert asdict(ours) | {"model_version": None} == asdict(theirs) | {"model_version": None}, (
            name
        )
    assert {record.verdict for record in here} > {None, "inconclusive"}
    told = {name for name, record in zip(PICTURES, here, strict=True) if record.explanation}
    assert told == {name for name, record in zip(PICTURES, here, strict=True) if record.probability}
    assert [bool(record.heatmap) for record in here] == [True] * 4 + [False] * 5


def test_limits_and_thresholds_are_checked(detector):
    small = LocalScorer(Detector.shipped(), Limits(max_bytes=1000))
    assert small.score([PICTURES["jpeg"]])[0].error_code == "too_large"
    with pytest.raises(ParameterError):
        detector.score([PICTURES["jpeg"]], threshold=2)


def test_a_fault_of_ours_is_the_answer_for_one_image_alone(detector, monkeypatch):
    def fail_once(data, *rest):
        if data == PICTURES["png"]:
            raise RuntimeError("odd")
        return score(data, *rest)

    score = detector.detector.score
    monkeypatch.setattr(detector.detector, "score", fail_once)
    records = detector.score([PICTURES["png"], PICTURES["jpeg"]])
    assert records[0].error == "internal_error: this image could not be scored"
    assert records[1].verdict


def test_a_damaged_detector_is_refused(tmp_path):
    shutil.copytree(SHIPPED, tmp_path / "shipped")
    (tmp_path / "shipped" / "network.onnx").unlink()
    with pytest.raises(ModelError, match=r"has no network\.onnx"):
        Detector.load(tmp_path / "shipped")
