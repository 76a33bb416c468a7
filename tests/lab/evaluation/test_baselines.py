"""Baselines: they find what is there to be found without a network, and nothing else."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from forgery_lab.evaluation import baselines
from forgery_lab.evaluation.metrics import auc
from forgery_lab.examples.histories import HistoryMatcher, ImageKey, history_of
from forgery_pyfunc.imaging.jpeg_encoder import encode


def files(number, seed=0):
    """Files of two programs: authentic ones at 4:2:0, quality 75 and 80; forged at 4:4:4, 92."""
    rng = np.random.default_rng(seed)
    rows, data = [], []
    for i in range(number):
        label = i % 2
        pixels = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
        quality, subsampling = (92, "4:4:4") if label else (int(rng.choice([75, 80])), "4:2:0")
        data.append(encode(pixels, quality=quality, subsampling=subsampling))
        digest = hashlib.sha256(data[-1]).hexdigest()
        rows.append({"path": f"{i}.jpg", "label": label, "sha256": digest, "category": "ani"})
    return pd.DataFrame(rows), data


def header_auc(rows, data):
    """Half the images teach, the other half are judged."""
    found = np.stack([baselines.header_features(one) for one in data])
    half = len(rows) // 2
    label = rows["label"].to_numpy() == 1
    score = baselines.boosted_trees(found[:half], label[:half], found[half:])
    return auc(label[half:], score)


def test_the_header_tells_everything_before_matching_and_nothing_after():
    rows, data = files(5000)
    assert header_auc(rows[:400], data[:400]) > 0.99
    pool = tuple(
        h
        for one, label in zip(data, rows["label"], strict=True)
        if label and (h := history_of(one))
    )
    matcher = HistoryMatcher(pool, seed=1)
    keys = map(ImageKey, rows["label"], rows["sha256"])
    matched = [matcher.save(key, one, 0)[0] for key, one in zip(keys, data, strict=True)]
    assert header_auc(rows, matched) == pytest.approx(0.5, abs=0.03)


def test_pixel_statistics_see_what_ela_sees():
    rng = np.random.default_rng(0)
    found, label = [], np.arange(60) % 2 == 1
    for forged in label:
        pixels = rng.integers(0, 255, (48, 48, 3), dtype=np.uint8)
        first = encode(pixels, quality=60 if forged else 90)
        found.append(baselines.pixel_features(first))
    score = baselines.boosted_trees(np.stack(found)[:40], label[:40], np.stack(found)[40:])
    assert auc(label[40:], score) > 0.95


def test_header_features_leave_dimensions_and_bytes_out():
    small, large = (encode(np.zeros((side, side, 3), np.uint8), quality=85) for side in (16, 160))
    np.testing.assert_array_equal(
        baselines.header_features(small), baselines.header_features(large)
    )
    assert (baselines.dimension_features(small) != baselines.dimension_features(large)).any()


def test_files_that_are_no_jpeg_have_header_features_of_the_same_length():
    png = b"\x89PNG\r\n\x1a\n" + bytes(20)
    jpeg = encode(np.zeros((16, 16), np.uint8), quality=85)
    assert baselines.header_features(png).shape == baselines.header_features(jpeg).shape


def test_rates_are_those_of_equal_priors_and_unknown_values_say_nothing():
    train = pd.Series(["txt"] * 30 + ["ani"] * 10 + ["txt"] * 10 + ["ani"] * 90)
    label = np.arange(140) < 40
    found = baselines.rates(train, label, pd.Series(["txt", "ani", "new"]))
    assert found == pytest.approx([0.75 / 0.85, 0.25 / 1.15, 0.5], abs=0.02)


def test_extraction_in_processes_equals_extraction_here():
    _, data = files(70)
    loads = [_Bytes(one) for one in data]
    here, there = (baselines.extract(loads, workers=workers) for workers in (1, 2))
    for name in here:
        np.testing.assert_array_equal(here[name], there[name])
        assert len(here[name]) == 70


class _Bytes:
    def __init__(self, data):
        self.data = data

    def __call__(self):
        return self.data


def test_each_baseline_gives_a_probability_per_image_and_others_are_refused():
    rows, data = files(60)
    rows = baselines.with_extension(rows, matched=False)
    features = baselines.extract([_Bytes(one) for one in data], workers=1)
    for name in baselines.BASELINES:
        found = baselines.predict(name, rows, rows, features, features)
        assert found.shape == (60,)
        assert ((found >= 0) & (found <= 1)).all()
    with pytest.raises(ValueError, match="allowed: majority"):
        baselines.predict("guess", rows, rows, features, features)


def test_features_that_never_vary_give_no_opinion():
    constant = np.full((40, 3), np.nan, np.float32)
    assert set(baselines.boosted_trees(constant, np.arange(40) < 20, constant)) == {0.5}
