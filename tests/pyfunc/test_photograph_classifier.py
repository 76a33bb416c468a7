"""The classifier's file: what it reads, what it refuses, and what it says of strange pictures."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forgery import SHIPPED
from forgery_pyfunc.detector import CLASSIFIER_FILE
from forgery_pyfunc.errors import ModelError
from forgery_pyfunc.photograph_classifier import PhotographClassifier
from forgery_pyfunc.picture_statistics import NAMES


def made(units=3, seed=0):
    rng = np.random.default_rng(seed)
    count = len(NAMES)
    return PhotographClassifier(
        mean=rng.normal(size=count).astype(np.float32),
        scale=rng.uniform(0.5, 2, count).astype(np.float32),
        hidden=rng.normal(size=(count, units)).astype(np.float32),
        hidden_bias=rng.normal(size=units).astype(np.float32),
        output=rng.normal(size=units).astype(np.float32),
        output_bias=0.25,
        threshold=0.3,
    )


def test_what_was_written_says_the_same(tmp_path):
    classifier = made()
    path = tmp_path / CLASSIFIER_FILE
    path.write_text(json.dumps(classifier.to_dict()), "utf-8")
    again = PhotographClassifier.load(path)
    values = np.random.default_rng(1).normal(size=(20, len(NAMES))).astype(np.float32)
    assert np.abs(again.logits(values) - classifier.logits(values)).max() < 1e-2
    assert again.threshold == classifier.threshold


@given(st.floats(-1e9, 1e9, width=32))
def test_a_probability_is_one_whatever_the_statistics_are(value):
    assert 0 <= made().probability(np.full(len(NAMES), value, np.float32)) <= 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "format 2"),
        ({"statistics": ["a"]}, "other statistics"),
        ({"hidden": [[1.0]]}, "do not fit"),
        ({"mean": None}, "mean"),
    ],
)
def test_another_file_is_refused_with_its_name(tmp_path, change, words):
    values = {**made().to_dict(), **change}
    path = tmp_path / CLASSIFIER_FILE
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))
    with pytest.raises(ModelError, match=words) as error:
        PhotographClassifier.load(path)
    assert str(path) in str(error.value)


def test_a_file_that_is_no_json_is_refused(tmp_path):
    path = tmp_path / CLASSIFIER_FILE
    path.write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        PhotographClassifier.load(path)


def test_the_shipped_detector_brings_one():
    assert 0 < PhotographClassifier.load(SHIPPED / CLASSIFIER_FILE).threshold < 1
