import numpy as np
import pytest

from forgery_lab.forgeries.pictures import SMALLEST_SIDE, sized
from forgery_pyfunc import features


def test_large_pictures_are_brought_into_the_range_and_small_ones_left():
    large = np.zeros((3000, 4000, 3), np.uint8)
    longest = set()
    for seed in range(6):
        picture, operations = sized(large, np.random.default_rng(seed), (500, 1500))
        longest.add(max(picture.shape))
        assert operations[0]["name"] == "reduce"
        assert picture.shape[0] / picture.shape[1] == pytest.approx(0.75, abs=0.01)
    assert min(longest) >= 499
    assert max(longest) <= 1501
    assert len(longest) > 3
    small = np.zeros((300, 400, 3), np.uint8)
    picture, operations = sized(small, np.random.default_rng(0), (500, 1500))
    assert picture is small
    assert operations == []


def test_what_is_forged_is_large_enough_for_the_features():
    assert SMALLEST_SIDE == features.SMALLEST_SIDE
