"""Decoders in processes of their own: what they answer, and what comes of dead and wild ones."""

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from forgery_pyfunc.errors import ImageError, ModelError
from forgery_pyfunc.imaging import decoding, sandbox
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.imaging.sandbox import answers, pool
from forgery_pyfunc.imaging.sandbox.pool import DecoderError, Sandbox
from tests.conftest import encoded, picture
from tests.deploy.engine import wait_until
from tests.pyfunc.imaging.images import file
from tests.pyfunc.imaging.sandbox import stand_in_operations, unfiltered_operations
from tests.pyfunc.imaging.test_damage import SOUND, damaged

PHOTO = encoded(picture())


@pytest.fixture(scope="module")
def box():
    made = Sandbox()
    yield made
    made.close()


@pytest.fixture(scope="module")
def wild():
    """A sandbox with few pixels, little time, and decoders that do what a file names."""
    made = Sandbox(Limits(2**20, 2**20), 2, 1.0, stand_in_operations.__name__)
    yield made
    made.close()


def processes(box):
    """Return the decoders, the idle and the dead among them."""
    return psutil.Process(box.servers[0].process.pid).children()


def outcome(read, data):
    """Return what reading a file gives: what it is refused with, or all that it holds."""
    try:
        found = read(data)
    except ImageError as error:
        return error.code, str(error)
    return {
        name: value.tobytes() if isinstance(value, np.ndarray) else value
        for name, value in vars(found).items()
    }


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.filterwarnings("ignore")
def test_a_sandbox_reads_and_refuses_as_this_process_does(box, name):
    for data in [SOUND[name], *(damaged(SOUND[name], seed) for seed in range(40)), b"text"]:
        if data:
            assert outcome(box.decode, data) == outcome(decoding.decode, data)
            assert outcome(box.read_metadata, data) == outcome(decoding.read_metadata, data)


def test_the_arrays_of_one_picture_stay_as_they_are_when_the_next_comes(box):
    first, expected = box.decode(PHOTO), decoding.decode(PHOTO)
    for _ in range(3):
        box.decode(encoded(picture(seed=2)))
    np.testing.assert_array_equal(first.pixels, expected.pixels)
    np.testing.assert_array_equal(first.luma, expected.luma)


def test_the_limits_of_a_call_and_those_of_the_sandbox_both_hold(wild):
    with pytest.raises(ImageError, match="million pixels") as caught:
        wild.decode(PHOTO, Limits(max_pixels=100))
    assert caught.value.code == "too_many_pixels"
    large = encoded(np.zeros((1025, 1024, 3), np.uint8), "PNG")
    with pytest.raises(ImageError, match="million pixels"):
        wild.decode(large, Limits())
    with pytest.raises(ImageError, match="larger than the limit of 1 MB"):
        wild.decode(PHOTO + bytes(2**20), Limits())


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        ("hang", "did not end within 1 s"),
        ("spin", "did not end within 1 s"),
        ("die", "its decoder died"),
        ("crash", "its decoder died"),
        ("allocate", "more memory than its decoder may have"),
        ("lie", "gave no answer that could be read"),
        ("lie_in_the_code", "gave no answer that could be read"),
    ],
)
def test_a_decoder_that_fails_costs_one_file(wild, deed, said):
    started = time.monotonic()
    with pytest.raises(ImageError, match=said) as caught:
        wild.read_metadata(deed.encode())
    assert caught.value.code == "decoder_failed"
    assert time.monotonic() - started < 5
    assert wild.decode(PHOTO).width == 192


@pytest.mark.parametrize(
    "deed",
    ["open_file", "write_file", "open_socket", "fork", "execute", "kill_parent", "map_code",
     "shrink_memory"],
)  # fmt: skip
def test_the_kernel_refuses_what_no_decoder_needs(wild, deed):
    with pytest.raises(ImageError, match="PermissionError"):
        wild.read_metadata(deed.encode())
    assert wild.decode(PHOTO).width == 192


def test_threads_are_allowed(wild):
    assert not wild.read_metadata(b"thread").damaged


def test_without_the_filter_the_limits_of_the_process_still_hold(caplog):
    box = Sandbox(Limits(2**20, 2**20), 1, 1.0, unfiltered_operations.__name__)
    try:
        for deed in ("open_file", "write_file", "open_socket"):
            with pytest.raises(ImageError, match=r"^OSError$"):  # too many open files
                box.read_metadata(deed.encode())
        assert "does not filter" in caplog.text
    finally:
        box.close()


def test_a_fault_of_this_project_is_no_fault_of_the_file(wild):
    with pytest.raises(RuntimeError, match="RecursionError"):
        wild.read_metadata(b"recurse")
    with pytest.raises(RuntimeError, match="KeyError"):
        wild.read_metadata(b"no such deed")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_service_that_is_told_to_stop_still_starts_decoders(number):
    server = pool.ForkServer(stand_in_operations.__name__, 2**30)
    try:
        server.process.send_signal(number)  # the group of the service is told; Python starts here
        decoder = server.fork(answers.room(Limits(2**20, 2**20)))
        assert decoder.is_waiting()
        decoder.end()
    finally:
        server.end()
    assert number not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_ten_failures_in_a_row_and_the_next_file_is_read(wild):
    for _ in range(10):
        with pytest.raises(ImageError, match="died"):
            wild.read_metadata(b"crash")
    assert wild.decode(PHOTO).width == 192


def test_a_decoder_killed_in_the_middle_costs_its_file_alone(wild):
    refused = []

    def read():
        with pytest.raises(ImageError) as caught:
            wild.read_metadata(b"hang")
        refused.append(caught.value.code)

    wild.start()
    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(0.3)
    for process in processes(wild):
        process.kill()
    thread.join(5)
    assert refused == ["decoder_failed"]
    assert wild.decode(PHOTO).width == 192


def test_decoders_killed_while_they_wait_cost_nothing(wild):
    wild.start()
    for _ in range(5):
        for process in processes(wild):
            process.kill()
            process.wait(5)
        assert wild.decode(PHOTO).width == 192


def test_a_killed_fork_server_is_replaced(wild):
    wild.start()
    decoders = processes(wild)
    wild.servers[0].process.kill()
    _, alive = psutil.wait_procs(decoders, timeout=5)
    assert not alive
    assert wild.decode(PHOTO).width == 192


def test_many_threads_share_few_decoders(box):
    files = [encoded(picture(64 + 8 * number, 64 + number, seed=number)) for number in range(16)]
    expected = [outcome(decoding.decode, data) for data in files]
    with ThreadPoolExecutor(16) as threads:
        for _ in range(4):
            found = list(threads.map(lambda data: outcome(box.decode, data), files))
            assert found == expected
    wait_until(lambda: len(processes(box)) <= 2, "one that was replaced has not ended")


def test_five_hundred_files_leave_neither_descriptors_nor_processes(box):
    box.decode(PHOTO)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(500):
        if number % 5:
            box.decode(PHOTO)
        else:
            with pytest.raises(ImageError):
                box.decode(PHOTO[: number + 3])
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2  # another decoder: two each
    alive = [process for process in processes(box) if process.status() != psutil.STATUS_ZOMBIE]
    assert len(alive) == len(processes(box)) <= 2


def test_a_decoder_is_replaced_after_its_files(monkeypatch):
    monkeypatch.setattr(pool, "FILES_PER_DECODER", 3)
    box = Sandbox(decoders=1)
    try:
        seen = set()
        for _ in range(9):
            box.decode(PHOTO)
            seen |= {process.pid for process in processes(box)}
        assert len(seen) >= 3
    finally:
        box.close()


def test_memory_for_a_large_picture_is_given_back(monkeypatch):
    monkeypatch.setattr(pool, "KEPT_BYTES", 2**20)
    box = Sandbox(decoders=1)
    try:
        box.decode(encoded(np.zeros((2000, 2000, 3), np.uint8), "PNG"))
        box.decode(PHOTO)
        (decoder,) = processes(box)
        held = sum(one.rss for one in decoder.memory_maps() if "memfd:image" in one.path)
        assert held <= 2**20
    finally:
        box.close()


def test_a_decoder_knows_nothing_of_the_service(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    box = Sandbox(decoders=1)
    try:
        box.start()
        (decoder,) = processes(box)
        assert "AWS_SECRET_ACCESS_KEY" not in decoder.environ()
        opened = {str(one.readlink()) for one in Path(f"/proc/{decoder.pid}/fd").iterdir()}
        assert {name.split(":")[0] for name in opened} == {"/dev/null", "socket", "/memfd"}
    finally:
        box.close()


@pytest.mark.parametrize("deed", ["hang", "spin"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_processes_end_with_the_service_however_that_ends(how, deed):
    command = [sys.executable, "-m", "tests.pyfunc.imaging.sandbox.parent", deed]
    service = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    children = [psutil.Process(int(number)) for number in service.stdout.readline().split()]
    assert len(children) == 2
    time.sleep(0.2)  # it decodes
    service.send_signal(how)
    service.wait(10)
    service.stdout.close()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


def test_a_sandbox_that_cannot_start_says_so():
    box = Sandbox(module="no_such_module")
    with pytest.raises(DecoderError, match="could not be started"):
        box.decode(PHOTO)


@pytest.mark.parametrize(("text", "wanted"), [("", False), ("on", True), ("0", False)])
def test_the_environment_decides(text, wanted):
    assert sandbox.is_wanted({sandbox.VARIABLE: text}) is wanted
    assert not sandbox.is_wanted({})


def test_a_setting_that_says_neither_stops_the_start():
    with pytest.raises(ModelError, match="DECODER_SANDBOX is 'perhaps'; it must be on or off"):
        sandbox.is_wanted({sandbox.VARIABLE: "perhaps"})


PIXELS = np.repeat(np.repeat(picture(256, 256), 8, 0), 8, 1)
GREY = Image.fromarray(PIXELS).convert("L")
TURNED = Image.Exif()
TURNED[0x0112] = 6


@pytest.mark.parametrize(
    ("mode", "format_name", "options"),
    [
        ("RGB", "JPEG", {"progressive": True}),
        ("CMYK", "JPEG", {}),
        ("RGBA", "PNG", {}),
        ("I;16", "PNG", {}),
        ("F", "TIFF", {"compression": "tiff_adobe_deflate", "exif": TURNED}),
        ("RGBA", "TIFF", {"compression": "tiff_adobe_deflate", "exif": TURNED}),
        ("RGBA", "WEBP", {"lossless": True, "method": 0}),
    ],
)
def test_the_largest_pictures_fit_into_the_memory_of_a_decoder(
    monkeypatch, mode, format_name, options
):
    monkeypatch.setattr(pool, "BYTES_BESIDE_PIXELS", 32 * 2**20)
    image = Image.fromarray(PIXELS) if mode in ("RGB", "RGBA", "CMYK") else GREY
    data = file(image.convert(mode), format_name, **options)
    box = Sandbox(Limits(len(data), PIXELS.shape[0] * PIXELS.shape[1]), 1)
    try:
        assert box.decode(data).width == 2048
    finally:
        box.close()
