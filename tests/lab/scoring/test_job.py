"""A job: shards, what is left of it, and its proof that every image has one row."""

import contextlib
import os

import pandas as pd
import pytest

from forgery_lab import places
from forgery_lab.errors import DataError
from forgery_lab.places import Place
from forgery_lab.scoring import job as job_module
from forgery_lab.scoring.job import DESCRIPTION, SUCCESS, Job, Terms, digest
from forgery_lab.scoring.table import FIELDS
from forgery_lab.scoring.whole_table import write_table
from tests.steps.tracking.tracking_server import BUCKET, object_store

TERMS = Terms("/in", "digest", None)
LISTING = [(f"{number:03d}.jpg", 10) for number in range(23)]
RECORD = {"verdict": "forged", "probability": 0.9, "width": 8, "height": 8.0, "t_lo": 0.3}
BAD = {"error": "not_an_image: no"}


@pytest.fixture
def folder(tmp_path):
    return Place.parse(str(tmp_path / "out.parquet"))


@pytest.fixture
def job(folder, monkeypatch):
    """A job of 23 images in shards of two and pages of three shards."""
    monkeypatch.setattr(job_module, "FEWEST_OF_A_SHARD", 2)
    monkeypatch.setattr(job_module, "SHARDS_OF_A_PAGE", 3)
    return Job.begin(folder, TERMS, LISTING)


def write_parts(job, shards):
    for shard in shards:
        names = [name for name, _ in job.listed(shard)]
        job.write(shard, names, [RECORD if name != "007.jpg" else BAD for name in names])


def test_the_shards_have_every_image_once_in_order(job):
    listed = [image for shard in range(job.shards) for image in job.listed(shard)]
    assert listed == LISTING
    assert job.shards == 12


def test_a_large_image_shares_its_shard_with_no_others(folder, monkeypatch):
    monkeypatch.setattr(job_module, "BYTES_OF_A_SHARD", 25)
    job = Job.begin(folder, TERMS, [("a", 10), ("b", 10), ("c", 99), ("d", 10)])
    assert [[name for name, _ in job.listed(shard)] for shard in range(job.shards)] == [
        ["a", "b"], ["c"], ["d"],
    ]  # fmt: skip


def test_a_job_that_was_stopped_is_found_with_what_is_left(job, folder):
    write_parts(job, (0, 5))
    found = Job.find(folder, TERMS)
    assert found == job
    assert found.left() == [1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    assert not (folder / SUCCESS).exists()
    with pytest.raises(DataError, match=r"lacks part-0000001.parquet"):
        found.finish()
    assert not (folder / SUCCESS).exists()


def test_the_parts_are_a_table_that_readers_of_folders_understand(job, folder):
    write_parts(job, range(12))
    (folder.path / ".part-0000001.parquet.dead.partial").touch()
    assert job.finish() == {"forged": 22, "error": 1}
    table = pd.read_parquet(folder.path)
    assert list(table) == ["path", *FIELDS]
    assert list(table["path"]) == [name for name, _ in LISTING]
    assert str(table["width"].dtype) == "Int64"
    assert table["height"].dropna().eq(8).all()
    bad = table[table["path"] == "007.jpg"].iloc[0]
    assert bad["error"] == BAD["error"]
    assert bad.drop(["path", "error"]).isna().all()
    assert not list(folder.path.glob(".*"))
    with pytest.raises(DataError, match="exists already and is complete"):
        Job.find(folder, TERMS)


@pytest.mark.parametrize("kind", [".parquet", ".csv"])
def test_one_file_has_the_rows_of_the_parts_and_the_job_goes(job, tmp_path, kind):
    write_parts(job, range(12))
    output = Place.parse(str(tmp_path / f"table{kind}"))
    assert write_table(job, output) == {"forged": 22, "error": 1}
    table = (pd.read_parquet if kind == ".parquet" else pd.read_csv)(output.path)
    assert list(table["path"]) == [name for name, _ in LISTING]
    assert table["error"].notna().sum() == 1
    assert not job.folder.exists()


def test_a_job_whose_removal_was_stopped_at_any_file_ends_with_the_same_table(
    job, folder, tmp_path, monkeypatch
):
    output = Place.parse(str(tmp_path / "table.csv"))
    (folder.path / ".part-0000001.parquet.0.partial").write_bytes(b"of a process that was killed")
    for cut in range(100):
        write_parts(job, job.left())
        with monkeypatch.context() as patched:
            stop_removing_after(cut, patched)
            with contextlib.suppress(InterruptedError, DataError):
                write_table(job, output)
        assert pd.read_csv(output.path)["path"].tolist() == [name for name, _ in LISTING]
        if not folder.exists():
            break
        job = Job.find(folder, TERMS) or Job.begin(folder, TERMS, LISTING)
    assert cut > job.shards


def stop_removing_after(count, monkeypatch):
    """Have the removal of all files but the first so many fail."""
    left = iter(range(count))

    def remove(path, *arguments, real=os.unlink, **named):
        if next(left, None) is None:
            raise InterruptedError
        real(path, *arguments, **named)

    monkeypatch.setattr(os, "unlink", remove)
    monkeypatch.setattr(os, "remove", remove)


def test_a_part_with_other_images_is_found(job, folder):
    write_parts(job, range(12))
    (folder.path / "part-0000003.parquet").write_bytes(
        (folder.path / "part-0000004.parquet").read_bytes()
    )
    with pytest.raises(DataError, match=r"part-0000003.parquet has other images"):
        job.finish()
    assert not (folder / SUCCESS).exists()


def test_other_terms_and_other_content_are_refused(job, folder, tmp_path):
    with pytest.raises(DataError, match="was begun with model 'digest'; start it with the same"):
        Job.find(folder, Terms("/in", "other", None))
    with pytest.raises(DataError, match="threshold None"):
        Job.find(folder, Terms("/in", "digest", 0.5))
    (tmp_path / "file.parquet").touch()
    (tmp_path / "folder.parquet").mkdir()
    (tmp_path / "folder.parquet/mine").touch()
    for name in ("file.parquet", "folder.parquet"):
        with pytest.raises(DataError, match="exists already; name an output that does not exist"):
            Job.find(Place.parse(str(tmp_path / name)), TERMS)
    assert (tmp_path / "folder.parquet/mine").exists()


def test_a_job_that_was_stopped_while_it_was_begun_begins_anew(job, folder):
    (folder.path / DESCRIPTION).unlink()
    assert Job.find(folder, TERMS) is None
    assert not folder.exists()


def test_a_job_that_was_killed_while_it_wrote_its_description_begins_anew(job, folder):
    (folder.path / DESCRIPTION).rename(folder.path / f".{DESCRIPTION}.0.partial")
    assert Job.find(folder, TERMS) is None
    assert not folder.exists()


def test_another_job_at_the_same_path_is_not_taken_for_this_one(job, folder):
    assert job.is_seen()
    folder.remove()
    assert not job.is_seen()
    Job.begin(folder, TERMS, LISTING)
    assert not job.is_seen()


def test_the_digest_tells_models_apart(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "data").mkdir(parents=True)
        (tmp_path / name / "data/weights").write_bytes(b"1")
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    (tmp_path / "b/data/weights").write_bytes(b"2")
    assert digest(tmp_path / "a") != digest(tmp_path / "b")


def test_an_object_of_the_outputs_name_is_not_removed(monkeypatch, tmp_path):
    with object_store(tmp_path) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        places._bucket.cache_clear()
        mine = Place.parse(f"s3://{BUCKET}/out.parquet")
        mine.write(b"mine")
        with pytest.raises(DataError, match="exists already; name an output"):
            Job.find(mine, TERMS)
        assert mine.read() == b"mine"
    places._bucket.cache_clear()
