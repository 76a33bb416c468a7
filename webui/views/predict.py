"""`GET /` and `POST /predict`: the page, and verdicts for uploaded files."""

import logging
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass

from flask import Blueprint, Response, current_app, g, jsonify, render_template, request

from forgery.evidence.analysis import Analysis, Evidence, View
from forgery_pyfunc.contract import CodedMessage, Record
from forgery_pyfunc.errors import ForgeryError
from webui.errors import STATUS_OF_CODE, wants_html
from webui.errors import answer as error_answer
from webui.forms import PredictForm
from webui.openapi import UPLOAD_ERRORS, describe
from webui.records import FileRecord, Predictions, of_file, with_origin
from webui.result_store import StoredResult, result_store
from webui.scoring.pool import scoring
from webui.uploads import Upload, read_uploads
from webui.verdicts import draw_maps, gathering, reading_origins

blueprint = Blueprint("predict", __name__)

logger = logging.getLogger(__name__)


@blueprint.get("/")
def index() -> str:
    """Show the page."""
    settings = current_app.config["SETTINGS"]
    return render_template("index.html", limits=settings.limits, max_files=settings.max_files)


@blueprint.post("/predict")
@describe(
    {"application/json": Predictions, "text/html": {"type": "string"}},
    body=PredictForm.body(),
    errors=UPLOAD_ERRORS,
)
def predict() -> Response | str | tuple[Response | str, int]:
    """Score the files of a form: JSON, or a page for a plain form post."""
    scoring().check_room()
    uploads = read_uploads()
    form = PredictForm.read(request.values)
    html = wants_html()
    if html:
        cards = draw_cards(uploads, form)
        records = [card.record for card in cards]
    else:
        records = score_with_origins(uploads, form)
    status = 200
    if all(record.error for record in records):
        status = STATUS_OF_CODE.get(records[0].error_code or "", 422)
    if html:
        return show(cards), status
    if status != 200:
        code, message = records[0].error_code or "", records[0].error_message or ""
        if len(records) > 1:
            message = f"No file could be read; the first error: {message}"
        return error_answer(code, message, status)
    return jsonify(Predictions(predictions=records).model_dump())


@dataclass(frozen=True)
class Card:
    """What the page shows of one file."""

    record: FileRecord
    analysis: Analysis | None
    kept: StoredResult | None = None
    view: View | None = None


def draw_cards(uploads: list[Upload], form: PredictForm) -> list[Card]:
    """Return verdict and evidence for every file, or why there is none."""
    with gathering(uploads, form.location) as evidence:
        records = score_uploads(uploads, form.threshold, heatmap=True, explain=False)
        return [
            Card(record, None) if record.error or not found else draw_card(upload, record, found)
            for upload, record, found in zip(uploads, records, evidence, strict=True)
        ]


def draw_card(upload: Upload, record: FileRecord, evidence: Future[Evidence]) -> Card:
    """Return the card of a file that has been scored; an error concerns this file alone."""
    try:
        analysis = draw_maps(upload, record, evidence.result())
        return Card(record, analysis, result_store().add(upload.data, analysis))
    except ForgeryError as error:
        reason = CodedMessage.of(error)
    except Exception:
        logger.exception("the evidence of a picture could not be drawn")
        reason = CodedMessage(
            "internal_error", "This picture could not be analysed; the error has been logged."
        )
    return Card(FileRecord(filename=record.filename, error=str(reason)), None)


def show(cards: list[Card]) -> str:
    """Return the page with the cards."""
    return render_template(
        "results.html",
        cards=cards,
        token=g.request_id[:12],  # keeps ids apart when several answers meet in one page
        feedback="feedback" in current_app.extensions,
    )


def score_with_origins(uploads: list[Upload], form: PredictForm) -> list[FileRecord]:
    """Return one record per upload, those that were scored with what their files state."""
    with reading_origins(uploads) as origins:
        records = score_uploads(uploads, form.threshold, form.heatmap, form.explain)
        return [
            record if record.error or not origin else with_origin(record, origin.result())
            for record, origin in zip(records, origins, strict=True)
        ]


def score_uploads(
    uploads: list[Upload], threshold: float | None, heatmap: bool, explain: bool
) -> list[FileRecord]:
    """Return one record per upload; only those that look like images are sent on."""
    accepted = [upload.data for upload in uploads if not upload.refusal]
    answers: Iterator[Record] = iter(())
    if accepted:
        answers = iter(scoring().score(accepted, threshold, heatmap, explain=explain))
    records = [
        Record(error=str(upload.refusal)) if upload.refusal else next(answers) for upload in uploads
    ]
    scoring().count(records)
    return [
        of_file(upload.filename, record) for upload, record in zip(uploads, records, strict=True)
    ]
