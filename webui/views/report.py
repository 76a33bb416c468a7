"""`POST /v1/report`: a PDF that can be attached to a file."""

from flask import Blueprint, Response, current_app

from forgery.report.pdf import draw, report_name
from webui.views.analyze import ANALYZE_FORM, analyse_upload, read_one_upload
from webui.views.openapi import UPLOAD_ERRORS, describe

blueprint = Blueprint("report", __name__, url_prefix="/v1")


@blueprint.post("/report")
@describe(
    {"application/pdf": {"type": "string", "contentMediaType": "application/pdf"}},
    body={"multipart/form-data": ANALYZE_FORM},
    errors=UPLOAD_ERRORS,
)
def report() -> Response:
    """Give the analysis of one picture as a PDF: verdict, map, evidence, hash, model, limits."""
    analysis = analyse_upload(read_one_upload())
    answer = Response(draw(analysis, current_app.config["VERSION"]), mimetype="application/pdf")
    answer.headers["Content-Disposition"] = f'attachment; filename="{report_name(analysis)}"'
    return answer
