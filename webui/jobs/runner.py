"""The work on jobs: threads that score their pictures while no request wants the turn."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

from flask import current_app

from forgery.client import ClientError
from forgery.evidence.facts.provenance import Provenance
from forgery_pyfunc.contract import CodedMessage, Record
from webui.errors import ApiError
from webui.jobs.claim import Claim, claimed
from webui.jobs.job import Job
from webui.jobs.store import JobStore
from webui.records import of_file, with_origin
from webui.scoring.pool import Scoring
from webui.uploads import NO_SPACE, Upload

IDLE_SECONDS = 1.0
"""How soon a job is noticed that another process took, or left behind when it died."""
CLEAR_SECONDS = 10.0
POLL_SECONDS = 0.2
PASSING = ("scoring_server_absent", "scoring_server_busy")
"""Errors that concern no picture and may pass."""
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""What a job waits in all for a scoring server that is absent, before its pictures fail."""
MAX_ATTEMPTS = 3
"""How often a picture is begun, when processes die over it."""

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Runner:
    """The threads of one process that work on the jobs of a store; one object per application."""

    def __init__(
        self,
        store: JobStore,
        scoring: Scoring,
        read_origin: Callable[[bytes], Provenance],
        threads: int,
    ) -> None:
        self.store = store
        self.scoring = scoring
        self.read_origin = read_origin
        self.threads = threads
        self.lock = threading.Lock()
        self.started = False
        self.awake = threading.Event()

    def start(self) -> None:
        """Work on whatever is unfinished, for as long as the process lives; once is enough.

        Raises:
            FolderError: the folder cannot be used.
        """
        with self.lock:
            if self.started:
                return
            self.store.open()
            self.started = True
        for task in (*[self._work] * self.threads, self._clear):
            threading.Thread(target=_for_ever, args=(task,), name="jobs", daemon=True).start()

    def submit(self, uploads: Iterable[Upload], threshold: float | None, request_id: str) -> Job:
        """Return the job that begins as soon as it can; raises as `JobStore.add`."""
        job_id = self.store.add(uploads, threshold, request_id)
        job = self.store.find(job_id)
        self.start()
        self.awake.set()
        return job

    def find(self, job_id: str, wait: float = 0.0) -> Job:
        """Return a job as it is now, or once it is finished where that is within `wait` seconds.

        Who waits holds one of the places for those who wait for a turn; without one it is told at
        once. Raises as `JobStore.find`.
        """
        places = self.scoring.turns.places
        if wait and places.acquire(blocking=False):
            try:
                deadline = time.monotonic() + wait
                while not self.store.is_finished(job_id) and time.monotonic() < deadline:
                    time.sleep(POLL_SECONDS)
            finally:
                places.release()
        job = self.store.find(job_id)
        if job.status != "finished":
            self.start()  # who took it may have died
        return job

    def work_once(self) -> bool:
        """Return whether there was a job to work on; its pictures are done then."""
        for files in self.store.unfinished():
            with claimed(files) as claim:
                if claim:
                    self._finish(claim)
                    return True
        return False

    def _work(self) -> None:
        if not self.work_once():
            self.awake.wait(IDLE_SECONDS)
            self.awake.clear()

    def _clear(self) -> None:
        self.store.clear()
        time.sleep(CLEAR_SECONDS)

    def _finish(self, claim: Claim) -> None:
        """Score what is not done of a job, unless it is removed meanwhile."""
        pauses = deque(PAUSES)
        try:
            for number in claim.pending():
                record = self._score(claim, number, pauses)
                answer = of_file(claim.order.filenames[number], record)
                if not answer.error:
                    answer = with_origin(answer, self.read_origin(claim.files.picture(number)))
                _once_there_is_room(partial(claim.files.save_record, number, answer))
            _once_there_is_room(partial(claim.files.finish, self.store.now()))
        except FileNotFoundError:
            if claim.files.folder.exists():
                raise
        else:
            facts = {"request_id": claim.order.request_id, "pictures": len(claim.order.filenames)}
            logger.info("a job is finished", extra={"facts": facts})

    def _score(self, claim: Claim, number: int, pauses: deque[float]) -> Record:
        """Return the record of a picture, an error where it cannot be had."""
        if _once_there_is_room(partial(claim.begin, number)) > MAX_ATTEMPTS:
            message = f"The server stopped {MAX_ATTEMPTS} times over this picture."
            record = Record(error=str(CodedMessage("internal_error", message)))
        else:
            order = claim.order
            record = self._ask(
                claim.files.picture(number), order.threshold, order.request_id, pauses
            )
        self.scoring.note([record])
        return record

    def _ask(
        self, picture: bytes, threshold: float | None, request_id: str, pauses: deque[float]
    ) -> Record:
        while True:
            try:
                return self.scoring.score_when_idle(picture, threshold, request_id)
            except ClientError as error:
                if error.code not in PASSING or not pauses:
                    return Record(error=str(CodedMessage.of(error)))
            time.sleep(pauses.popleft())


def _once_there_is_room(write: Callable[[], T]) -> T:
    """Return what `write` does once the disk has room for it: no picture fails for lack of it."""
    waits = False
    while True:
        try:
            return write()
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            if not waits:
                logger.warning("a job waits for space on the disk: %s", error)
            waits = True
        time.sleep(IDLE_SECONDS)


def _for_ever(task: Callable[[], None]) -> None:
    while True:
        try:
            task()
        except Exception:
            logger.exception("the work on jobs failed")
            time.sleep(IDLE_SECONDS)


def runner() -> Runner:
    """Return the runner of the application that handles the current request.

    Raises:
        ApiError: `jobs_off`.
    """
    found = current_app.extensions.get("jobs")
    if found is None:
        raise ApiError("jobs_off", "This server takes no jobs.")
    return found
