from forgery.evidence.views.block_grid import block_grid
from tests.forgery.evidence.scenes import png, saved, scene


def test_block_grid_is_found_where_it_lies():
    pixels = saved(scene(), 60)
    assert block_grid(png(scene())).offset is None
    assert block_grid(png(pixels)).offset == (0, 0)
    moved = block_grid(png(pixels[3:, 5:]))
    assert moved.offset == (5, 3)
    assert "5 rows and 3 columns" in moved.explanation


def test_part_with_another_grid_is_bright():
    pixels = saved(scene(), 60)
    forged = pixels.copy()
    forged[64:192, 128:256] = pixels[20:148, 163:291]
    grid = block_grid(png(forged))
    assert grid.offset == (0, 0)
    assert grid.map[11:21, 19:29].mean() > grid.map[:, 36:].mean() + 60
