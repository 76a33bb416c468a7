"""Histories: after matching, nothing about the saving tells the class."""

import hashlib
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.stats import chi2_contingency, ks_2samp

from forgery_lab.errors import DataError
from forgery_lab.examples.histories import Handling, History, HistoryMatcher, ImageKey
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.jpeg_encoder import encode
from forgery_pyfunc.imaging.jpeg_header import read_header


@pytest.fixture(scope="module")
def data_set(tmp_path_factory):
    """Forty small images a class: each class has a program of its own that saves it."""
    root = tmp_path_factory.mktemp("histories")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(80):
        label = number % 2
        smooth = Image.fromarray(rng.integers(0, 255, (9, 12, 3), dtype=np.uint8))
        pixels = np.asarray(smooth.resize((96, 72), Image.Resampling.BICUBIC))
        if label and number % 8 == 1:
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "TIFF")
            data, kind = buffer.getvalue(), "TIFF"
        elif label:
            quality = int(rng.choice([82, 90, 97]))
            data, kind = encode(pixels, quality=quality, subsampling="4:4:4"), "JPEG"
        else:
            data, kind = encode(pixels, quality=75, subsampling="4:2:0"), "JPEG"
        path = f"{number}.{kind.lower()}"
        (root / path).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        rows.append({"path": path, "label": label, "format": kind, "sha256": digest})
    return root, pd.DataFrame(rows)


@pytest.fixture(scope="module")
def matcher(data_set):
    root, manifest = data_set
    return HistoryMatcher.fit(manifest, root, seed=7)


def key_of(row):
    return ImageKey(row["label"], row["sha256"])


def saved(data_set, matcher, draw=0, displacement=None):
    root, manifest = data_set
    for row in manifest.to_dict("records"):
        data = (root / row["path"]).read_bytes()
        yield row, matcher.save(key_of(row), data, draw, displacement)[0]


def test_final_headers_have_one_distribution_for_both_classes(data_set, matcher):
    found = [
        (row["label"], read_header(data))
        for draw in range(3)
        for row, data in saved(data_set, matcher, draw)
    ]
    qualities = [[h.quality for label, h in found if label == c] for c in (0, 1)]
    assert ks_2samp(*qualities).pvalue > 0.01
    assert min(map(min, qualities)) >= 70
    assert max(map(max, qualities)) <= 95
    for field in ("subsampling", "markers", "process", "components"):
        assert len({getattr(header, field) for _, header in found}) == 1


def test_first_saves_of_authentic_images_are_those_of_the_forged(data_set, matcher):
    """The pool holds each forged JPEG once, and authentic images are saved with draws from it."""
    root, manifest = data_set
    forged = manifest[(manifest["label"] == 1) & (manifest["format"] == "JPEG")]
    headers = [read_header((root / path).read_bytes()) for path in forged["path"]]
    assert sorted(h.tables[:2] for h in headers) == sorted(h.tables for h in matcher.pool)
    assert {h.subsampling for h in matcher.pool} == {"4:4:4"}

    qualities = sorted({h.quality for h in headers})
    expected = [sum(h.quality == q for h in headers) for q in qualities]
    drawn = [
        matcher.pool[int(matcher._rng(key_of(row), draw, 0).integers(len(matcher.pool)))]
        for row in manifest[manifest["label"] == 0].to_dict("records")
        for draw in range(5)
    ]
    tables = {h.quality: h.tables[:2] for h in headers}
    counts = [sum(h.tables == tables[q] for h in drawn) for q in qualities]
    assert chi2_contingency([expected, counts]).pvalue > 0.01


def test_an_authentic_jpeg_and_a_forged_tiff_get_a_first_save_and_a_forged_jpeg_does_not(data_set):
    root, manifest = data_set
    fine, coarse = (
        HistoryMatcher((History(((step,) * 64, (step,) * 64), "4:2:0"),), seed=1)
        for step in (2, 200)
    )
    for row in manifest.head(8).to_dict("records"):
        data = (root / row["path"]).read_bytes()
        same = fine.save(key_of(row), data, 0)[0] == coarse.save(key_of(row), data, 0)[0]
        assert same == (row["label"] == 1 and row["format"] == "JPEG")


def test_the_same_seed_image_and_draw_give_the_same_bytes(data_set, matcher):
    first = [data for _, data in saved(data_set, matcher)]
    assert first == [data for _, data in saved(data_set, matcher)]
    assert first != [data for _, data in saved(data_set, matcher, draw=1)]
    other = HistoryMatcher(matcher.pool, seed=8)
    assert first != [data for _, data in saved(data_set, other)]


@pytest.mark.parametrize("displacement", ["shift", "scale"])
def test_masks_move_with_the_image(matcher, displacement):

    pixels = np.zeros((72, 96, 3), np.uint8)
    pixels[16:48, 24:64] = 255
    mask = pixels[..., 0]
    key = ImageKey(label=1, sha256="ab" * 32)
    for draw in range(6):
        data, moved = matcher.save(key, encode(pixels, quality=95), draw, displacement, mask)
        image = decode(data).luma
        assert moved.shape == image.shape
        assert moved.dtype == mask.dtype
        assert ((image > 128) == (moved > 128)).mean() > 0.98
    shape = {matcher.handling(key, d, displacement) for d in range(20)}
    assert len(shape) > 10


def test_shift_and_scale_stay_within_their_ranges_whatever_the_class(data_set, matcher):
    _, manifest = data_set
    ends = [
        matcher.handling(key_of(row), 0, displacement)
        for displacement in ("shift", "scale")
        for row in manifest.to_dict("records")
    ]
    assert {n for end in ends for n in end.shift} == set(range(8))
    assert all(0.7 <= end.scale <= 0.95 or end.scale == 1 for end in ends)
    authentic, forged = (ImageKey(label, "12" * 32) for label in (0, 1))
    assert matcher.handling(authentic, 0) == matcher.handling(forged, 0)


def test_a_crop_keeps_the_grid(matcher):
    pixels = np.random.default_rng(0).integers(0, 255, (72, 100, 3), dtype=np.uint8)
    key = ImageKey(label=1, sha256="ab" * 32)
    marks = np.arange(72 * 100, dtype=np.int32).reshape(72, 100) % 251
    handling = Handling(quality=90, crop=(0.3, 0.5, 1.0, 1.0))
    _, window = matcher.save_with(key, encode(pixels, quality=90), 0, handling, marks)
    assert window.shape == (72 - 16, 100 - 48)
    assert (marks[16:, 48:] == window).all()


def test_without_a_forged_jpeg_both_classes_draw_from_libjpegs_tables(data_set):
    root, manifest = data_set
    tiffs = manifest[(manifest["label"] == 0) | (manifest["format"] == "TIFF")]
    pool = HistoryMatcher.fit(tiffs, root, seed=0).pool
    assert len(pool) == 26
    with pytest.raises(DataError, match="no forged image"):
        HistoryMatcher.fit(manifest[manifest["label"] == 0], root, seed=0)


def test_an_unknown_displacement_is_refused(matcher):
    with pytest.raises(ValueError, match="allowed: None, shift, scale"):
        matcher.handling(ImageKey(0, "12" * 32), 0, "rotate")
