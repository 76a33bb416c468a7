"""A workspace in a bucket, whose server is a real one on loopback, used by two machines."""

import pytest

from forgery_lab import places
from forgery_lab.places import Place
from tests.steps.tracking.tracking_server import BUCKET, object_store


@pytest.fixture
def machines(tmp_path, monkeypatch):
    """The environments of two machines that have nothing in common but the bucket."""
    with object_store(tmp_path) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        places._bucket.cache_clear()
        yield [
            {**environment, "WORKSPACE_CACHE": str(tmp_path / name)} for name in ("first", "second")
        ]
    places._bucket.cache_clear()


@pytest.mark.slow
def test_one_machine_trains_on_what_another_one_prepared(trained, machines, tmp_path):
    workspace = Place.parse(f"s3://{BUCKET}/some/workspace")
    options = ("--workspace", str(workspace))
    first, second = machines
    trained.step("ingest", *options, **first)
    trained.step("preprocess", *options, **first)
    for name in ("data/manifest.parquet", "data/splits.parquet"):
        assert (workspace / name).read() == (trained.root / name).read_bytes(), name
    trained.step("train", *options, "--epochs", "1", **second)
    assert (workspace / "models/detector/network.onnx").exists()
    here = tmp_path / "second" / BUCKET / "some/workspace"
    assert not (here / "data/raw").exists()  # training reads no pictures
    assert sorted((workspace / "runs").files())[:3] == sorted(
        (name, (here / "runs" / name).stat().st_size)
        for name in ("ingest.json", "preprocess.json", "train.json")
    )

    changed = workspace / "data/features/index.parquet"
    changed.write(b"broken")
    said = trained.step("train", *options, "--epochs", "1", expect=1, **second)
    assert "holds no finished features" in said


def test_a_bucket_that_does_not_exist_is_named(trained, machines):
    said = trained.step("ingest", "--workspace", "s3://no-such-bucket/a", expect=1, **machines[0])
    assert "s3://no-such-bucket/a: " in said
    assert "bucket does not exist" in said
    assert "Traceback" not in said


def test_an_address_of_another_kind_is_refused_with_what_is_allowed(clone):
    said = clone.step("ingest", "--workspace", "gs://bucket/a", expect=2)
    assert "-P: workspace: got 'gs://bucket/a'; allowed: a path, or s3://bucket/key" in said
