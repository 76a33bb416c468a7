import pytest

from benchmarks.footprint import Footprint, requirements
from benchmarks.servers import KERAS_PYFUNC, SCORING


def footprint(server, start=10.0, rest=100.0, after=100.0):
    return Footprint(
        server=server, start_seconds=start, rest_megabytes=rest, after_large_megabytes=after
    )


@pytest.mark.parametrize(
    ("ours", "met"),
    [
        (footprint(SCORING, start=4, rest=30, after=39), [True, True, True]),
        (footprint(SCORING, start=4.1, rest=31, after=41), [False, False, False]),
    ],
)
def test_the_scoring_server_is_compared_with_itself_and_with_a_plain_keras_model(ours, met):
    assert [one.met for one in requirements([ours, footprint(KERAS_PYFUNC)])] == met


def test_without_the_plain_keras_model_memory_after_large_pictures_is_judged_alone():
    (only,) = requirements([footprint(SCORING)])
    assert "after 100 large pictures" in only.what
    assert list(requirements([footprint(KERAS_PYFUNC)])) == []
