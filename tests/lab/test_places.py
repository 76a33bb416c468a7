"""Places: the same of a folder and of a bucket, whose server is a real one on loopback."""

from pathlib import Path

import pytest

from forgery_lab import places
from forgery_lab.errors import DataError
from forgery_lab.places import Place


def test_what_is_written_is_listed_read_and_removed(place):
    for name in ("b/ä 1.jpg", "a.jpg", "empty"):
        (place / name).write(name.encode() if name != "empty" else b"")
    assert place.files() == [("a.jpg", 5), ("b/ä 1.jpg", 10), ("empty", 0)]
    assert (place / "a.jpg").read() == b"a.jpg"
    assert (place / "a.jpg").read(at_most=2) == b"a."
    assert (place / "empty").read() == b""
    (place / "a.jpg").write(lambda path: path.write_bytes(b"anew"))
    assert (place / "a.jpg").read() == b"anew"
    assert (place / "b").exists()
    (place / "b").remove()
    assert not (place / "b").exists()
    (place / "b").remove()
    assert [name for name, _ in place.files()] == ["a.jpg", "empty"]


def test_a_file_that_is_gone_is_an_os_error(place):
    with pytest.raises(FileNotFoundError):
        (place / "gone.jpg").read()


def test_the_objects_of_another_prefix_are_not_listed(place):
    (place.beside(f"{place.name}-more") / "x.jpg").write(b"x")
    (place / "y.jpg").write(b"y")
    assert place.files() == [("y.jpg", 1)]


def test_a_bucket_that_refuses_is_named_with_the_reason(bucket, monkeypatch):
    with pytest.raises(DataError, match=r"s3://no-such-bucket/a: .*bucket does not exist"):
        Place.parse("s3://no-such-bucket/a").files()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    places._bucket.cache_clear()
    with pytest.raises(DataError, match=r"127.0.0.1:9"):
        bucket.files()


def test_files_are_fetched_and_copied_whole(place, tmp_path):
    (place / "a/ä 1.jpg").write(b"first")
    (place / "b.jpg").write(b"second")
    before = place.versions()
    assert set(before) == {"a/ä 1.jpg", "b.jpg"}
    place.fetch(["a/ä 1.jpg"], tmp_path / "here")
    assert [file.read_bytes() for file in (tmp_path / "here").rglob("*.*")] == [b"first"]
    (place / "b.jpg").copy(tmp_path / "here/a/ä 1.jpg")
    assert (place / "b.jpg").read() == b"first"
    after = place.versions()
    assert after["a/ä 1.jpg"] == before["a/ä 1.jpg"]
    assert after["b.jpg"] != before["b.jpg"]


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
