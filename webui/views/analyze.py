"""`POST /v1/analyze` and `/v1/evidence`: verdict and evidence of one picture as JSON."""

from typing import Any

from flask import Blueprint, request

from forgery.evidence.analysis import Analysis, Evidence
from webui.forms import AnalyzeForm, EvidenceForm
from webui.openapi import UPLOAD_ERRORS, UPSTREAM_ERRORS, describe
from webui.scoring.pool import scoring
from webui.scoring.turns import drawing
from webui.uploads import read_one_upload
from webui.verdicts import analyse_upload, draw_evidence

blueprint = Blueprint("analyze", __name__, url_prefix="/v1")


@blueprint.post("/analyze")
@describe({"application/json": Analysis}, body=AnalyzeForm.body(), errors=UPLOAD_ERRORS)
def analyze() -> dict[str, Any]:
    """Return verdict, heat map, evidence views and file facts of one picture."""
    scoring().check_room()
    upload = read_one_upload()
    return analyse_upload(upload, AnalyzeForm.read(request.values)).model_dump()


@blueprint.post("/evidence")
@describe(
    {"application/json": Evidence},
    body=EvidenceForm.body(),
    errors=[*(code for code in UPLOAD_ERRORS if code not in UPSTREAM_ERRORS), "too_many_requests"],
)
def evidence() -> dict[str, Any]:
    """Return evidence views and file facts of one picture, without asking the model."""
    drawing().check_room()
    upload = read_one_upload()
    return draw_evidence(upload, EvidenceForm.read(request.values)).model_dump()
