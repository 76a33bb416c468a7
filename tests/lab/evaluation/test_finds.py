"""The picture of forgeries that were found."""

from dataclasses import replace

import numpy as np
from PIL import Image

from forgery_lab.evaluation import finds
from forgery_lab.evaluation.mistakes import ShownImage

FIND = ShownImage(
    path="Tp/one.jpg",
    label=1,
    kind="splice",
    probability=0.93,
    verdict="forged",
    picture=np.full((48, 72, 3), 90, np.uint8),
    heatmap=np.full((48, 72), 200, np.uint8),
    mask=np.eye(48, 72) > 0,
)


def test_three_finds_are_shown_each_with_map_and_verdict(tmp_path):
    path = tmp_path / finds.PICTURE
    finds.write(path, [FIND] * 5)
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.height > picture.width / 2
    drawn = finds.figure([FIND, replace(FIND, mask=None, heatmap=None, kind="copy-move")])
    titles = [axes.get_title() for axes in drawn.axes]
    assert titles[1] == titles[3] == "verdict forged, probability 0.93"
    assert titles[2].startswith("copy-move")
    assert [len(axes.images) for axes in drawn.axes] == [1, 1, 1, 0]


def test_without_a_find_no_picture_of_an_earlier_evaluation_stays(tmp_path):
    path = tmp_path / finds.PICTURE
    finds.write(path, [FIND])
    finds.write(path, [])
    assert not path.exists()
