import pytest

from forgery_pyfunc.errors import ModelError
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.model import read_limits


def test_the_limits_are_those_of_the_page():
    assert read_limits({}) == read_limits({"MAX_PIXELS": ""}) == Limits()
    found = read_limits({"MAX_UPLOAD_MB": "1.5", "MAX_PIXELS": "2000000"})
    assert found == Limits(max_bytes=3 * 2**19, max_pixels=2_000_000)


@pytest.mark.parametrize("text", ["many", "0", "-1", "nan", "inf"])
def test_a_limit_that_is_no_number_stops_the_start(text):
    with pytest.raises(ModelError, match="MAX_PIXELS is "):
        read_limits({"MAX_PIXELS": text})
