import numpy as np
import pytest

from forgery_pyfunc.explaining.saves import FEWEST, Levels
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.jpeg_encoder import encode
from tests.pyfunc.explaining.test_copied import grainy


def saved(pixels, quality):
    return decode(encode(pixels, quality=quality, subsampling="4:4:4")).pixels


def image_of(first, last, pasted=None):
    """A picture saved at `first`, a part pasted, saved at `last`; and the part's blocks."""
    pixels = grainy(384, 512) if first is None else saved(grainy(384, 512), first)
    part = np.zeros((48, 64), bool)
    part[10:26, 20:40] = True
    if pasted is not None:
        pixels = pixels.copy()
        pixels[80:208, 160:320] = pasted[80:208, 160:320]
    return decode(encode(pixels, quality=last, subsampling="4:4:4")), part


@pytest.mark.parametrize(("first", "last"), [(60, 85), (70, 90), (75, 95)])
def test_the_quality_of_an_earlier_save_is_found(first, last):
    image, part = image_of(first, last)
    save = Levels.of(image, ~part).earlier_save()
    assert abs(save.quality - first) <= 3
    assert save.evidence > 0.5
    assert Levels.of(image, part).evidence_of(save) > 0


@pytest.mark.parametrize("last", [75, 90])
def test_without_an_earlier_save_none_is_found(last):
    image, part = image_of(None, last)
    assert Levels.of(image, ~part).earlier_save() is None


def test_a_part_that_was_never_saved_before_bears_no_trace_of_the_save_of_the_rest():
    image, part = image_of(65, 90, pasted=grainy(384, 512)[::-1])
    save = Levels.of(image, ~part).earlier_save()
    assert abs(save.quality - 65) <= 3
    pasted = Levels.of(image, part)
    assert pasted.evidence_of(save) < 0
    assert pasted.earlier_save() is None


def test_a_part_of_another_earlier_save_bears_that_one():
    image, part = image_of(None, 92, pasted=saved(grainy(384, 512)[::-1], 70))
    assert Levels.of(image, ~part).earlier_save() is None
    assert abs(Levels.of(image, part).earlier_save().quality - 70) <= 4


def test_too_few_blocks_say_nothing():
    image, _ = image_of(70, 90)
    few = np.zeros((48, 64), bool)
    few[0, :FEWEST] = True
    assert Levels.of(image, few) is None
