import numpy as np
import pytest

from forgery.evidence.views.copies import draw
from forgery.evidence.views.method import Picture
from forgery_lab.forgeries.scenes import render
from tests.forgery.evidence.scenes import png


@pytest.fixture(scope="module")
def meadow() -> np.ndarray:
    return render("nat", np.random.default_rng(3))


def test_both_places_are_outlined_and_told_in_words(meadow):
    forged = meadow.copy()
    forged[140:212, 230:302] = meadow[24:96, 20:92][:, ::-1]
    drawing = draw(Picture(png(forged)))
    assert drawing.remark.startswith("One place shows the same as another: mirrored (")
    inside = [np.s_[50:70, 46:66], np.s_[166:186, 256:276]]
    assert all((drawing.pixels[place] == forged[place]).mean() > 0.9 for place in inside)
    outside = drawing.pixels[:20, 200:].astype(int)
    assert (outside == outside[..., :1]).all()  # faded to grey


def test_picture_without_copies_is_shown_as_it_is(meadow):
    drawing = draw(Picture(png(meadow)))
    assert (drawing.pixels == meadow).all()
    assert drawing.remark == "No place of this picture was found again elsewhere."


def test_too_small_a_picture_has_no_view():
    assert draw(Picture(png(np.zeros((63, 200, 3), np.uint8)))) is None
