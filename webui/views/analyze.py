"""`POST /v1/analyze` and `/v1/evidence`: verdict and evidence of one picture as JSON."""

from typing import Any

from flask import Blueprint, current_app, request

from forgery.evidence.analysis import ELA_QUALITY, VIEWS, Analysis, Evidence, analyse, gather
from forgery_pyfunc.contract import Parameters, Record, read_flag
from webui.errors import ApiError
from webui.scoring.scoring import scoring
from webui.scoring.turns import drawing
from webui.uploads import Upload, read_uploads
from webui.views.openapi import UPLOAD_ERRORS, UPSTREAM_ERRORS, describe
from webui.views.predict import FLAG, THRESHOLD

blueprint = Blueprint("analyze", __name__, url_prefix="/v1")

ONE_FILE = {
    "type": "string",
    "contentMediaType": "application/octet-stream",
    "description": "one JPEG, PNG, TIFF, BMP or WebP",
}
ELA = {
    "type": "integer",
    "minimum": 1,
    "maximum": 100,
    "default": ELA_QUALITY,
    "description": "quality of the save behind the error levels",
}
ANALYZE_FORM = {
    "type": "object",
    "required": ["file"],
    "additionalProperties": False,
    "properties": {
        "file": ONE_FILE,
        "threshold": THRESHOLD,
        "location": {**FLAG, "description": "tell where the picture was taken, if it says so"},
        "ela_quality": ELA,
    },
}
EVIDENCE_FORM = {
    "type": "object",
    "required": ["file"],
    "additionalProperties": False,
    "properties": {
        "file": ONE_FILE,
        "views": {
            "type": "string",
            "description": f"comma-separated, of {', '.join(VIEWS)}; all by default",
            "pattern": f"^({'|'.join(VIEWS)})(,({'|'.join(VIEWS)}))*$",
        },
        "location": FLAG,
        "ela_quality": ELA,
    },
}


@blueprint.post("/analyze")
@describe(
    {"application/json": Analysis},
    body={"multipart/form-data": ANALYZE_FORM},
    errors=UPLOAD_ERRORS,
)
def analyze() -> dict[str, Any]:
    """Give verdict, heat map, evidence views and file facts of one picture."""
    return analyse_upload(read_one_upload()).model_dump()


@blueprint.post("/evidence")
@describe(
    {"application/json": Evidence},
    body={"multipart/form-data": EVIDENCE_FORM},
    errors=[*(code for code in UPLOAD_ERRORS if code not in UPSTREAM_ERRORS), "too_many_requests"],
)
def evidence() -> dict[str, Any]:
    """Give evidence views and file facts of one picture, without asking the model."""
    upload = read_one_upload()
    chosen = [name for name in request.values.get("views", "").split(",") if name] or list(VIEWS)
    if set(chosen) - set(VIEWS):
        raise ApiError("bad_parameter", f"views may hold {', '.join(VIEWS)}.")
    with_location = read_flag("location", request.values.get("location"))
    ela_quality = read_ela_quality()
    limits = current_app.config["SETTINGS"].limits
    with drawing().turn():
        found = gather(upload.data, limits, list(dict.fromkeys(chosen)), with_location, ela_quality)
    return found.model_dump()


def read_one_upload() -> Upload:
    """Return the only file of the request.

    Raises:
        ApiError: there is none, more than one, or one that is refused.
    """
    uploads = read_uploads(current_app.config["SETTINGS"])
    if len(uploads) > 1:
        raise ApiError("too_many_files", "Send one file at a time here.")
    if uploads[0].refusal:
        raise ApiError(uploads[0].refusal.code, uploads[0].refusal.message)
    return uploads[0]


def analyse_upload(upload: Upload, with_location: bool | None = None) -> Analysis:
    """Return the analysis of an upload that was not refused, with the request's parameters.

    Raises:
        ApiError: the picture cannot be read, or a parameter is not allowed.
        ClientError: the scoring server is absent, late or failing.
    """
    if with_location is None:
        with_location = read_flag("location", request.values.get("location"))
    ela_quality = read_ela_quality()
    threshold = Parameters.read_form(request.values).threshold
    (record,) = scoring().score([upload.data], threshold, heatmap=True)
    scoring().count([record])
    raise_error(record)
    limits = current_app.config["SETTINGS"].limits
    with drawing().turn():
        return analyse(upload.filename, upload.data, record, limits, with_location, ela_quality)


def raise_error(record: Record) -> None:
    """Raise the error of a record that holds one."""
    if record.error_code:
        raise ApiError(record.error_code, record.error_message or record.error_code)


def read_ela_quality() -> int:
    """Return the quality that the request asks the error levels for."""
    text = request.values.get("ela_quality", str(ELA_QUALITY))
    if not (text.isascii() and text.isdecimal() and len(text) < 4 and 1 <= int(text) <= 100):
        raise ApiError("bad_parameter", "ela_quality must be a whole number from 1 to 100.")
    return int(text)
