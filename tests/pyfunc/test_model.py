import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
from mlflow.pyfunc.model import PythonModelContext

from forgery import SHIPPED
from forgery_pyfunc.contract import AT_ONCE_VARIABLE
from forgery_pyfunc.errors import ModelError
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.model import IMAGES_AT_ONCE, ForgeryModel, images_at_once, read_limits
from tests.conftest import encoded, picture


def test_the_limits_are_those_of_the_page():
    assert read_limits({}) == read_limits({"MAX_PIXELS": ""}) == Limits()
    found = read_limits({"MAX_UPLOAD_MB": "1.5", "MAX_PIXELS": "2000000"})
    assert found == Limits(max_bytes=3 * 2**19, max_pixels=2_000_000)


@pytest.mark.parametrize("text", ["many", "0", "-1", "nan", "inf"])
def test_a_limit_that_is_no_number_stops_the_start(text):
    with pytest.raises(ModelError, match="MAX_PIXELS is "):
        read_limits({"MAX_PIXELS": text})


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5"])
def test_a_number_of_images_at_once_that_is_none_stops_the_start(text):
    with pytest.raises(ModelError, match="FORGERY_IMAGES_AT_ONCE is "):
        images_at_once({AT_ONCE_VARIABLE: text})


@pytest.mark.parametrize("setting", ["", "1", "3"])
def test_few_images_are_scored_at_once_and_every_request_is_answered(monkeypatch, setting):
    monkeypatch.setenv(AT_ONCE_VARIABLE, setting)
    model = ForgeryModel()
    model.load_context(PythonModelContext({"detector": str(SHIPPED)}, {}))
    lock, running, seen = threading.Lock(), 0, []
    score = model.detector.score

    def counted(*arguments):
        nonlocal running
        with lock:
            running += 1
            seen.append(running)
        time.sleep(0.01)  # time in which others would begin
        try:
            return score(*arguments)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(model.detector, "score", counted)
    photo = encoded(picture())

    def ask(data):
        return model.predict(None, pd.DataFrame({"image": [data]}), {"strict": False})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, [photo, b"no image"] * 8))
    assert max(seen) == int(setting or IMAGES_AT_ONCE)
    assert len(seen) == 8
    assert [answer["verdict"].item() is None for answer in answers] == [False, True] * 8
