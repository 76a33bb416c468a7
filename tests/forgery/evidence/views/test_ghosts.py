import pytest

from forgery.evidence.views.ghosts import jpeg_ghosts
from tests.forgery.evidence.scenes import png, saved, scene


def test_ghost_of_an_earlier_save_shows_in_the_curve_and_of_a_part_in_its_map():
    host = scene()
    once = saved(host, 60)
    host[64:192, 128:256] = once[64:192, 128:256]
    ghosts = jpeg_ghosts(png(host))
    assert ghosts.maps.shape == (9, 32, 48)
    part = ghosts.maps[ghosts.qualities.index(60), 9:23, 17:31]
    rest = ghosts.maps[ghosts.qualities.index(60), :, 34:]
    assert part.mean() < 20 < rest.mean()
    assert 60 in jpeg_ghosts(png(once)).minima
    assert jpeg_ghosts(png(scene())).minima == ()


def test_ghost_quality_outside_the_range_is_refused():
    with pytest.raises(ValueError, match="quality: got 0"):
        jpeg_ghosts(png(scene(64, 64)), [0])
