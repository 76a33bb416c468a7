"""Scoring: any model, by its own code, in processes of its own."""

import io

import numpy as np
import pytest
from PIL import Image

from forgery import model_process
from forgery_lab.errors import DataError
from forgery_lab.evaluation import scoring
from forgery_lab.evaluation.scoring import score
from forgery_pyfunc.errors import ModelError
from tests.lab.evaluation import model_stand_in


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return model_stand_in.save(tmp_path_factory.mktemp("model"))


def png(bright_rows):
    pixels = np.zeros((64, 80), np.uint8)
    pixels[:bright_rows] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_every_image_gets_the_record_of_its_position(model):
    images = [png(rows) for rows in range(40)]
    seen = []
    loads = [lambda data=data: data for data in images]
    found = dict(score(model, loads, progress=lambda *step: seen.append(step)))
    assert sorted(found) == list(range(40))
    probabilities = [found[position]["probability"] for position in range(40)]
    assert probabilities == sorted(probabilities)
    assert len(set(probabilities)) == 40
    assert seen[-1] == (40, 40)
    assert all(record["heatmap"] is None for record in found.values())


def test_two_models_each_run_their_own_code(model, tmp_path):
    """Both bring a package `forgery_pyfunc`, and the checkout has a third of that name."""
    other = model_stand_in.save(tmp_path, version="stand-in/2")
    versions = [
        next(score(uri, [lambda: png(9)], workers=1))[1]["model_version"] for uri in (model, other)
    ]
    assert versions == ["stand-in/1", "stand-in/2"]


def test_heat_maps_and_errors_come_back_as_the_model_gives_them(model):
    found = dict(score(model, [lambda: png(9), lambda: b"no image"], heatmap=True, workers=1))
    assert found[0]["heatmap"]
    assert found[1]["error"].startswith("not_an_image")
    assert found[1]["probability"] is None


def test_one_process_answers_a_few_images_of_which_some_get_a_map(model):
    opened = []

    def open_model(*arguments):
        opened.append(arguments)
        return scoring.opened(*arguments)

    has_map = [number % 3 == 0 for number in range(10)]
    loads = [lambda rows=rows: png(rows) for rows in range(10)]
    found = dict(score(model, loads, has_map, open_model=open_model))
    assert [found[position]["heatmap"] is not None for position in range(10)] == has_map
    probabilities = [found[position]["probability"] for position in range(10)]
    assert probabilities == sorted(set(probabilities))
    assert len(opened) == 1


def test_a_threshold_reaches_the_model(model):
    records = [next(score(model, [lambda: png(9)], threshold=t, workers=1))[1] for t in (0.1, 0.9)]
    assert [record["verdict"] for record in records] == ["forged", "authentic"]


def test_a_missing_model_is_one_clear_sentence(tmp_path):
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        list(score(tmp_path / "none", [lambda: png(1)]))
    assert "Traceback" not in str(caught.value)


def test_a_process_that_dies_is_reported_and_leaves_nothing_behind(model):
    with pytest.raises(ModelError, match="died"):
        list(score(model, [lambda: png(1), lambda: b"die"], workers=1))


def test_a_process_that_is_silent_is_given_up(model, monkeypatch):
    with scoring.opened(model) as ask:
        monkeypatch.setattr(model_process, "SECONDS", 1.0)
        with pytest.raises(ModelError, match="was silent for 1 s"):
            ask([b"sleep"])


def test_a_record_that_is_missing_is_told(model):
    with pytest.raises(ModelError, match="gives 1 answers for 2 images"):
        list(score(model, [lambda: png(1), lambda: b"left out"], workers=1))


def test_an_image_that_cannot_be_prepared_stops_the_scoring(model):
    def broken():
        raise DataError("gone")

    with pytest.raises(DataError, match="gone"):
        list(score(model, [lambda: png(1), broken], workers=1))


def test_a_file_that_cannot_be_read_is_a_row_with_its_error(model, tmp_path):
    loads = [(tmp_path / "gone.jpg").read_bytes, lambda: png(9)]
    found = dict(score(model, loads, workers=1))
    assert found[0] == {"error": "unreadable: the file cannot be read (No such file or directory)"}
    assert found[1]["probability"] is not None
    assert len(dict(score(model, loads[:1], workers=1))) == 1


def test_images_are_loaded_only_when_their_turn_comes(model):
    loaded = []

    def load(number):
        loaded.append(number)
        return png(1)

    stream = score(model, [lambda n=n: load(n) for n in range(400)], workers=1)
    next(stream)
    assert len(loaded) < 60
    stream.close()
