import io

import numpy as np
import pytest
from PIL import Image

from forgery_pyfunc import heatmap


@pytest.mark.parametrize(("width", "height"), [(64, 64), (100, 67), (8, 8), (200, 15)])
def test_the_map_has_the_size_of_the_image(width, height):
    blocks = np.full((height // 8, width // 8), 0.25)
    levels = heatmap.render(blocks, width, height)
    assert levels.shape == (height, width)
    assert levels.dtype == np.uint8
    assert (levels == 64).all()


def test_a_hot_block_is_hot_where_it_lies():
    blocks = np.zeros((8, 8))
    blocks[2, 5] = 1.0
    levels = heatmap.render(blocks, 64, 64)
    row, column = np.unravel_index(levels.argmax(), levels.shape)
    assert 16 <= row < 24
    assert 40 <= column < 48
    assert levels.max() > 200
    assert levels[40:, :24].max() == 0


def test_the_png_holds_the_levels():
    levels = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(heatmap.to_png(levels)))), levels)
