"""Jobs on this machine: restart, images that kill the process, files that cannot be read."""

import pandas as pd
import pytest

from forgery_lab.errors import DataError
from forgery_lab.places import Place
from forgery_lab.scoring import job as job_module
from forgery_lab.scoring import survivor
from forgery_lab.scoring.job import Job, Terms
from forgery_lab.scoring.local import score_job
from forgery_lab.scoring.model import check_contract
from forgery_lab.scoring.reading import listing, reader
from forgery_lab.scoring.survivor import surviving
from forgery_pyfunc.errors import ModelError
from tests.conftest import encoded, picture
from tests.lab.evaluation import model_stand_in


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return model_stand_in.save(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six pictures, one of which ends the process that scores it."""
    folder = tmp_path_factory.mktemp("images")
    for number in range(6):
        (folder / f"{number}.png").write_bytes(encoded(picture(64, 48, number), "PNG"))
    (folder / "3.png").write_bytes(b"die")
    return Place.parse(str(folder))


def test_a_job_goes_on_where_it_was_stopped(model, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(job_module, "FEWEST_OF_A_SHARD", 2)
    images = listing(folder)
    job = Job.begin(Place.parse(str(tmp_path / "job")), Terms("", "", None), images)
    seen = []
    job.write(0, ["0.png", "1.png"], [{"error": "of the earlier start"}] * 2)
    scored = score_job(job, folder, model, None, 1, lambda *step: seen.append(step))
    assert scored == 4
    assert seen == [(3, 6), (4, 6), (5, 6), (6, 6)]
    assert job.finish() == {"error": 3, "inconclusive": 3}
    table = pd.read_parquet(job.folder.path).set_index("path")
    assert table.loc["1.png", "error"] == "of the earlier start"
    assert table.loc["3.png", "error"].startswith("internal_error: ")
    assert table.loc[["2.png", "4.png", "5.png"], "error"].isna().all()


def test_a_process_that_ends_with_every_image_is_given_up(model, monkeypatch):
    monkeypatch.setattr(survivor, "DEATHS_IN_A_ROW", 2)
    with surviving(model) as ask, pytest.raises(ModelError, match=r"2 images in a row: .*died"):
        ask([b"die", b"die"])


def test_of_a_file_above_the_limit_no_more_is_read_than_shows_it(tmp_path, monkeypatch):
    monkeypatch.setenv("MAX_UPLOAD_MB", "1")
    (tmp_path / "large").write_bytes(bytes(3 * 2**20))
    place = Place.parse(str(tmp_path))
    assert len(reader(place, ("large", 3 * 2**20))()) == 2**20 + 1


def test_folders_without_a_file_and_names_that_are_not_text_are_refused(tmp_path):
    place = Place.parse(str(tmp_path))
    with pytest.raises(DataError, match="holds no file; input must be a folder of images"):
        listing(place)
    with pytest.raises(DataError, match="is not a folder; input must be a folder of images"):
        listing(place / "none")
    (tmp_path / "caf\udce9.jpg").touch()
    with pytest.raises(DataError, match="is not UTF-8; rename the file"):
        listing(place)


def test_a_model_without_the_contracts_signature_is_refused(model, stand_in, tmp_path):
    check_contract(stand_in)
    with pytest.raises(ModelError, match=r"it lacks the output verdict.*the parameter strict"):
        check_contract(model)
    with pytest.raises(ModelError, match="is not an MLflow model"):
        check_contract(tmp_path)
