"""`POST /v1/report`: a PDF that can be attached to a file."""

from flask import Blueprint, Response, current_app, request

from forgery.report.pdf import draw, report_name
from webui.forms import AnalyzeForm
from webui.openapi import UPLOAD_ERRORS, describe
from webui.scoring.pool import scoring
from webui.uploads import read_one_upload
from webui.verdicts import analyse_upload

blueprint = Blueprint("report", __name__, url_prefix="/v1")


@blueprint.post("/report")
@describe(
    {"application/pdf": {"type": "string", "contentMediaType": "application/pdf"}},
    body=AnalyzeForm.body(),
    errors=UPLOAD_ERRORS,
)
def report() -> Response:
    """Return the analysis of one picture as a PDF: verdict, map, evidence, hash, model, limits."""
    scoring().check_room()
    analysis = analyse_upload(read_one_upload(), AnalyzeForm.read(request.values))
    answer = Response(draw(analysis, current_app.config["VERSION"]), mimetype="application/pdf")
    answer.headers["Content-Disposition"] = f'attachment; filename="{report_name(analysis)}"'
    return answer
