"""The work on jobs: what scoring servers and processes that fail mean for a picture."""

import errno
from collections import deque

import pytest

from forgery.client import ClientError
from forgery_pyfunc.contract import Record
from tests.webui.pictures import picture
from webui.application import create_app
from webui.jobs import runner as module
from webui.jobs.claim import claimed
from webui.jobs.files import JobFiles
from webui.settings import Settings
from webui.uploads import Upload

ABSENT = ClientError("The scoring server cannot be reached.", "scoring_server_absent")
LATE = ClientError("The scoring server took too long.", "scoring_server_late")
VERDICT = Record(verdict="authentic", probability=0.1)


@pytest.fixture
def runner(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PAUSES", (0.0,) * 3)
    app = create_app(Settings(jobs_dir=str(tmp_path / "jobs")))
    return app.extensions["jobs"]


def work(runner, monkeypatch, answers, pictures):
    """Return the results of a job whose pictures get these answers of the scoring server."""
    answers = deque(answers)

    def answer(images, threshold=None, heatmap=False, request_id=None):
        assert request_id == "request-1"
        outcome = answers.popleft()
        if isinstance(outcome, Exception):
            raise outcome
        return [outcome]

    monkeypatch.setattr(runner.scoring.client, "score", answer)
    uploads = [Upload(f"{number}.jpg", picture(), None) for number in range(pictures)]
    job_id = runner.store.add(iter(uploads), None, "request-1")
    assert runner.work_once()
    assert not answers
    job = runner.store.find(job_id)
    assert job.status == "finished"
    for record in job.results:
        assert bool(record.content_credentials) == (not record.error)
    return [record.error_code or record.verdict for record in job.results]


def test_a_scoring_server_that_is_absent_for_a_while_is_waited_for(runner, monkeypatch):
    answers = [ABSENT, ABSENT, VERDICT, ABSENT, VERDICT]
    assert work(runner, monkeypatch, answers, 2) == ["authentic"] * 2


def test_one_that_stays_absent_is_waited_for_once_and_not_by_every_picture(runner, monkeypatch):
    answers = [ABSENT] * 4 + [ABSENT] * 2
    assert work(runner, monkeypatch, answers, 3) == ["scoring_server_absent"] * 3


def test_another_failure_is_the_error_of_its_picture_alone(runner, monkeypatch):
    answers = [VERDICT, LATE, VERDICT]
    expected = ["authentic", "scoring_server_late", "authentic"]
    assert work(runner, monkeypatch, answers, 3) == expected


def test_a_picture_over_which_processes_die_fails_in_the_end(runner, monkeypatch):
    job_id = runner.store.add(iter([Upload("a.jpg", b"x", None)]), None, "request-1")
    for _ in range(3):
        with claimed(JobFiles(runner.store.folder / job_id)) as claim:
            claim.begin(0)  # and dies
    assert runner.work_once()
    (record,) = runner.store.find(job_id).results
    assert record.error == "internal_error: The server stopped 3 times over this picture."


def test_a_full_disk_costs_time_and_no_picture(runner, monkeypatch, caplog):
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.0)
    save, full = JobFiles.save_record, deque([True] * 5 + [False])

    def save_with_room(files, number, record):
        if full and full.popleft():
            raise OSError(errno.ENOSPC, "No space left on device")
        save(files, number, record)

    monkeypatch.setattr(JobFiles, "save_record", save_with_room)
    assert work(runner, monkeypatch, [VERDICT], 1) == ["authentic"]
    assert sum("waits for space" in message for message in caplog.messages) == 1


def test_a_job_that_is_removed_in_the_middle_is_given_up(runner, monkeypatch):
    uploads = [Upload(name, b"x", None) for name in ("a.jpg", "b.jpg")]
    job_id = runner.store.add(iter(uploads), None, "request-1")

    def remove(*arguments, **options):
        runner.store.remove(job_id)
        return [VERDICT]

    monkeypatch.setattr(runner.scoring.client, "score", remove)
    assert runner.work_once()
    assert not runner.work_once()
    assert [path.name for path in runner.store.folder.iterdir()] == ["lock"]
