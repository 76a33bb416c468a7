"""`POST /v1/jobs`, `GET` and `DELETE /v1/jobs/ID`: many pictures, verdicts to be fetched later."""

from typing import Any

from flask import Blueprint, current_app, g, request, url_for

from webui.forms import JobForm, JobQuery
from webui.jobs.job import Job
from webui.jobs.runner import runner
from webui.openapi import describe
from webui.uploads import allow_larger_form, each_upload

blueprint = Blueprint("jobs", __name__, url_prefix="/v1/jobs")

LOCATION_HEADER = {"Location": {"description": "of the job", "schema": {"type": "string"}}}
JOB_ID_SCHEMA = {"type": "string", "description": "as the answer to the upload names it"}
JOB_ID = {"name": "job_id", "in": "path", "required": True, "schema": JOB_ID_SCHEMA}


@blueprint.post("")
@describe(
    {"application/json": Job},
    body=JobForm.body(),
    errors=[
        "bad_request",
        "missing_file",
        "too_many_files",
        "bad_parameter",
        "upload_too_slow",
        "too_large",
        "too_many_requests",
        "no_room",
        "jobs_off",
    ],
    tag="jobs",
    status=202,
    headers=LOCATION_HEADER,
)
def submit_job() -> tuple[dict[str, Any], int, dict[str, str]]:
    """Take many pictures, and score them while no other request waits.

    A file that cannot be read gets its error among the results; it never spoils the others.
    """
    jobs = runner()
    jobs.store.check_room()
    settings = current_app.config["SETTINGS"]
    allow_larger_form(settings.job_max_files, settings.job_max_bytes)
    uploads = each_upload()
    form = JobForm.read(request.values)
    job = jobs.submit(uploads, form.threshold, g.request_id)
    return job.model_dump(mode="json"), 202, {"Location": url_for("jobs.get_job", job_id=job.id)}


@blueprint.get("/<job_id>")
@describe(
    {"application/json": Job},
    parameters=[JOB_ID, *JobQuery.parameters()],
    errors=["bad_parameter", "not_found", "jobs_off"],
    tag="jobs",
)
def get_job(job_id: str) -> dict[str, Any]:
    """Return a job's state and results, at once or, with a time to wait, when it is finished."""
    return runner().find(job_id, JobQuery.read(request.args).wait).model_dump(mode="json")


@blueprint.delete("/<job_id>")
@describe(
    {"application/json": Job},
    parameters=[JOB_ID],
    errors=["not_found", "jobs_off"],
    tag="jobs",
)
def delete_job(job_id: str) -> dict[str, Any]:
    """Remove a job with its pictures and results, finished or not; return its last state."""
    return runner().store.remove(job_id).model_dump(mode="json")
