"""Verdict and evidence of uploads with the limits of this application: what several views share."""

from flask import current_app

from forgery.evidence.analysis import Analysis, Evidence, analyse, gather
from forgery.evidence.views.method import ELA_QUALITY
from forgery_pyfunc.contract import Record
from webui.errors import ApiError
from webui.forms import AnalyzeForm, EvidenceForm
from webui.scoring.pool import scoring
from webui.scoring.turns import drawing
from webui.uploads import Upload


def analyse_upload(upload: Upload, form: AnalyzeForm) -> Analysis:
    """Return verdict and evidence of an upload that was not refused.

    Raises:
        ApiError: the picture cannot be read, or `too_many_requests`.
        ClientError: the scoring server is absent, late or failing.
    """
    (record,) = scoring().score([upload.data], form.threshold, heatmap=True)
    scoring().count([record])
    raise_error(record)
    return draw_analysis(upload, record, form.location, form.ela_quality)


def draw_analysis(
    upload: Upload, record: Record, with_location: bool, ela_quality: int = ELA_QUALITY
) -> Analysis:
    """Return the analysis of an upload that was scored.

    Raises:
        ApiError: `too_many_requests`.
        ImageError: the picture cannot be read.
    """
    limits = current_app.config["SETTINGS"].limits
    with drawing().turn():
        return analyse(upload.filename, upload.data, record, limits, with_location, ela_quality)


def draw_evidence(upload: Upload, form: EvidenceForm) -> Evidence:
    """Return the evidence views and file facts of an upload; raises as `draw_analysis`."""
    limits = current_app.config["SETTINGS"].limits
    with drawing().turn():
        return gather(upload.data, limits, form.views, form.location, form.ela_quality)


def raise_error(record: Record) -> None:
    """Raise the error of a record that holds one, as an `ApiError`."""
    if record.error_code:
        raise ApiError(record.error_code, record.error_message or record.error_code)
