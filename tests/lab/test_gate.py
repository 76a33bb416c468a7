import numpy as np
import pandas as pd
import pytest

from forgery_lab import gate, packaging
from forgery_pyfunc.errors import ModelError
from tests.conftest import write_detector


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(1)
    label = pd.Series(np.arange(200) % 2)
    good = pd.Series(0.5 + 0.3 * (label - 0.5) + rng.normal(0, 0.2, 200)).clip(0, 1)
    noise = pd.Series(rng.random(200))
    return label, pd.Series(np.arange(200) // 2), good, noise


def decide(images, challenger, champion, margin=0.02):
    label, source, *_ = images
    return gate.judge(label, source, (challenger, champion), margin, seed=3)


def test_a_better_model_passes_and_a_worse_one_does_not(images):
    *_, good, noise = images
    assert decide(images, good, noise).passed
    refused = decide(images, noise, good)
    assert not refused.passed
    assert "is worse than the champion by more than 0.02" in refused.reason
    assert refused.figures["difference.high"] < 0


def test_an_equal_model_passes(images):
    *_, good, _ = images
    assert decide(images, good, good, margin=0.0).passed


def test_images_that_one_model_could_not_score_count_for_neither(images):
    *_, good, noise = images
    holed = good.astype("Float64").copy()
    holed[:50] = pd.NA
    assert decide(images, holed, noise).figures["images"] == 150


def test_a_sound_model_passes_the_integrity_check(detector_folder, tmp_path):
    packaging.save_model(detector_folder, tmp_path / "model")
    gate.check_integrity(str(tmp_path / "model"))


def test_a_model_with_another_signature_does_not(detector_folder, tmp_path):
    packaging.save_model(detector_folder, tmp_path / "model")
    text = (tmp_path / "model/MLmodel").read_text().replace('"name": "image"', '"name": "picture"')
    (tmp_path / "model/MLmodel").write_text(text)
    with pytest.raises(ModelError, match="does not have the signature of the contract"):
        gate.check_integrity(str(tmp_path / "model"))


def test_a_model_that_cannot_be_loaded_does_not(tmp_path):
    folder = write_detector(tmp_path / "detector")
    packaging.save_model(folder, tmp_path / "model")
    for network in (tmp_path / "model").rglob("network.onnx"):
        network.write_bytes(b"damaged")
    with pytest.raises(ModelError, match="cannot be loaded"):
        gate.check_integrity(str(tmp_path / "model"))
