import base64
import io
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import forgery_pyfunc
from forgery import SHIPPED
from forgery_pyfunc.calibration import Calibration
from forgery_pyfunc.contract import VERDICTS, Record
from forgery_pyfunc.detector import Detector
from forgery_pyfunc.errors import ImageError, ModelError, ParameterError
from forgery_pyfunc.imaging.guards import Limits
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


def test_a_path_and_the_bytes_of_its_file_get_the_same_answer(detector, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(picture()))
    assert detector.score(path) == detector.score(str(path)) == detector.score(path.read_bytes())


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "LA", "I;16"])
def test_a_pillow_image_stands_for_its_pixels(detector, mode):
    deep = mode == "I;16"
    image = Image.fromarray(picture()).convert("L" if deep else mode)
    if deep:
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    as_file = detector.score(buffer.getvalue(), with_heatmap=True)
    assert (as_file.probability is None) == (mode in "P1")  # too few colours
    assert detector.score(image, with_heatmap=True) == replace(as_file, format=None)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_a_pillow_image_that_is_turned_is_scored_as_its_file(detector, file_format):
    turned = Image.Exif()
    turned[0x0112] = 6
    data = encoded(picture(200, 120), file_format, exif=turned)
    opened = detector.score(Image.open(io.BytesIO(data)), with_heatmap=True)
    assert (opened.width, opened.height) == (120, 200)
    size = Image.open(io.BytesIO(base64.b64decode(opened.heatmap))).size
    assert size == (120, 200)


def test_what_cannot_be_scored_says_why(detector, tmp_path):
    with pytest.raises(FileNotFoundError):
        detector.score(tmp_path / "gone.jpg")
    with pytest.raises(IsADirectoryError):
        detector.score(str(tmp_path))
    with pytest.raises(TypeError, match="must be bytes, a path or a Pillow image, not ndarray"):
        detector.score(picture())
    with pytest.raises(ParameterError, match="from 0 to 1"):
        detector.score(Image.fromarray(picture()), threshold=2)
    cut = io.BytesIO(encoded(picture())[:2000])
    with pytest.raises(ImageError, match="ends too early") as caught:
        detector.score(Image.open(cut))
    assert caught.value.code == "broken_image"
    with pytest.raises(ImageError, match="million pixels"):
        detector.score(Image.fromarray(picture()), limits=Limits(max_pixels=100))
    (tmp_path / "large.png").write_bytes(encoded(picture(), "PNG"))
    with pytest.raises(ImageError, match="larger than the limit"):
        detector.score(tmp_path / "large.png", limits=Limits(max_bytes=100))


def test_the_shipped_detector_is_that_of_the_package():
    ours, loaded = forgery_pyfunc.Detector.shipped(), Detector.load(SHIPPED)
    data = encoded(picture(384, 256))
    assert ours.score(data) == loaded.score(data)


WITHOUT_FORGERY = """
import sys
sys.modules["forgery"] = None
from forgery_pyfunc import Detector
try:
    Detector.shipped()
except Exception as error:
    print(type(error).__name__, error)
"""


def test_without_the_package_the_shipped_detector_says_what_to_install():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_FORGERY], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("ModelError the shipped detector comes with the package forgery-")


def test_importing_a_module_of_the_package_loads_no_network():
    code = "import sys, forgery_pyfunc, forgery_pyfunc.contract as c; print(*sys.modules)"
    code += "\nassert forgery_pyfunc.Detector.__module__ == 'forgery_pyfunc.detector'"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"onnxruntime", "numpy", "PIL"} & set(done.stdout.split())
    with pytest.raises(AttributeError, match="no attribute 'Detectors'"):
        forgery_pyfunc.Detectors  # noqa: B018


@pytest.mark.parametrize(
    ("format_name", "pages", "sentence"),
    [
        ("TIFF", 2, "the file has 2 pages; only the first was judged"),
        ("TIFF", 120, "the file has 100 or more pages; only the first was judged"),
        ("PNG", 3, "the file has 3 frames; only the first was judged"),
        ("WEBP", 3, "the file has 3 frames; only the first was judged"),
    ],
)
def test_further_frames_are_noted(detector, format_name, pages, sentence):
    first, *others = [Image.fromarray(np.roll(picture(), n, 1)) for n in range(pages)]
    output = io.BytesIO()
    first.save(output, format_name, save_all=True, append_images=others)
    record = detector.score(output.getvalue())
    assert record.note == f"first_frame_only: {sentence}"
    assert record.error is None
    assert detector.score(encoded(picture(), "PNG")).note is None
