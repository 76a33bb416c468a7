import base64
import io
import json

import pytest
from PIL import Image

from forgery_pyfunc.calibration import Calibration
from forgery_pyfunc.contract import VERDICTS, Record
from forgery_pyfunc.detector import Detector
from forgery_pyfunc.errors import ImageError, ModelError
from tests.conftest import encoded, picture, write_detector


@pytest.fixture(scope="module")
def detector(detector_folder):
    return Detector.load(detector_folder)


def test_a_record_has_the_fields_of_the_contract(detector):
    record = detector.score(encoded(picture(200, 120)))
    assert isinstance(record, Record)
    assert record.verdict in VERDICTS
    assert 0 <= record.probability <= 1
    assert (record.width, record.height, record.format) == (200, 120, "JPEG")
    assert record.heatmap is record.error is record.reason is None
    assert record.model_version.startswith("means-")


def test_the_heat_map_lies_on_the_image_as_it_is_shown(detector):
    turned = Image.Exif()
    turned[0x0112] = 6
    record = detector.score(encoded(picture(200, 120), exif=turned), with_heatmap=True)
    assert (record.width, record.height) == (120, 200)
    drawn = Image.open(io.BytesIO(base64.b64decode(record.heatmap)))
    assert drawn.size == (120, 200)
    assert drawn.mode == "L"


def test_a_record_tells_the_cuts_that_decided(detector):
    record = detector.score(encoded(picture()))
    assert (record.t_lo, record.t_hi) == (0.3, 0.7)
    record = detector.score(encoded(picture()), threshold=0.0)
    assert record.verdict == "forged"
    assert record.t_lo == record.t_hi == 0.0


def test_the_same_image_gets_the_same_answer(detector):
    data = encoded(picture(), "PNG")
    assert detector.score(data, None, True) == detector.score(data, None, True)


def test_a_small_image_is_inconclusive_with_the_reason(detector):
    record = detector.score(encoded(picture(63, 200), "PNG"))
    assert record.verdict == "inconclusive"
    assert record.probability is None
    assert record.error is None
    assert record.reason.startswith("too_small: the image has 63×200 pixels")
    assert record.t_lo is record.t_hi is None


def test_what_is_no_image_is_an_error(detector):
    with pytest.raises(ImageError):
        detector.score(b"hello")


def test_the_calibration_decides(tmp_path):
    pessimist = Calibration(bias=20.0, t_lo=0.3, t_hi=0.7)
    folder = write_detector(tmp_path / "d", calibration=pessimist)
    assert Detector.load(folder).score(encoded(picture())).verdict == "forged"


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda folder: (folder / "detector.json").unlink(), "has no detector.json"),
        (lambda folder: (folder / "detector.json").write_text("{"), "not valid JSON"),
        (lambda folder: (folder / "detector.json").write_text("{}"), "lacks calibration"),
        (lambda folder: (folder / "network.onnx").unlink(), "has no network.onnx"),
        (lambda folder: (folder / "network.onnx").write_bytes(b"x"), "is not a valid ONNX network"),
    ],
)
def test_a_damaged_folder_is_refused(tmp_path, break_it, message):
    folder = write_detector(tmp_path / "d")
    break_it(folder)
    with pytest.raises(ModelError, match=message):
        Detector.load(folder)


def test_another_format_is_refused(tmp_path):
    folder = write_detector(tmp_path / "d")
    description = json.loads((folder / "detector.json").read_text())
    (folder / "detector.json").write_text(json.dumps({**description, "format": 99}))
    with pytest.raises(ModelError, match="has format 99; this code reads 1"):
        Detector.load(folder)


def test_odd_sizes_get_finite_answers(detector):
    for pixels in (picture(64, 64), picture(900, 64), picture(65, 71)):
        record = detector.score(encoded(pixels, "PNG"), with_heatmap=True)
        assert 0 <= record.probability <= 1
