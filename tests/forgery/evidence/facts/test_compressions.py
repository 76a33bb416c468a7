import pytest

from forgery.evidence.facts.compressions import compressions
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.jpeg_encoder import encode
from tests.forgery.evidence.scenes import png, saved, scene


@pytest.mark.parametrize(("first", "second"), [(60, 85), (70, 90), (80, 95)])
def test_two_saves_are_told_from_one(first, second):
    twice = compressions(decode(encode(saved(scene(), first), quality=second)))
    assert twice.count == 2
    assert abs(twice.earlier_quality - first) <= 4
    assert compressions(decode(encode(scene(), quality=second))).count == 1


def test_compressions_of_files_without_tables():
    assert compressions(png(scene())).count == 0
    assert compressions(png(saved(scene(), 70))).count == 1
