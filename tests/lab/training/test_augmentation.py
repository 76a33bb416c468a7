"""Crops and mirrors: a mirrored map is the map of the mirrored picture; labels follow masks."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from forgery_lab.errors import DataError
from forgery_lab.training import augmentation
from forgery_lab.training.losses import UNKNOWN
from forgery_pyfunc.features import FAMILIES, channels, extract
from forgery_pyfunc.imaging.decoding import decode


def as_png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG")
    return decode(buffer.getvalue())


@pytest.fixture(scope="module")
def picture():
    rng = np.random.default_rng(0)
    rough = Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8))
    smooth = np.asarray(rough.resize((256, 192), Image.Resampling.BICUBIC), np.int16)
    noisy = (smooth + rng.normal(0, 4, smooth.shape)).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noisy).save(buffer, "JPEG", quality=80, subsampling=0)
    return decode(buffer.getvalue()).pixels


@pytest.mark.parametrize(("position", "axis"), [(0, 1), (1, 0)])
def test_mirrored_residuals_are_those_of_the_mirrored_picture(picture, position, axis):
    names = channels(["residual"])
    mirror = augmentation.mirrors(names)[position]
    expected = extract(as_png(np.flip(picture, axis)), ["residual"])
    got = mirror.of_features(extract(as_png(picture), ["residual"]))
    error = np.abs(got - expected).mean((0, 1)) / expected.std((0, 1))
    edges = [place for place, name in enumerate(names) if name.endswith((".column.0", ".row.0"))]
    others = np.delete(error, edges)
    assert others.max() < 0.3
    assert np.median(others) < 0.01


def test_mirrored_levels_are_those_of_the_mirrored_picture():
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 255, (64, 64), dtype=np.uint8)[..., None].repeat(3, 2)
    names = channels(["dct"])
    for mirror in augmentation.mirrors(names):
        got = mirror.of_features(extract(as_png(pixels), ["dct"]))
        expected = extract(as_png(np.flip(pixels, mirror.axis)), ["dct"])
        assert (got != expected).mean() < 0.01


def test_a_mirrored_comparison_of_grids_is_that_of_the_mirrored_picture(picture):
    names = channels(["double_jpeg"])
    for mirror in augmentation.mirrors(names):
        got = mirror.of_features(extract(as_png(picture), ["double_jpeg"]))
        expected = extract(as_png(np.flip(picture, mirror.axis)), ["double_jpeg"])
        assert np.abs(got - expected).mean() < 0.02 * np.abs(expected).mean()


# Where nothing is copied, the nearest place that looks the same is chance.
EXACT = [name for name, family in FAMILIES.items() if family.mirror and name != "copymove"]


@pytest.mark.parametrize("family", EXACT)
def test_the_mirror_rule_of_a_family_agrees_with_mirroring_the_picture(picture, family):
    for mirror in augmentation.mirrors(channels([family])):
        got = mirror.of_features(extract(as_png(picture), [family]))
        expected = extract(as_png(np.flip(picture, mirror.axis)), [family])
        error = np.abs(got - expected).mean((0, 1)) / (expected.std((0, 1)) + 1e-6)
        assert (error > 0.3).mean() < 0.05


def test_mirroring_twice_changes_nothing():
    names = channels(["residual", "copymove", "dct", "double_jpeg"])
    features = np.random.default_rng(2).normal(size=(5, 7, len(names))).astype(np.float32)
    for mirror in augmentation.mirrors(names):
        np.testing.assert_array_equal(mirror.of_features(mirror.of_features(features)), features)


def test_a_family_without_a_mirror_rule_is_refused():
    with pytest.raises(DataError, match="no mirror rule is defined for feature family ela"):
        augmentation.mirrors(["residual:brightness", "ela:ela.red"])


shapes = st.tuples(st.integers(8, 24), st.integers(8, 24))


@settings(max_examples=60, deadline=None)
@given(shape=shapes, size=st.integers(8, 20), seed=st.integers(0, 2**16))
def test_features_targets_and_label_of_a_crop_belong_together(shape, size, seed):
    rng = np.random.default_rng(seed)
    targets = np.zeros(shape, np.float16)
    targets[2:6, 1:5] = 1
    features = targets[..., None].astype(np.float16)
    mirrors = augmentation.mirrors(["copymove:14.distance"])
    window = augmentation.window(features, targets, 1, size, mirrors, rng)
    inside = window.targets != UNKNOWN
    assert inside.sum() == min(shape[0], size) * min(shape[1], size)
    np.testing.assert_array_equal(np.isnan(window.features[..., 0]), ~inside)
    np.testing.assert_array_equal(window.features[inside, 0], window.targets[inside])
    assert window.label == int((window.targets == 1).any())
    assert window.certainty == float(not 0 < (window.targets == 1).sum() < 4)


def test_without_a_mask_a_crop_keeps_the_label_of_its_image():
    unknown = np.full((20, 20), np.nan, np.float16)
    window = augmentation.window(
        np.zeros((20, 20, 1), np.float16), unknown, 1, 8, (), np.random.default_rng(0)
    )
    assert (window.label, window.certainty) == (1, 1.0)
    assert (window.targets == UNKNOWN).all()
