"""Export: ONNX and Keras agree, and the folder is whole or as it was."""

import json
from dataclasses import replace

import keras
import numpy as np
import onnx
import pandas as pd
import pytest

from forgery import SHIPPED
from forgery_lab.errors import DataError
from forgery_lab.export import writing
from forgery_lab.export.detector_folder import Description
from forgery_lab.training import networks
from forgery_pyfunc.calibration import Calibration
from forgery_pyfunc.features import channels

FAMILIES = ("copymove", "dct")
SHAPES = ((8, 8), (48, 32), (21, 50))
LEARNT = pd.DataFrame(
    {"sha256": ["a"], "source_ids": [["ani1"]], "group": ["g"], "split": ["train"],
     "phash": ["f0f0f0f00f0f0f0f"], "more": [1]}
)  # fmt: skip
DESCRIPTION = Description("n", "blocks", FAMILIES, Calibration())


@pytest.fixture(scope="module", params=[False, True], ids=["absolute", "relative"])
def network(request):
    """A block network with weights that make every path matter."""
    model = networks.build_for("blocks", channels(FAMILIES), width=8, relative=request.param)
    rng = np.random.default_rng(0)
    model.set_weights([w + rng.normal(0, 0.05, w.shape) for w in model.get_weights()])
    model.compile("adam", loss={"image": "mse", "blocks": "mse"})
    return model


@pytest.fixture(scope="module")
def samples(network):
    rng = np.random.default_rng(1)
    depth = network.input_shape[-1]
    maps = [rng.normal(size=(*shape, depth)).astype(np.float32) for shape in SHAPES]
    for features in maps:
        features[..., 8:28] = features[..., 8:28].round().clip(-5, 5)
    return maps


@pytest.fixture(scope="module")
def folder(network, samples, tmp_path_factory):
    target = tmp_path_factory.mktemp("export") / "detector"
    writing.write_detector(target, network, samples, DESCRIPTION, LEARNT)
    return target


def test_onnx_and_keras_agree_on_maps_of_any_size(folder, network, samples):
    assert writing.check_export(network, folder / "network.onnx", samples) < 1e-4


def test_the_check_measures_a_difference_where_there_is_one(folder, network, samples):
    other = networks.build_for("blocks", channels(FAMILIES), width=8)
    assert writing.check_export(other, folder / "network.onnx", samples) > 0.01


def test_the_onnx_network_has_the_names_of_the_contract(folder):
    graph = onnx.load(folder / "network.onnx").graph
    assert [node.name for node in graph.input] == ["features"]
    assert {node.name for node in graph.output} == {"image", "blocks"}


def test_the_folder_holds_what_readers_expect(folder):
    description = json.loads((folder / "detector.json").read_text("utf-8"))
    assert description["format"] == 1
    assert description["features"] == list(FAMILIES)
    assert description["training"]["onnx_max_difference"] < 1e-4
    manifest = pd.read_parquet(folder / "training_manifest.parquet")
    assert list(manifest) == ["sha256", "source_ids", "group", "split", "phash"]


def test_the_description_is_read_as_it_was_written_and_completed(folder, network):
    description = Description.read(folder)
    measured = description.training
    assert replace(description, training={}, photographs=()) == DESCRIPTION
    assert description.photographs == Description.read(SHIPPED).photographs != ()
    assert set(measured) == {"onnx_max_difference", "parameters"}
    assert measured["parameters"] == network.count_params()


def test_the_shipped_description_is_written_with_the_same_text():
    text = (SHIPPED / "detector.json").read_text("utf-8")
    assert json.dumps(Description.read(SHIPPED).to_dict(), indent=2) + "\n" == text


def test_the_keras_file_holds_the_network_without_its_optimiser(folder, network, samples):
    loaded = keras.saving.load_model(folder / "network.keras")
    np.testing.assert_array_equal(
        loaded(samples[0][None])["blocks"], network(samples[0][None])["blocks"]
    )
    assert not hasattr(loaded, "optimizer")


def test_what_is_no_detector_is_not_replaced(tmp_path, network, samples):
    own = tmp_path / "thesis.txt"
    own.write_text("years of work")
    with pytest.raises(DataError, match="holds something other than a detector"):
        writing.write_detector(tmp_path, network, samples, DESCRIPTION, LEARNT)
    assert own.read_text() == "years of work"
    with pytest.raises(DataError, match="is not a folder"):
        writing.write_detector(own, network, samples, DESCRIPTION, LEARNT)


def test_what_a_killed_export_left_goes_with_the_next(tmp_path, network, samples):
    no_process = 2**22 + 1  # above the largest number that Linux gives
    (tmp_path / f".detector.{no_process}.partial/new").mkdir(parents=True)
    writing.write_detector(tmp_path / "detector", network, samples, DESCRIPTION, LEARNT)
    assert [path.name for path in tmp_path.iterdir()] == ["detector"]


def test_a_failed_export_leaves_the_old_detector(folder, network, samples):
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    broken = [np.full_like(samples[0], np.nan)]
    with pytest.raises(DataError, match="differs"):
        writing.write_detector(folder, network, broken, DESCRIPTION, LEARNT)
    with pytest.raises(DataError, match="no column group"):
        writing.write_detector(folder, network, samples, DESCRIPTION, LEARNT.drop(columns="group"))
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["detector"]
