"""Renditions: what becomes of a picture that is passed on, and the table of their statistics."""

import numpy as np
import pytest

from forgery_lab.examples import picture_renditions
from forgery_lab.sources.labelled_pictures import LabelledPicture
from forgery_pyfunc.picture_statistics import NAMES
from tests.conftest import encoded, picture


@pytest.mark.parametrize("size", [(64, 64), (900, 600), (2400, 1800)])
def test_a_picture_that_is_passed_on_keeps_its_form_within_the_limits(size):
    pixels = picture(*size)
    for seed in range(4):
        image = picture_renditions.passed_on(pixels, np.random.default_rng(seed))
        assert min(image.width, image.height) >= 64
        assert image.width * image.height <= 1.01 * picture_renditions.MOST_PIXELS
        assert image.width / image.height == pytest.approx(size[0] / size[1], rel=0.03)


def test_a_row_per_picture_and_rendition_the_same_each_time(tmp_path):
    files = {
        "a.jpg": encoded(picture()),
        "b.png": encoded(picture(seed=2), "PNG"),
        "bad.jpg": b"no image",
        "small.png": encoded(picture(40, 40), "PNG"),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    pictures = [
        LabelledPicture(path, path.suffix, is_photograph=path.suffix == ".jpg")
        for path in sorted(tmp_path.iterdir())
    ]
    first, again = (picture_renditions.table(pictures, 2, 5, workers=1) for _ in range(2))
    assert first.equals(again)
    assert first["picture"].tolist() == [0, 0, 0, 1, 1, 1]
    assert first["rendition"].tolist() == [0, 1, 2] * 2
    assert first["is_photograph"].tolist() == [True] * 3 + [False] * 3
    assert np.isfinite(first[list(NAMES)].to_numpy()).all()
    assert (
        picture_renditions.table(pictures, 2, 6, workers=1)["grid.step.1"].tolist()[1:3]
        != (first["grid.step.1"].tolist()[1:3])
    )
