"""The entrances that are fuzzed, with the refusals that each of them may give."""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from flask.testing import FlaskClient

from forgery_lab.data import manifest
from forgery_lab.errors import DataError
from forgery_lab.sources import archives
from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging import decoding
from forgery_pyfunc.imaging.guards import Limits
from webui.application import create_app
from webui.settings import Settings

BOUNDARY = "of-the-form"
LIMITS = Limits(max_bytes=2**20, max_pixels=2**20)
ARCHIVES = archives.ArchiveLimits(max_files=100, max_bytes=2**24)


def decode(data: bytes) -> None:
    """Decode an image, with its metadata; all of it in this process."""
    with suppress(ImageError):
        decoding.decode(data, LIMITS)
    with suppress(ImageError):
        decoding.read_metadata(data, LIMITS)


def header(data: bytes) -> None:
    """Judge an image by its header, as the page does before it sends a file on."""
    with suppress(ImageError):
        decoding.check(data, LIMITS)


def invocations(data: bytes) -> None:
    """Post JSON to `/invocations`."""
    _expect_an_answer("/invocations", data, "application/json")


def table(data: bytes) -> None:
    """Post CSV to `/invocations`."""
    _expect_an_answer("/invocations", data, "text/csv")


def upload(data: bytes) -> None:
    """Post a form to `/predict`."""
    _expect_an_answer("/predict", data, f"multipart/form-data; boundary={BOUNDARY}")


def read_manifest(data: bytes) -> None:
    """Read the Parquet file of a data set."""
    with tempfile.NamedTemporaryFile() as file, suppress(DataError):
        file.write(data)
        file.flush()
        manifest.read(file.name)


def unpack(data: bytes) -> None:
    """Unpack the archive of a data set; nothing may lie beside its folder afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        archive, inside = Path(folder) / "archive", Path(folder) / "inside"
        archive.write_bytes(data)
        with suppress(DataError):
            archives.unpack(archive, inside, ARCHIVES, "archive")
        assert {path.name for path in Path(folder).iterdir()} <= {"archive", "inside"}


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (decode, header, invocations, table, upload, read_manifest, unpack)
}


def _expect_an_answer(path: str, body: bytes, content_type: str) -> None:
    """Post to a page whose scoring server is absent: what is sound gets as far as that."""
    answer = _page().post(path, data=body, content_type=content_type)
    refused = 400 <= answer.status_code < 500
    absent = answer.status_code == 503 and answer.json["error"]["code"] == "scoring_server_absent"
    assert refused or absent, (answer.status_code, answer.text)


@cache
def _page() -> FlaskClient:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    environment = {
        "SCORING_URL": "http://127.0.0.1:9",  # nothing listens on the port of `discard`
        "RESULTS_DIR": str(folder / "results"),
        "JOBS_DIR": str(folder / "jobs"),
        "DECODER_SANDBOX": "off",
    }
    app = create_app(Settings.from_environment(environment))
    app.testing = True  # an exception that nobody expected is raised here
    return app.test_client()
