"""`/v1/jobs` as its clients see it, before a real scoring server."""

import io
import time

import pytest

from tests.webui.pictures import form, picture
from tests.webui.views.test_predict import BAD_FILES
from webui.application import create_app

DARK, BRIGHT = picture(20), picture(240, "PNG")


@pytest.fixture
def settings_of_jobs(settings, tmp_path):
    jobs = {"jobs_dir": str(tmp_path / "jobs"), "job_max_files": 20, "job_max_mb": 16}
    return settings.model_copy(update=jobs)


@pytest.fixture
def jobs(settings_of_jobs):
    return create_app(settings_of_jobs).test_client()


def finished(web, *files, **fields):
    """Return what a job with these files comes to."""
    sent = web.post("/v1/jobs", data=form(*files, **fields))
    assert sent.status_code == 202
    answer = web.get(sent.headers["Location"], query_string={"wait": 30})
    assert answer.json["status"] == "finished"
    return answer.json


FILES = [
    (DARK, "a.jpg"),
    *[(data, f"{name}.jpg") for name, (data, _, _) in BAD_FILES.items()],
    (BRIGHT, "../b.png"),
]


@pytest.mark.parametrize("fields", [{}, {"threshold": "0.01"}])
def test_the_results_are_those_of_predict_in_the_order_of_the_uploads(
    settings_of_jobs, jobs, fields
):
    page = create_app(settings_of_jobs.model_copy(update={"max_files": 20, "max_request_mb": 16}))
    predicted = page.test_client().post("/predict", data=form(*FILES, **fields))
    job = finished(jobs, *FILES, **fields)
    assert job["results"] == predicted.json["predictions"]
    assert job["total"] == job["done"] == len(FILES)
    assert job["failed"] == len(BAD_FILES)


def test_the_answer_to_an_upload_is_202_with_where_to_ask(jobs):
    sent = jobs.post("/v1/jobs", data=form((DARK, "a.jpg"), (BRIGHT, "b.png")))
    assert sent.status_code == 202
    assert sent.headers["Location"] == f"/v1/jobs/{sent.json['id']}"
    assert sent.json["status"] == "queued"
    assert sent.json["results"] == [None, None]
    assert sent.json["expires_at"] > sent.json["created_at"]


def test_a_job_whose_files_are_all_refused_is_finished_too(jobs):
    job = finished(jobs, (b"?", "a.jpg"))
    assert (job["done"], job["failed"]) == (1, 1)
    assert job["results"][0]["error"].startswith("not_an_image: ")


def test_who_waits_is_answered_when_the_time_is_over(lonely, settings_of_jobs):
    url = lonely.application.config["SETTINGS"].scoring_url
    web = create_app(settings_of_jobs.model_copy(update={"scoring_url": url})).test_client()
    sent = web.post("/v1/jobs", data=form((DARK, "a.jpg")))
    began = time.monotonic()
    assert web.get(sent.headers["Location"], query_string={"wait": 0.5}).json["done"] == 0
    assert time.monotonic() - began >= 0.5
    for wait in ("soon", "-1", "31", "nan"):
        answer = web.get(sent.headers["Location"], query_string={"wait": wait})
        assert answer.status_code == 400
        assert answer.json["error"]["message"].startswith("wait: ")


def test_a_removed_job_is_unknown(jobs):
    sent = jobs.post("/v1/jobs", data=form((DARK, "a.jpg")))
    assert jobs.delete(sent.headers["Location"]).json["id"] == sent.json["id"]
    for answer in (jobs.get(sent.headers["Location"]), jobs.delete(sent.headers["Location"])):
        assert answer.status_code == 404
        assert answer.json["error"]["code"] == "not_found"


def test_bad_requests_are_refused_as_elsewhere(jobs, settings_of_jobs):
    for data, status, code in [
        ({"note": "x"}, 400, "missing_file"),
        ({"picture": (io.BytesIO(DARK), "b.jpg")}, 400, "bad_request"),
        (form(*[(DARK, "a.jpg")] * 21), 400, "too_many_files"),
        (form((DARK, "a.jpg"), threshold="2"), 400, "bad_parameter"),
        (form((DARK, "a.jpg"), heatmap="true"), 400, "bad_parameter"),
        (form((DARK, "a.jpg"), explain="true"), 400, "bad_parameter"),
        (form((bytes(17 * 2**20), "a.jpg")), 413, "too_large"),
    ]:
        answer = jobs.post("/v1/jobs", data=data, content_type="multipart/form-data")
        assert (answer.status_code, answer.json["error"]["code"]) == (status, code)
    assert "at most 16 MiB" in answer.json["error"]["message"]


def test_a_full_store_refuses_with_retry_after_before_the_upload_is_read(settings_of_jobs):
    web = create_app(settings_of_jobs.model_copy(update={"jobs_max": 1})).test_client()
    assert web.post("/v1/jobs", data=form((DARK, "a.jpg"))).status_code == 202
    answer = web.post("/v1/jobs", data=b"no form", content_type="multipart/form-data")
    assert answer.status_code == 429
    assert answer.json["error"]["code"] == "too_many_requests"
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


def test_jobs_can_be_switched_off(settings_of_jobs):
    web = create_app(settings_of_jobs.model_copy(update={"jobs_max": 0})).test_client()
    for answer in (web.post("/v1/jobs"), web.get("/v1/jobs/x"), web.delete("/v1/jobs/x")):
        assert answer.status_code == 503
        assert answer.json["error"]["code"] == "jobs_off"
