"""The store of the jobs: what it keeps, for how long, how much of it, and for whose eyes."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from forgery_pyfunc.contract import CodedMessage, Record
from tests.webui.servers import ROOT
from webui.errors import ApiError
from webui.jobs.claim import claimed
from webui.jobs.files import JobFiles
from webui.jobs.store import RESULT_BYTES, Bounds, JobStore, JobStoreError
from webui.records import of_file
from webui.uploads import Upload

GOOD = Upload("a.jpg", b"x" * 1000, None)
BAD = Upload("b.jpg", b"?", CodedMessage("not_an_image", "This is no image."))
VERDICT = Record(verdict="forged", probability=0.9)


class Clock:
    """A time that a test moves on."""

    def __init__(self):
        self.time = datetime(2026, 11, 28, tzinfo=UTC)

    def __call__(self):
        return self.time

    def advance(self, seconds):
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock():
    return Clock()


def make(folder, clock, jobs=10, size=2**20):
    return JobStore(folder, Bounds(jobs, size, timedelta(seconds=60)), clock)


@pytest.fixture
def store(tmp_path, clock):
    return make(tmp_path / "jobs", clock)


def add(store, *uploads):
    return store.add(iter(uploads or [GOOD]), None, "request-1")


def finish(store, job_id):
    """Give every picture of a job a record."""
    with claimed(JobFiles(store.folder / job_id)) as claim:
        for number in claim.pending():
            claim.files.save_record(number, of_file(claim.order.filenames[number], VERDICT))
        claim.files.finish(store.now())


def test_a_job_is_queued_then_running_then_finished_with_its_results_in_order(store, clock):
    job_id = add(store, GOOD, BAD, GOOD)
    job = store.find(job_id)
    assert (job.status, job.total, job.done, job.failed) == ("queued", 3, 1, 1)
    assert [record and record.error_code for record in job.results] == [None, "not_an_image", None]
    with claimed(JobFiles(store.folder / job_id)) as claim:
        claim.files.save_record(2, of_file("a.jpg", VERDICT))
        job = store.find(job_id)
        assert (job.status, job.done, job.finished_at) == ("running", 2, None)
    clock.advance(7)
    finish(store, job_id)
    job = store.find(job_id)
    assert (job.status, job.done, job.failed, job.finished_at) == ("finished", 3, 1, clock())
    assert [record.filename for record in job.results] == ["a.jpg", "b.jpg", "a.jpg"]
    assert [record.verdict for record in job.results] == ["forged", None, "forged"]


def test_a_picture_is_kept_until_it_has_its_record(store):
    job_id = add(store, GOOD, BAD)
    assert [path.name for path in store.folder.glob("*/*.picture")] == ["0000.picture"]
    finish(store, job_id)
    assert list(store.folder.glob("*/*.picture")) == []


def test_a_job_expires_some_time_after_it_came_and_anew_after_its_end(store, clock):
    late, never = add(store), add(store)
    assert store.find(late).expires_at == clock() + timedelta(seconds=60)
    clock.advance(59)
    finish(store, late)
    assert store.find(late).expires_at == clock() + timedelta(seconds=60)
    clock.advance(59)
    assert store.find(late).status == "finished"
    for gone in (never, "x" * 24, "../../etc/passwd", ""):
        with pytest.raises(ApiError) as refusal:
            store.find(gone)
        assert refusal.value.code == "not_found"
    clock.advance(1)
    with pytest.raises(ApiError):
        store.find(late)


def test_what_expired_or_is_no_whole_job_is_cleared_away_at_the_start(tmp_path, clock):
    folder = tmp_path / "jobs"
    old = add(make(folder, clock))
    clock.advance(60)
    unreadable = add(make(folder, clock))
    (folder / unreadable / "order.json").write_text('{"by": "another version"}')
    (folder / f".new-{old}").mkdir()
    (folder / f".old-{old}").mkdir()
    (folder / "notes.txt").touch()  # nobody's but the user's
    make(folder, clock).open()
    assert {path.name for path in folder.iterdir()} == {"lock", "notes.txt"}


def test_a_job_that_is_removed_is_gone_with_all_its_files(store):
    job_id = add(store)
    assert store.remove(job_id).status == "queued"
    assert [path.name for path in store.folder.iterdir()] == ["lock"]
    with pytest.raises(ApiError, match="no such job"):
        store.remove(job_id)


def test_number_and_bytes_are_bounded_and_a_refusal_says_when_to_come_back(tmp_path, clock):
    few = make(tmp_path / "few", clock, jobs=2)
    add(few)
    clock.advance(30)
    add(few)
    small = make(tmp_path / "small", clock, size=2 * (1000 + RESULT_BYTES))
    add(small)
    clock.advance(20)
    add(small)
    for store, wait in ((few, 10), (small, 40)):
        for attempt in (store.check_room, lambda store=store: add(store)):
            with pytest.raises(ApiError) as refusal:
                attempt()
            assert refusal.value.code == "too_many_requests"
            assert refusal.value.retry_after == wait
        assert len(store.unfinished()) == 2
        clock.advance(wait)
        add(store)
        clock.advance(-wait)


def test_a_job_beyond_the_whole_store_is_too_large_and_leaves_nothing(tmp_path, clock):
    store = make(tmp_path, clock, size=RESULT_BYTES + 999)
    with pytest.raises(ApiError) as refusal:
        add(store)
    assert refusal.value.code == "too_large"
    assert [path.name for path in store.folder.iterdir()] == ["lock"]


def test_a_finished_job_leaves_room_for_others(tmp_path, clock):
    store = make(tmp_path, clock, size=1000 + 2 * RESULT_BYTES)
    finish(store, add(store))
    add(store)


def test_only_its_owner_can_see_the_store_and_ids_cannot_be_guessed(tmp_path, clock):
    folder = tmp_path / "jobs"
    folder.mkdir(0o755)
    store = make(folder, clock)
    ids = {add(store) for _ in range(5)}
    assert len(ids) == 5
    assert all(len(job_id) == 24 for job_id in ids)  # 144 bits
    assert [path.stat().st_mode & 0o077 for path in (folder, *folder.glob("*/"))] == [0] * 6


def test_a_folder_that_cannot_be_used_is_an_error_that_names_it(tmp_path, clock):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "file/jobs", "link"):
        with pytest.raises(JobStoreError, match=f"JOBS_DIR: {tmp_path / name} "):
            make(tmp_path / name, clock).open()


def test_two_stores_share_the_folder_and_one_claim_excludes_the_other(tmp_path, clock):
    one, other = make(tmp_path, clock), make(tmp_path, clock)
    job_id = add(one)
    (files,) = other.unfinished()
    with claimed(files) as mine, claimed(files) as theirs:
        assert mine
        assert theirs is None
    finish(other, job_id)
    assert one.find(job_id).status == "finished"
    with claimed(files) as claim:
        assert claim is None  # there is nothing left to do
    assert one.unfinished() == []


def test_jobs_are_worked_on_in_the_order_of_their_coming(store, clock):
    ids = []
    for _ in range(5):
        ids.append(add(store))
        clock.advance(1)
    assert [files.folder.name for files in store.unfinished()] == ids


CLAIMS_AND_HANGS = """
import sys, time
from pathlib import Path
from webui.jobs.claim import claimed
from webui.jobs.files import JobFiles
with claimed(JobFiles(Path(sys.argv[1]))) as claim:
    print(claim.begin(0), flush=True)
    time.sleep(600)
"""


def test_the_claim_of_a_killed_process_is_free_and_its_attempt_is_counted(store):
    files = JobFiles(store.folder / add(store))
    command = [sys.executable, "-c", CLAIMS_AND_HANGS, str(files.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as child:
        assert child.stdout.readline() == b"1\n"
        with claimed(files) as claim:
            assert claim is None
        child.kill()
    with claimed(files) as claim:
        assert claim.begin(0) == 2
        assert claim.begin(1) == 1
