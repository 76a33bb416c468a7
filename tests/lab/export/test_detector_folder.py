"""A detector folder is found bare or inside an MLflow model, and read once."""

import pandas as pd
import pytest

from forgery_lab.export import pyfunc
from forgery_lab.export.detector_folder import Description, DetectorFolder
from forgery_pyfunc.detector import MANIFEST_FILE, NETWORK_FILE
from forgery_pyfunc.errors import ModelError
from tests.conftest import training_manifest, write_detector


@pytest.fixture
def bare(tmp_path):
    folder = write_detector(tmp_path / "bare")
    training_manifest("ani00001").to_parquet(folder / MANIFEST_FILE)
    return folder


def test_it_is_the_same_detector_bare_and_inside_a_model(bare, tmp_path):
    pyfunc.save_model(bare, tmp_path / "model")
    first, second = DetectorFolder(bare, "bare"), DetectorFolder(tmp_path / "model", "model")
    assert first.description == second.description == Description.read(bare)
    assert first.description.features == ("residual",)
    pd.testing.assert_frame_equal(first.training, second.training)
    assert first.network == bare / NETWORK_FILE
    assert second.network.read_bytes() == first.network.read_bytes()
    assert second.megabytes > first.megabytes > 0


def test_a_model_of_others_has_none_of_these(tmp_path):
    (tmp_path / "MLmodel").write_text("flavors: {}")
    foreign = DetectorFolder(tmp_path, "foreign")
    assert (foreign.description, foreign.network, foreign.training) == (None, None, None)


def test_a_manifest_that_lacks_a_column_is_refused_by_the_name_of_the_model(bare):
    training_manifest("ani00001").drop(columns="group").to_parquet(bare / MANIFEST_FILE)
    with pytest.raises(ModelError, match="the training manifest of version 1 cannot be read"):
        _ = DetectorFolder(bare, "version 1").training
