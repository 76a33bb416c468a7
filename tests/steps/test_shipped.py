"""The detector in `forgery/shipped/`: what a clone has before anything was trained."""

import re

import keras
import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from forgery import SHIPPED
from forgery_lab.evaluation import model_card
from forgery_lab.export.writing import TOLERANCE
from forgery_lab.export.writing import check_export as onnx_agreement
from forgery_lab.sources.photograph_table import REPOSITORIES, known_pictures
from forgery_lab.training import networks  # noqa: F401, registers its layers
from forgery_pyfunc.detector import KERAS_FILE, NETWORK_FILE, Detector, read_description
from steps.pipeline.registration import detector_digest
from tests.conftest import encoded, training_manifest, write_detector
from tests.deploy.engine import listening
from tests.forgery.evidence.scenes import scene
from tests.steps.conftest import make_clone
from tests.webui.servers import free_port

MOST_BYTES = 5_000_000


@pytest.fixture(scope="module")
def clone(tmp_path_factory, empty_store):
    """A clone with the shipped detector, in which nothing was trained."""
    return make_clone(tmp_path_factory.mktemp("clones") / "shipped", empty_store, shipped=True)


def test_the_folder_is_small_and_whole():
    files = {path.name: path.stat().st_size for path in SHIPPED.iterdir()}
    assert {
        "detector.json",
        "network.onnx",
        "network.keras",
        "model_card.md",
        "photographs.json",
    } <= set(files)
    assert max(files.values()) < MOST_BYTES
    assert read_description(SHIPPED)["name"] == "release"


def test_the_keras_network_loads_and_agrees_with_the_onnx_network():
    """Its layers are named forgery>…, so that it does not matter where their module lies."""
    network = keras.models.load_model(SHIPPED / KERAS_FILE, compile=False)
    rng = np.random.default_rng(0)
    samples = [
        rng.normal(size=(*shape, network.input_shape[-1])).astype(np.float32)
        for shape in ((8, 8), (48, 32), (21, 50))
    ]
    assert onnx_agreement(network, SHIPPED / NETWORK_FILE, samples) < TOLERANCE


def training_photographs():
    """Return the tables' rows of what the shipped detector learnt from; all terms are known."""
    seen = pd.read_parquet(SHIPPED / "training_manifest.parquet")
    assert set(seen["split"]) == {"train", "validation"}
    return [known_pictures()[digest] for digest in seen["sha256"]]


def test_it_learnt_from_the_free_photographs_alone():
    assert all(one.may_teach for one in training_photographs())
    frame = pd.DataFrame(
        [{"repository": one.source, "terms": one.terms} for one in training_photographs()]
    )
    said = model_card.of_release(frame)
    assert read_description(SHIPPED)["data"] == said.to_dict()
    assert said.licence in (SHIPPED / "model_card.md").read_text("utf-8")


def test_every_photograph_is_attributed_beside_the_network():
    text = (SHIPPED / "ATTRIBUTION.md").read_text("utf-8")
    rows = re.findall(r"^\| (.+) \| (.+) \| (.+) \| ([0-9a-f]{64}) \|$", text, re.MULTILINE)
    listed = {digest: (title, author, terms) for title, author, terms, digest in rows}
    assert len(listed) == len(rows)
    assert set(listed) == {one.sha256 for one in training_photographs()}
    for one in training_photographs():
        title, author, terms = listed[one.sha256]
        assert (title, terms) == (one.path, one.terms)
        assert author == one.author or not one.author
        assert REPOSITORIES[one.source].page in text
        assert REPOSITORIES[one.source].authors in text
    assert "`ATTRIBUTION.md`" in (SHIPPED / "model_card.md").read_text("utf-8")


def test_it_answers_with_a_map_and_the_same_each_time():
    detector = Detector.load(SHIPPED)
    first, second = (detector.score(encoded(scene(256, 384)), None, True) for _ in range(2))
    assert first == second
    assert 0 <= first.probability <= 1
    assert first.heatmap


def test_registering_the_first_detector_makes_the_shipped_one_the_champion(clone, tmp_path):
    other = write_detector(tmp_path / "other")
    said = clone.step("register", "--detector", str(other))
    assert "registered version 1 of forgery-detector" in said
    assert "registered version 2 of forgery-detector as challenger" in said
    store = MlflowClient(clone.environment["MLFLOW_TRACKING_URI"])
    champion = store.get_model_version_by_alias("forgery-detector", "champion")
    challenger = store.get_model_version_by_alias("forgery-detector", "challenger")
    assert (int(champion.version), champion.tags["detector"]) == (1, "release")
    assert (int(challenger.version), challenger.tags["detector"]) == (2, "means")
    again = clone.step("register", "--detector", "forgery/shipped")
    assert "this detector is already version 1 of forgery-detector" in again


def test_serving_shows_a_detector_that_was_pulled_to_the_gate(clone):
    """The port is taken, so that it ends before it serves."""
    pulled = write_detector(clone.root / "models/detector", weight=2.0)
    training_manifest("ani00001").to_parquet(pulled / "training_manifest.parquet")
    (clone.root / "runs").mkdir(exist_ok=True)
    (clone.root / "runs/train.json").write_text('{"run_id": "0"}')
    port = free_port()
    with listening(port):
        said = clone.step("serve", "--port", str(port), expect=1)
    assert f"port {port} of 127.0.0.1 cannot be used" in said
    assert "false alarms" in said, "the gate compared it with the shipped one"
    versions = MlflowClient(clone.environment["MLFLOW_TRACKING_URI"]).search_model_versions()
    assert [one.tags["detector"] for one in versions if one.tags["detector"] == "release"]
    digest = detector_digest(pulled)
    assert len([one for one in versions if one.tags["detector_sha256"] == digest]) == 1


def test_without_photographs_the_recipe_says_what_it_cannot_reach(clone):
    said = clone.step("release", expect=1, HTTPS_PROXY="http://127.0.0.1:9")
    assert "raw.githubusercontent.com" in said.splitlines()[-1]
    assert "the download failed" in said.splitlines()[-1]
