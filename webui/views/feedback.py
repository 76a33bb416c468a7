"""`POST /v1/feedback`: with consent, a picture, the answer and its correction are kept.

The store is one SQLite file; `mlflow run . -e ingest -P source=feedback` makes training data of it.
"""

import hashlib
import json
import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from flask import Blueprint, current_app, request
from pydantic import BaseModel
from sqlalchemy import JSON, LargeBinary, create_engine, event, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from forgery_pyfunc.contract import Record, read_flag
from forgery_pyfunc.errors import ForgeryError
from webui.errors import ApiError
from webui.scoring.scoring import scoring
from webui.uploads import Upload
from webui.views.analyze import ONE_FILE, raise_error, read_one_upload
from webui.views.openapi import UPLOAD_ERRORS, describe

blueprint = Blueprint("feedback", __name__, url_prefix="/v1")

MAX_BOXES = 50
Box = tuple[float, float, float, float]
Label = Literal["forged", "authentic"]

logger = logging.getLogger(__name__)


class Base(DeclarativeBase):
    """The tables of the feedback store."""


class Feedback(Base):
    """One judgement of a person, with the picture it is about.

    `label` is the truth as the person sees it; `boxes` are the altered places as
    (left, top, right, bottom) in fractions of the upright picture.
    """

    __tablename__ = "feedback"

    id: Mapped[int] = mapped_column(primary_key=True)
    receipt: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[str]
    sha256: Mapped[str] = mapped_column(index=True)
    image: Mapped[bytes] = mapped_column(LargeBinary)
    format: Mapped[str]
    opinion: Mapped[str]
    label: Mapped[str]
    boxes: Mapped[list[Box]] = mapped_column(JSON)
    verdict: Mapped[str | None]
    probability: Mapped[float | None]
    model_version: Mapped[str | None]
    consent: Mapped[bool]


class StoreError(ForgeryError):
    """The feedback store cannot be read or written, or is full."""

    code = "feedback_off"


class Store:
    """The SQLite file of the feedback; may be used from many threads."""

    def __init__(self, path: str, max_bytes: float = float("inf")) -> None:
        """Open or create the store; its pictures are for its owner's eyes only.

        Raises:
            StoreError: the file cannot be created, or is no such store.
        """
        self.max_bytes = max_bytes
        file = Path(path).absolute()
        self.engine = create_engine(f"sqlite:///{file}", hide_parameters=True)
        event.listen(self.engine, "connect", _set_up)
        try:
            file.touch(0o600)
            file.chmod(0o600)
            Base.metadata.create_all(self.engine)
        except (SQLAlchemyError, OSError) as error:
            raise StoreError(f"FEEDBACK_DB is {path!r}: it cannot be opened") from error
        self._empty_log()

    def add(self, feedback: Feedback) -> None:
        """Keep a judgement.

        Raises:
            StoreError: the store is full, or cannot be written.
        """
        if self.log_is_due:
            self._empty_log()
        with self._session() as session:
            if _used_bytes(session) + len(feedback.image) > self.max_bytes:
                raise StoreError("The feedback store is full; nothing was kept.", "feedback_full")
            session.add(feedback)

    def delete(self, receipt: str) -> bool:
        """Forget a judgement and its picture, in the log too; return whether there was one.

        While somebody reads the store, the log cannot be emptied: it then is at the next
        judgement, deletion or start.

        Raises:
            StoreError: the store cannot be written.
        """
        with self._session() as session:
            found = session.scalar(select(Feedback).where(Feedback.receipt == receipt))
            if found is not None:
                session.delete(found)
        self._empty_log()  # what was overwritten still stands there
        return found is not None

    def _empty_log(self) -> None:
        with self._session() as session:
            (busy, *_) = session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).one()
        self.log_is_due = bool(busy)
        if busy:
            logger.warning("the feedback store is being read: its log cannot be emptied yet")

    @contextmanager
    def _session(self) -> Iterator[Session]:
        try:
            with Session(self.engine) as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            logger.exception("the feedback store failed")
            message = "The feedback store cannot be written now; please try again later."
            raise StoreError(message) from error


def _used_bytes(session: Session) -> int:
    """Return the size of the store without the pages that deletions have freed."""
    size, pages, free = (
        session.scalar(text(f"PRAGMA {name}")) or 0
        for name in ("page_size", "page_count", "freelist_count")
    )
    return size * (pages - free)


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


def _set_up(connection: Any, _record: Any) -> None:
    """Let readers, such as `ingest`, work while we write; overwrite what is deleted."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA busy_timeout=5000")
    connection.execute("PRAGMA secure_delete=ON")
