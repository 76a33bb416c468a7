import json
from dataclasses import fields

import numpy as np
import pytest
from PIL import Image

from forgery_pyfunc import Detector
from forgery_pyfunc.contract import Record
from forgery_pyfunc.explanation import Box, Explanation
from forgery_pyfunc.imaging.decoding import oriented
from forgery_pyfunc.imaging.jpeg_encoder import encode
from tests.conftest import encoded, picture
from tests.pyfunc.explaining.test_copied import grainy
from tests.pyfunc.features.test_copymove import with_copy

SOURCE, TARGET, SIZE = (32, 40), (120, 240), 80


@pytest.fixture(scope="module")
def shipped():
    return Detector.shipped()


@pytest.fixture(scope="module")
def forgery():
    return with_copy(grainy(), SIZE, SOURCE, TARGET)


def explained(detector, image) -> tuple[Record, dict]:
    record = detector.score(image, with_explanation=True)
    return record, json.loads(record.explanation)


def near(box, corner):
    left, top = box["left"], box["top"]
    right, bottom = box["right"], box["bottom"]
    edges = (left - corner[1], top - corner[0], right - corner[1] - SIZE, bottom - corner[0] - SIZE)
    return max(map(abs, edges)) <= 16


def test_nothing_is_told_unless_it_is_asked_for(shipped, forgery):
    assert shipped.score(encode(forgery, quality=95)).explanation is None
    record = shipped.score(encoded(picture(50, 50), "PNG"), with_explanation=True)
    assert record.verdict == "inconclusive"
    assert record.explanation is None


def test_a_copy_is_named_with_its_two_places(shipped, forgery):
    record, told = explained(shipped, encode(forgery, quality=95))
    assert set(told) == {field.name for field in fields(Explanation)}
    assert record.verdict == "forged"
    assert told["kind"] == "copy"
    (copy,) = told["copies"]
    places = [copy["one"], copy["other"]]
    assert any(near(one, SOURCE) and near(other, TARGET) for one, other in (places, places[::-1]))
    added = {one["family"]: one["logit"] for one in told["contributions"]}
    assert list(added) == ["residual", "copymove", "double_jpeg"]
    assert max(added, key=added.get) == "copymove"


def test_contributions_sum_to_the_log_odds_of_the_probability(shipped, forgery):
    for image in (encode(forgery, quality=95), encode(grainy(), quality=80)):
        record, told = explained(shipped, image)
        total = told["base"] + sum(one["logit"] for one in told["contributions"])
        assert total == pytest.approx(told["logit"], abs=1e-6)
        assert 1 / (1 + np.exp(-told["logit"])) == pytest.approx(record.probability)


def test_places_are_those_of_the_picture_as_it_is_shown(shipped, forgery):
    turned = Image.Exif()
    turned[0x0112] = 6
    upright = explained(shipped, encoded(forgery, quality=95, subsampling=0))[1]
    shown = explained(shipped, encoded(forgery, quality=95, subsampling=0, exif=turned))[1]
    (copy,), (turned_copy,) = upright["copies"], shown["copies"]
    for name in ("one", "other"):
        expected = Box(**copy[name]).turned(384, 256, 6)
        assert Box(**turned_copy[name]) == expected
    assert Box(**shown["marked"]["box"]) == Box(**upright["marked"]["box"]).turned(384, 256, 6)


def test_places_count_from_the_corner_of_a_picture_with_a_border(shipped, forgery):
    framed = np.zeros((256 + 96, 384 + 160, 3), np.uint8)
    framed[48:-48, 80:-80] = forgery
    _, told = explained(shipped, encode(framed, quality=95))
    (copy,) = told["copies"]
    source, target = ((y + 48, x + 80) for y, x in (SOURCE, TARGET))
    places = [copy["one"], copy["other"]]
    assert any(near(one, source) and near(other, target) for one, other in (places, places[::-1]))


@pytest.mark.parametrize(("width", "height"), [(64, 64), (900, 64), (65, 71), (64, 500)])
def test_odd_sizes_are_explained_wherever_the_map_marks(shipped, monkeypatch, width, height):
    monkeypatch.setattr("forgery_pyfunc.explaining.explain.SPEAKS", -100.0)
    monkeypatch.setattr("forgery_pyfunc.explaining.explain.CUT", 0.1)
    record, told = explained(shipped, encode(grainy(height, width), quality=90))
    assert record.error is None
    box = told["marked"]["box"]
    assert 0 <= box["left"] < box["right"] <= width
    assert 0 <= box["top"] < box["bottom"] <= height


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_box_is_turned_as_the_picture_is(orientation):
    box = Box(3, 5, 11, 9)
    stored = np.zeros((25, 40), bool)
    stored[box.top : box.bottom, box.left : box.right] = True
    turned = box.turned(40, 25, orientation)
    shown = np.zeros_like(oriented(stored, orientation))
    shown[turned.top : turned.bottom, turned.left : turned.right] = True
    assert np.array_equal(shown, oriented(stored, orientation))


def test_a_detector_that_averages_knows_nothing_that_stands_out(detector_folder):
    record, told = explained(Detector.load(detector_folder), encoded(picture()))
    assert record.probability == pytest.approx(1 / (1 + np.exp(-told["base"])), abs=1e-5)
    assert [one["family"] for one in told["contributions"]] == ["residual"]
    assert told["contributions"][0]["logit"] == pytest.approx(0, abs=1e-4)
    assert told["copies"] == []
