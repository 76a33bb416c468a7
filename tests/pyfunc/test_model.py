import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pytest
from mlflow.pyfunc.model import PythonModelContext

from forgery import SHIPPED
from forgery_lab.export.pyfunc import input_example
from forgery_pyfunc.contract import AT_ONCE_VARIABLE, HEALTH_CHECK
from forgery_pyfunc.errors import ModelError
from forgery_pyfunc.features import extract
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.model import IMAGES_AT_ONCE, ForgeryModel, images_at_once, read_limits
from forgery_pyfunc.prediction_log.line import Line
from tests.conftest import encoded, picture
from webui.scoring.probe import probe_image


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
    examine = model.detector.examine

    def counted(*arguments, **named):
        nonlocal running
        with lock:
            running += 1
            seen.append(running)
        time.sleep(0.01)  # time in which others would begin
        try:
            return examine(*arguments, **named)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(model.detector, "examine", counted)
    photo = encoded(picture())

    def ask(data):
        return model.predict(None, pd.DataFrame({"image": [data]}), {"strict": False})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, [photo, b"no image"] * 8))
    assert max(seen) == int(setting or IMAGES_AT_ONCE)
    assert len(seen) == 8
    assert [answer["verdict"].item() is None for answer in answers] == [False, True] * 8


@pytest.fixture
def logging_model(tmp_path, monkeypatch):
    """The model with a prediction log in a folder, and what reads the log once it is closed."""
    monkeypatch.setenv("PREDICTION_LOG", str(tmp_path / "log"))
    model = ForgeryModel()
    model.load_context(PythonModelContext({"detector": str(SHIPPED)}, {}))

    def read():
        model.log.close()
        return ds.dataset(tmp_path / "log", partitioning="hive").to_table().to_pandas()

    return model, read


def test_every_answer_is_a_line_of_the_log_without_what_shows_the_picture(logging_model):
    model, read = logging_model
    photo = encoded(picture(), quality=85)
    checks = [photo + HEALTH_CHECK, probe_image(), input_example()["image"].item()]
    images = [photo, encoded(picture(40, 40)), b"no image", *checks]
    answer = model.predict(None, pd.DataFrame({"image": images}), {"strict": False})
    table = read()
    assert len(table) == 3
    assert answer["error"].isna().tolist() == [True, True, False, True, True, True]
    for name in ("verdict", "probability", "width", "height", "format", "model_version"):
        assert table[name].dropna().tolist() == answer[name].head(3).dropna().tolist(), name
    judged, declined, failed = (table.iloc[row] for row in range(3))
    assert (judged["quality"], judged["table_hash"]) == (85, decode(photo).jpeg.table_hash)
    assert 0 < judged["photograph"] < 1
    expected = extract(decode(photo), model.detector.features).mean(axis=(0, 1))
    assert judged.filter(like="mean:").tolist() == pytest.approx(expected, abs=1e-4)
    assert declined["reason"] == "too_small"
    assert failed["error"] == "not_an_image"
    assert table.iloc[1:].filter(like="mean:").isna().all(axis=None)


def test_the_log_takes_less_than_a_millisecond_of_a_request(logging_model):
    model, _ = logging_model
    found = model.detector.examine(encoded(picture(1600, 1200)))
    large = replace(found, features=np.zeros((500, 375, 126), np.float32))  # 12 megapixels
    seconds = []
    for _ in range(200):
        began = time.perf_counter()
        model.log.add(Line.of(large))
        seconds.append(time.perf_counter() - began)
    assert statistics.median(seconds) < 1e-3
