"""Places: the same of a folder and of a bucket, whose server is a real one on loopback."""

from pathlib import Path

import pytest

from forgery_lab import places
from forgery_lab.errors import DataError
from forgery_lab.places import Place
from tests.steps.tracking.tracking_server import BUCKET, object_store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The environment that leads to a bucket."""
    with object_store(tmp_path_factory.mktemp("s3")) as environment:
        yield environment


@pytest.fixture(params=["folder", "bucket"])
def folder(request, tmp_path, monkeypatch):
    """An empty folder here, or a prefix of a bucket."""
    if request.param == "folder":
        yield Place.parse(str(tmp_path))
        return
    for name, value in request.getfixturevalue("store").items():
        monkeypatch.setenv(name, value)
    places._bucket.cache_clear()
    yield Place.parse(f"s3://{BUCKET}/{tmp_path.name}")
    places._bucket.cache_clear()


def test_what_is_written_is_listed_read_and_removed(folder):
    for name in ("b/ä 1.jpg", "a.jpg", "empty"):
        (folder / name).write(name.encode() if name != "empty" else b"")
    assert folder.files() == [("a.jpg", 5), ("b/ä 1.jpg", 10), ("empty", 0)]
    assert (folder / "a.jpg").read() == b"a.jpg"
    assert (folder / "a.jpg").read(at_most=2) == b"a."
    assert (folder / "empty").read() == b""
    (folder / "a.jpg").write(lambda path: path.write_bytes(b"anew"))
    assert (folder / "a.jpg").read() == b"anew"
    assert (folder / "b").exists()
    (folder / "b").remove()
    assert not (folder / "b").exists()
    (folder / "b").remove()
    assert [name for name, _ in folder.files()] == ["a.jpg", "empty"]


def test_a_file_that_is_gone_is_an_os_error(folder):
    with pytest.raises(FileNotFoundError):
        (folder / "gone.jpg").read()


def test_the_objects_of_another_prefix_are_not_listed(folder):
    (folder.beside(f"{folder.name}-more") / "x.jpg").write(b"x")
    (folder / "y.jpg").write(b"y")
    assert folder.files() == [("y.jpg", 1)]


def test_a_bucket_that_refuses_is_named_with_the_reason(store, monkeypatch):
    for name, value in store.items():
        monkeypatch.setenv(name, value)
    places._bucket.cache_clear()
    with pytest.raises(DataError, match=r"s3://no-such-bucket/a: .*bucket does not exist"):
        Place.parse("s3://no-such-bucket/a").files()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    places._bucket.cache_clear()
    with pytest.raises(DataError, match=r"127.0.0.1:9"):
        Place.parse(f"s3://{BUCKET}/a").files()
    places._bucket.cache_clear()


@pytest.mark.parametrize(
    "text",
    [
        *("gs://bucket/a", "s3://", "s3:///key", "s3://Upper/a"),
        "s3://key:secret@bucket/a",  # pragma: allowlist secret
    ],
)
def test_other_addresses_are_refused_without_their_password(text):
    with pytest.raises(DataError, match="allowed: a path, or s3://bucket/key") as caught:
        Place.parse(text)
    assert "secret" not in str(caught.value)


def test_parts_of_an_address():
    place = Place.parse("s3://bucket/a/b.parquet/")
    assert (place.address, place.name, place.suffix) == (
        "s3://bucket/a/b.parquet", "b.parquet", ".parquet",
    )  # fmt: skip
    assert place.path is None
    assert place.beside("c").address == "s3://bucket/a/c"
    assert Place.parse("x").path == Path("x").absolute()
