import numpy as np
import pytest

from forgery_lab.forgeries.inpainting import METHODS, inpainted


@pytest.fixture
def hole():
    y, x = np.mgrid[:120, :160]
    return (y - 60) ** 2 + (x - 80) ** 2 < 22**2


@pytest.mark.parametrize("method", METHODS)
def test_only_the_hole_is_filled_and_says_nothing_of_what_was_there(hole, method):
    host = np.random.default_rng(1).integers(90, 110, (120, 160, 3), np.uint8)
    pictures = []
    for level in (0, 255):
        host[hole] = level
        operations = []
        pictures.append(inpainted(host, hole, method, np.random.default_rng(4), operations))
        assert np.array_equal(pictures[-1][~hole], host[~hole])
        assert abs(pictures[-1][hole].mean() - 100) < 5
        assert operations[0]["name"] == "inpaint"
        assert operations[0]["method"] == method
    assert np.array_equal(*pictures)


def test_patches_continue_a_pattern(hole):
    x = np.arange(160)
    stripes = np.where(x // 8 % 2, 200, 60).astype(np.uint8)
    host = np.broadcast_to(stripes[None, :, None], (120, 160, 3)).copy()
    holed = host.copy()
    holed[hole] = 0
    filled = inpainted(holed, hole, "exemplar", np.random.default_rng(0), [])
    assert (np.abs(filled.astype(int) - host)[hole].mean(axis=1) < 30).mean() > 0.9


def test_where_no_patch_is_whole_the_fill_is_smooth():
    host = np.full((64, 64, 3), 80, np.uint8)
    hole = np.ones((64, 64), bool)
    hole[::8] = False
    filled = inpainted(host, hole, "exemplar", np.random.default_rng(0), [])
    assert np.abs(filled.astype(int) - 80).max() <= 1
