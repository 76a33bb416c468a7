"""The feedback store: one SQLite file of pictures and people's judgements, kept with consent.

A judgement counts once somebody has reviewed it (`webui.review`). Of those that were accepted,
`mlflow run . -e ingest -P source=feedback` makes training data.
"""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import (
    JSON,
    LargeBinary,
    Select,
    create_engine,
    delete,
    event,
    func,
    select,
    text,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from forgery_pyfunc.errors import ForgeryError
from webui.uploads import NO_SPACE

Box = tuple[float, float, float, float]
Label = Literal["forged", "authentic"]
Decision = Literal["forged", "authentic", "rejected"]

FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
"""What SQLite says where the disk is full, the latter where it has no room for its index."""

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


class Review(Base):
    """What a reviewer decided on a judgement; the table is made where an older store lacks it.

    `decision` is the truth as the reviewer sees it, or that the picture is not to be used.
    """

    __tablename__ = "review"

    receipt: Mapped[str] = mapped_column(primary_key=True)
    decision: Mapped[str]
    reviewer: Mapped[str]
    reviewed_at: Mapped[str]


class StoreError(ForgeryError):
    """The feedback store cannot be read or written, or is full."""

    code = "feedback_off"


class Store:
    """The SQLite file of the feedback; may be used from many threads."""

    def __init__(self, path: str, max_bytes: float = float("inf")) -> None:
        """Open or create the store; its pictures are for its owner's eyes only.

        Where the disk is full, that is done when it is first used with space.

        Raises:
            StoreError: the file cannot be created, or is no such store.
        """
        self.max_bytes = max_bytes
        file = Path(path).absolute()
        self.engine = create_engine(f"sqlite:///{file}", hide_parameters=True)
        event.listen(self.engine, "connect", _set_up)
        self.has_tables = False
        self.log_is_due = True
        try:
            file.touch(0o600)
            file.chmod(0o600)
            self._empty_log()
        except (StoreError, OSError) as error:
            if not _is_full(error):
                raise StoreError(f"FEEDBACK_DB is {path!r}: it cannot be opened") from error
            logger.warning("there is no space for the feedback store")

    def add(self, feedback: Feedback) -> None:
        """Keep a judgement.

        Raises:
            StoreError: the store is full, or cannot be written.
        """
        if self.log_is_due:
            self._empty_log()
        with self._session() as session:
            if _used_bytes(session) + len(feedback.image) > self.max_bytes:
                raise StoreError("The feedback store is full; nothing was saved.", "feedback_full")
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
                session.execute(delete(Review).where(Review.receipt == receipt))
        self._empty_log()  # what was overwritten still stands there
        return found is not None

    def next_to_review(self) -> Feedback | None:
        """Return the oldest judgement that nobody has reviewed, None where there is none.

        Raises:
            StoreError: the store cannot be read.
        """
        with self._session() as session:
            found = session.scalar(_unreviewed(select(Feedback)).order_by(Feedback.id).limit(1))
            if found is not None:
                session.expunge(found)
            return found

    def find(self, receipt: str) -> Feedback | None:
        """Return a judgement, None where it is gone; raises as `next_to_review`."""
        with self._session() as session:
            found = session.scalar(select(Feedback).where(Feedback.receipt == receipt))
            if found is not None:
                session.expunge(found)
            return found

    def left_to_review(self) -> int:
        """Return how many judgements nobody has reviewed; raises as `next_to_review`."""
        with self._session() as session:
            return session.scalar(_unreviewed(select(func.count()).select_from(Feedback))) or 0

    def review(self, receipt: str, decision: Decision, reviewer: str) -> bool:
        """Keep what a reviewer decided, instead of an earlier decision; return whether it could be.

        It cannot where the judgement was deleted.

        Raises:
            StoreError: the store cannot be written.
        """
        with self._session() as session:
            if session.scalar(select(Feedback.id).where(Feedback.receipt == receipt)) is None:
                return False
            now = datetime.now(UTC).isoformat(timespec="seconds")
            session.merge(
                Review(receipt=receipt, decision=decision, reviewer=reviewer, reviewed_at=now)
            )
            return True

    def _empty_log(self) -> None:
        with self._session() as session:
            (busy, *_) = session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).one()
        self.log_is_due = bool(busy)
        if busy:
            logger.warning("the feedback store is being read: its log cannot be emptied yet")

    @contextmanager
    def _session(self) -> Iterator[Session]:
        try:
            if not self.has_tables:
                Base.metadata.create_all(self.engine)
                self.has_tables = True
            with Session(self.engine) as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            if _is_full(error):
                logger.warning("there is no space for feedback: %s", type(error).__name__)
                message = "The server has no space for feedback now; nothing was saved."
                raise StoreError(message, "no_room") from error
            logger.exception("the feedback store failed")
            message = "The feedback store cannot be written to now; please try again later."
            raise StoreError(message) from error


def _is_full(error: Exception) -> bool:
    """Return whether an operation failed because the disk is full."""
    if isinstance(error, StoreError):
        return error.code == "no_room"
    if isinstance(error, OSError):
        return error.errno in NO_SPACE
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)
    return code in FULL


def _unreviewed(query: Select[Any]) -> Select[Any]:
    reviewed = select(Review.receipt)
    return query.where(Feedback.consent, Feedback.receipt.not_in(reviewed))


def _used_bytes(session: Session) -> int:
    """Return the size of the store without the pages that deletions have freed."""
    size, pages, free = (
        session.scalar(text(f"PRAGMA {name}")) or 0
        for name in ("page_size", "page_count", "freelist_count")
    )
    return size * (pages - free)


def _set_up(connection: Any, _record: Any) -> None:
    """Let readers, such as `ingest`, work while we write; overwrite what is deleted."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA busy_timeout=5000")
    connection.execute("PRAGMA secure_delete=ON")
