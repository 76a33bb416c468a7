"""`POST /v1/feedback`: with consent, a picture, the answer and its correction are kept."""

import hashlib
import secrets
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, current_app, request
from pydantic import BaseModel

from forgery_pyfunc.contract import Record
from webui.errors import ApiError
from webui.feedback_store import Feedback, Label, Store
from webui.forms import FeedbackForm
from webui.openapi import UPLOAD_ERRORS, describe
from webui.scoring.pool import scoring
from webui.uploads import Upload, read_one_upload
from webui.verdicts import raise_error

blueprint = Blueprint("feedback", __name__, url_prefix="/v1")


class Receipt(BaseModel):
    """The receipt for a picture that was kept; with it the picture can be deleted."""

    receipt: str


@blueprint.post("/feedback")
@describe(
    {"application/json": Receipt},
    body=FeedbackForm.body(),
    errors=[*UPLOAD_ERRORS, "consent_needed", "feedback_off", "feedback_full"],
    tag="feedback",
)
def feedback() -> dict[str, Any]:
    """Keep a picture and a person's judgement of the answer, with consent only."""
    scoring().check_room()
    form = FeedbackForm.read(request.form)
    store = open_store()
    upload = read_one_upload()
    (record,) = scoring().score([upload.data])  # the answer is this server's, not the sender's
    raise_error(record)
    row = to_row(upload, record, form)
    receipt = row.receipt
    store.add(row)
    return Receipt(receipt=receipt).model_dump()


@blueprint.delete("/feedback/<receipt>")
@describe(
    {"application/json": Receipt},
    parameters=[
        {"name": "receipt", "in": "path", "required": True, "schema": {"type": "string"}},
    ],
    errors=["not_found", "feedback_off"],
    tag="feedback",
)
def forget(receipt: str) -> dict[str, Any]:
    """Delete a picture and its judgement that were kept under a receipt."""
    if not open_store().delete(receipt):
        raise ApiError("not_found", "There is no feedback with this receipt.")
    return Receipt(receipt=receipt).model_dump()


def open_store() -> Store:
    """Return the store of the application.

    Raises:
        ApiError: feedback is switched off.
    """
    store = current_app.extensions.get("feedback")
    if store is None:
        raise ApiError("feedback_off", "This server does not collect feedback.")
    return store


def to_row(upload: Upload, record: Record, form: FeedbackForm) -> Feedback:
    """Return the row that is kept."""
    return Feedback(
        receipt=secrets.token_urlsafe(18),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        sha256=hashlib.sha256(upload.data).hexdigest(),
        image=upload.data,
        format=record.format or "",
        opinion=form.opinion,
        label=true_label(form, record),
        boxes=form.boxes if form.opinion == "where" else [],
        verdict=record.verdict,
        probability=record.probability,
        model_version=record.model_version,
        consent=True,
    )


def true_label(form: FeedbackForm, record: Record) -> Label:
    """Return the truth as the person sees it.

    Raises:
        ApiError: `bad_parameter`: neither the person nor a confirmed verdict states it.
    """
    if form.opinion == "where":
        return "forged"
    if form.label:
        return form.label
    if form.opinion == "right" and record.verdict in ("forged", "authentic"):
        return record.verdict
    message = "label must be forged or authentic: the verdict does not determine it."
    raise ApiError("bad_parameter", message)
