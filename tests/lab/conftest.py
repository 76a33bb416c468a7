"""Places to write to: a folder, and a prefix of a bucket with a real server on loopback."""

import pytest

from forgery_lab import places
from forgery_lab.places import Place
from tests.steps.tracking.tracking_server import BUCKET, object_store


@pytest.fixture(scope="session")
def object_server(tmp_path_factory):
    """The environment that leads to a bucket."""
    with object_store(tmp_path_factory.mktemp("s3")) as environment:
        yield environment


@pytest.fixture
def bucket(object_server, monkeypatch, tmp_path):
    """An empty prefix of a bucket, to which the environment leads."""
    for name, value in object_server.items():
        monkeypatch.setenv(name, value)
    places._bucket.cache_clear()
    yield Place.parse(f"s3://{BUCKET}/{tmp_path.name}")
    places._bucket.cache_clear()


@pytest.fixture(params=["folder", "bucket"])
def place(request, tmp_path):
    """An empty folder here, or a prefix of a bucket."""
    if request.param == "bucket":
        return request.getfixturevalue("bucket")
    (tmp_path / "place").mkdir()
    return Place.parse(str(tmp_path / "place"))
