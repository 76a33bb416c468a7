"""`POST /v1/feedback`: with consent, a picture, the answer and its correction are kept.

The store is one SQLite file; `mlflow run . -e ingest -P source=feedback` makes training data of it.
"""

import hashlib
import json
import secrets
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, current_app, request
from pydantic import BaseModel

from forgery_pyfunc.contract import Record, read_flag
from webui.errors import ApiError
from webui.feedback_store import Box, Feedback, Label, Store
from webui.openapi import UPLOAD_ERRORS, describe
from webui.scoring.pool import scoring
from webui.uploads import Upload
from webui.views.analyze import ONE_FILE, raise_error, read_one_upload

blueprint = Blueprint("feedback", __name__, url_prefix="/v1")

MAX_BOXES = 50


class Receipt(BaseModel):
    """What the giver keeps: with it the picture can be deleted again."""

    receipt: str


FORM = {
    "type": "object",
    "required": ["file", "opinion", "consent"],
    "additionalProperties": False,
    "properties": {
        "file": ONE_FILE,
        "opinion": {"enum": ["right", "wrong", "where"]},
        "label": {"enum": ["forged", "authentic"], "description": "the truth, where it is wrong"},
        "boxes": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "[[left, top, right, bottom], …] in fractions of width and height",
        },
        "consent": {
            "const": "true",
            "description": "the file, all its metadata included, may be kept and learnt from",
        },
    },
}


@blueprint.post("/feedback")
@describe(
    {"application/json": Receipt},
    body={"multipart/form-data": FORM},
    errors=[*UPLOAD_ERRORS, "consent_needed", "feedback_off", "feedback_full"],
    tag="feedback",
)
def feedback() -> dict[str, Any]:
    """Keep a picture and a person's judgement of the answer, with consent only."""
    if not read_flag("consent", request.form.get("consent")):
        raise ApiError("consent_needed", "Nothing was kept: tick the consent first.")
    store = open_store()
    opinion = request.form.get("opinion", "")
    if opinion not in ("right", "wrong", "where"):
        raise ApiError("bad_parameter", "opinion must be right, wrong or where.")
    boxes = read_boxes(request.form.get("boxes", "[]")) if opinion == "where" else []
    upload = read_one_upload()
    (record,) = scoring().score([upload.data])  # the answer is this server's, not the sender's
    raise_error(record)
    label = read_label(opinion, request.form.get("label"), record)
    row = to_row(upload, record, opinion, label, boxes)
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
        raise ApiError("not_found", "Nothing is kept under this receipt.")
    return Receipt(receipt=receipt).model_dump()


def open_store() -> Store:
    """Return the store of the application.

    Raises:
        ApiError: feedback is switched off.
    """
    store = current_app.extensions.get("feedback")
    if store is None:
        raise ApiError("feedback_off", "Feedback is not kept here.")
    return store


def to_row(
    upload: Upload, record: Record, opinion: str, label: Label, boxes: list[Box]
) -> Feedback:
    """Return the row that is kept."""
    return Feedback(
        receipt=secrets.token_urlsafe(18),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        sha256=hashlib.sha256(upload.data).hexdigest(),
        image=upload.data,
        format=record.format or "",
        opinion=opinion,
        label=label,
        boxes=boxes,
        verdict=record.verdict,
        probability=record.probability,
        model_version=record.model_version,
        consent=True,
    )


def read_label(opinion: str, given: str | None, record: Record) -> Label:
    """Return the truth as the person sees it."""
    if opinion == "where":
        return "forged"
    if given == "forged" or (not given and opinion == "right" and record.verdict == "forged"):
        return "forged"
    if given == "authentic" or (not given and opinion == "right" and record.verdict == "authentic"):
        return "authentic"
    message = "label must be forged or authentic: the answer alone does not tell which."
    raise ApiError("bad_parameter", message)


def read_boxes(written: str) -> list[Box]:
    """Return the rectangles of a form."""
    try:
        boxes = [tuple(map(_fraction, box)) for box in json.loads(written)]
    except (ValueError, TypeError, OverflowError, RecursionError):
        boxes = []
    if not 1 <= len(boxes) <= MAX_BOXES or not all(map(_is_box, boxes)):
        message = (
            f"boxes must hold 1 to {MAX_BOXES} rectangles [left, top, right, bottom] "
            "in fractions from 0 to 1."
        )
        raise ApiError("bad_parameter", message)
    return boxes  # type: ignore[return-value]


def _fraction(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a number")
    return float(value)


def _is_box(box: tuple[float, ...]) -> bool:
    if len(box) != 4:
        return False
    left, top, right, bottom = box
    return 0 <= left < right <= 1 and 0 <= top < bottom <= 1
