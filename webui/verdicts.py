"""Verdict and evidence of uploads with the limits of this application: what several views share."""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TypeVar

from flask import Flask, current_app

from forgery.evidence.analysis import (
    Analysis,
    Evidence,
    View,
    analyse,
    conclude,
    draw_view,
    gather,
)
from forgery.evidence.facts.provenance import Provenance, read_provenance
from forgery.evidence.facts.reader import Reader
from forgery.evidence.views import VIEWS
from forgery.evidence.views.method import ELA_QUALITY
from forgery.evidence.why import in_words as reasons_in_words
from forgery_pyfunc.contract import Record
from forgery_pyfunc.errors import ForgeryError
from webui.errors import ApiError
from webui.forms import AnalyzeForm, EvidenceForm
from webui.result_store import StoredResult
from webui.scoring.pool import scoring
from webui.scoring.turns import drawing
from webui.uploads import Upload

logger = logging.getLogger(__name__)

Read = TypeVar("Read")


def analyse_upload(upload: Upload, form: AnalyzeForm) -> Analysis:
    """Return verdict and evidence of an upload that was not refused.

    Raises:
        ApiError: the picture cannot be read, or `too_many_requests`.
        ClientError: the scoring server is absent, late or failing.
    """
    (record,) = scoring().score([upload.data], form.threshold, heatmap=True, explain=True)
    scoring().count([record])
    raise_error(record)
    return draw_analysis(upload, record, form.location, form.ela_quality)


def draw_analysis(
    upload: Upload,
    record: Record,
    with_location: bool,
    ela_quality: int = ELA_QUALITY,
) -> Analysis:
    """Return the analysis of an upload that was scored.

    Raises:
        ApiError: `too_many_requests`.
        ImageError: the picture cannot be read.
    """
    limits = current_app.config["SETTINGS"].limits
    with drawing().turn():
        return analyse(
            upload.filename, upload.data, record, limits, with_location, ela_quality, reader()
        )


def draw_maps(upload: Upload, record: Record, evidence: Evidence) -> Analysis:
    """Return the analysis of an upload whose evidence is there; raises as `draw_analysis`."""
    with drawing().turn():
        return conclude(upload.filename, upload.data, record, evidence)


@contextmanager
def gathering(
    uploads: Sequence[Upload], with_location: bool
) -> Iterator[list[Future[Evidence] | None]]:
    """Gather picture and file facts of the uploads, one after the other, without any view."""

    def gather_one(data: bytes) -> Evidence:
        limits = current_app.config["SETTINGS"].limits
        with drawing().turn():
            return gather(data, limits, (), with_location, reader=reader())

    with ThreadPoolExecutor(1) as thread, _reading(uploads, gather_one, thread) as evidence:
        yield evidence


def reading_origins(
    uploads: Sequence[Upload],
) -> AbstractContextManager[list[Future[Provenance] | None]]:
    """Read what the uploads state about their origin."""

    def read_one(data: bytes) -> Provenance:
        return read_provenance(data, current_app.config["SETTINGS"].limits, reader())

    return _reading(uploads, read_one, current_app.extensions["reading"])


@contextmanager
def _reading(
    uploads: Sequence[Upload], read: Callable[[bytes], Read], threads: Executor
) -> Iterator[list[Future[Read] | None]]:
    """Read what needs no verdict in other threads, while the scoring server works.

    Nothing is read of refused uploads. What was not begun when the block ends is given up.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]

    def read_one(data: bytes) -> Read:
        with app.app_context():
            return read(data)

    results = [None if file.refusal else threads.submit(read_one, file.data) for file in uploads]
    try:
        yield results
    finally:
        wait([result for result in results if result and not result.cancel()])


def draw_one_view(result: StoredResult, name: str, ela_quality: int) -> View | None:
    """Return one view of a kept picture; None where the picture is too small for it."""
    limits = current_app.config["SETTINGS"].limits
    with drawing().turn():
        return draw_view(result.data, limits, name, ela_quality, reader())


def with_why(result: StoredResult) -> Analysis:
    """Return the analysis of a kept picture with the reasons, which take longer than the verdict.

    Raises:
        ForgeryError: the scoring server does not answer, or does not read the picture.
    """
    analysis = result.analysis
    if analysis.why or analysis.record.probability is None:
        return analysis
    (record,) = scoring().score([result.data], explain=True)
    raise_error(record)
    explained = replace(analysis.record, explanation=record.explanation)
    return analysis.model_copy(update={"record": explained, "why": reasons_in_words(explained)})


def with_all_views(result: StoredResult, ela_quality: int) -> Analysis:
    """Return the analysis of a kept picture with all its views, and reasons where they are told."""
    analysis = result.analysis
    try:
        analysis = with_why(result)
    except ForgeryError as error:
        logger.warning("an analysis goes without reasons: %s", error)
    limits = current_app.config["SETTINGS"].limits
    with drawing().turn():
        evidence = gather(
            result.data, limits, tuple(VIEWS), ela_quality=ela_quality, reader=reader()
        )
    return analysis.model_copy(update={"evidence": evidence})


def draw_evidence(upload: Upload, form: EvidenceForm) -> Evidence:
    """Return the evidence views and file facts of an upload; raises as `draw_analysis`."""
    limits = current_app.config["SETTINGS"].limits
    with drawing().turn():
        return gather(upload.data, limits, form.views, form.location, form.ela_quality, reader())


def reader() -> Reader:
    """Return who decodes pictures for this application."""
    return current_app.extensions["reader"]


def raise_error(record: Record) -> None:
    """Raise the error of a record that holds one, as an `ApiError`."""
    if record.error_code:
        raise ApiError(record.error_code, record.error_message or record.error_code)
