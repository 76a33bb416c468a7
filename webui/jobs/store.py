"""The store of the jobs: a private folder that the processes of a service share.

A job is a folder named by its id (`JobFiles`). It appears and disappears as a whole, by renaming;
who adds a job or clears away holds the lock of the store's file `lock` meanwhile.
"""

import fcntl
import logging
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from forgery_pyfunc.contract import Record
from webui import clock
from webui.errors import ApiError
from webui.jobs.files import JobFiles
from webui.jobs.job import Job, Order, Status
from webui.private_folder import open_private_folder
from webui.records import of_file
from webui.uploads import Upload, disk_may_be_full

ID = re.compile(r"[A-Za-z0-9_-]{24}")
ID_BYTES = 18
LEFTOVERS = (".new-*", ".old-*")
RESULT_BYTES = 12 * 1024
"""No record is longer: it holds no map, and what comes from the file is cut."""
LONGEST_RETRY_SECONDS = 60.0
"""Others may delete their jobs at any time."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bounds:
    """How much the store holds: jobs, bytes, and for how long after a job came or finished."""

    jobs: int
    size: int
    kept: timedelta


@dataclass(frozen=True)
class Kept:
    """A job in the store, as it was when it was read."""

    files: JobFiles
    order: Order
    finished_at: datetime | None

    @property
    def size(self) -> int:
        """What it takes at most, in bytes."""
        pictures = 0 if self.finished_at else self.order.picture_bytes
        return pictures + RESULT_BYTES * len(self.order.filenames)


class JobStore:
    """The jobs in a folder; may be used from many threads and processes."""

    def __init__(
        self, folder: Path, bounds: Bounds, now: Callable[[], datetime] = clock.today
    ) -> None:
        """Name the folder, which `open` or the first job creates, its bounds and its clock."""
        self.folder = folder
        self.bounds = bounds
        self.now = now

    def open(self) -> None:
        """Create the folder, for its owner's eyes only, and clear away what is left of old jobs.

        Raises:
            FolderError: it cannot be created, or belongs to somebody else.
        """
        open_private_folder(self.folder, "JOBS_DIR")
        self.clear()

    def check_room(self) -> None:
        """Refuse what would be refused as a job, before its upload is read.

        Raises:
            ApiError: `too_many_requests`: the store holds as many jobs as it may.
        """
        self.clear()
        self._used()

    def add(self, uploads: Iterable[Upload], threshold: float | None, request_id: str) -> str:
        """Return the id under which pictures are kept from now on; those refused are done.

        Raises:
            ApiError: `too_large`, `too_many_requests` or `no_room`; nothing is kept then.
        """
        self.open()
        with self._alone(), disk_may_be_full():
            used = self._used()
            job_id = secrets.token_urlsafe(ID_BYTES)
            partial = self.folder / f".new-{job_id}"
            partial.mkdir(0o700)
            try:
                order = self._save(JobFiles(partial), uploads, threshold, request_id, used)
                JobFiles(partial).save_order(order)
                partial.rename(self.folder / job_id)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        return job_id

    def find(self, job_id: str) -> Job:
        """Return a job as it is now.

        Raises:
            ApiError: `not_found`.
        """
        kept = self._find(job_id)
        begun: Status = "running" if kept.files.claim.exists() else "queued"
        results = [kept.files.record(number) for number in range(len(kept.order.filenames))]
        done = [record for record in results if record]
        self._find(job_id)  # while it was removed, some results were missing
        return Job(
            id=job_id,
            status="finished" if kept.finished_at else begun,
            total=len(results),
            done=len(done),
            failed=sum(bool(record.error) for record in done),
            created_at=kept.order.created_at,
            finished_at=kept.finished_at,
            expires_at=self._expires_at(kept),
            results=results,
        )

    def is_finished(self, job_id: str) -> bool:
        """Return whether all pictures of a job are done; raises as `find`."""
        return self._find(job_id).finished_at is not None

    def remove(self, job_id: str) -> Job:
        """Return a job as it was last, and keep it no longer; raises as `find`."""
        job = self.find(job_id)
        _remove(self.folder / job_id)
        return job

    def clear(self) -> None:
        """Remove what has expired, cannot be read, or was left half done by a process that died."""
        if not self.folder.exists():
            return
        with self._alone():
            for folder in self._folders():
                kept = _read(folder)
                if kept is None or self._expires_at(kept) <= self.now():
                    _remove(folder)
            for pattern in LEFTOVERS:
                for leftover in self.folder.glob(pattern):
                    shutil.rmtree(leftover, ignore_errors=True)

    def unfinished(self) -> list[JobFiles]:
        """Return the jobs that have pictures to score, the oldest first."""
        jobs = [kept for kept in self._all() if not kept.finished_at]
        return [kept.files for kept in sorted(jobs, key=lambda kept: kept.order.created_at)]

    def _save(
        self,
        files: JobFiles,
        uploads: Iterable[Upload],
        threshold: float | None,
        request_id: str,
        used: int,
    ) -> Order:
        """Return the order for pictures that are saved one by one, as far as there is room."""
        names: list[str] = []
        size = 0
        for number, upload in enumerate(uploads):
            names.append(upload.filename)
            if upload.refusal:
                refused = Record(error=str(upload.refusal))
                files.save_record(number, of_file(upload.filename, refused))
                continue
            size += len(upload.data)
            self._check_size(size + RESULT_BYTES * len(names), used)
            files.save_picture(number, upload.data)
        return Order(
            created_at=self.now(),
            request_id=request_id,
            threshold=threshold,
            filenames=tuple(names),
            picture_bytes=size,
        )

    def _check_size(self, size: int, used: int) -> None:
        if size > self.bounds.size:
            limit = self.bounds.size / 2**20
            raise ApiError("too_large", f"All jobs together may take at most {limit:g} MiB.")
        if used + size > self.bounds.size:
            raise self._full()

    def _used(self) -> int:
        """Return how many bytes the jobs take at most.

        Raises:
            ApiError: `too_many_requests`: there are as many as there may be.
        """
        sizes = [kept.size for kept in self._all()]
        if len(sizes) >= self.bounds.jobs or sum(sizes) >= self.bounds.size:
            raise self._full()
        return sum(sizes)

    def _full(self) -> ApiError:
        first = min((self._expires_at(kept) for kept in self._all()), default=self.now())
        wait = min((first - self.now()).total_seconds(), LONGEST_RETRY_SECONDS)
        return ApiError("too_many_requests", "The server holds too many jobs.", retry_after=wait)

    def _find(self, job_id: str) -> Kept:
        kept = _read(self.folder / job_id) if ID.fullmatch(job_id) else None
        if kept is None or self._expires_at(kept) <= self.now():
            raise ApiError("not_found", "There is no such job, or it has expired.")
        return kept

    def _expires_at(self, kept: Kept) -> datetime:
        return (kept.finished_at or kept.order.created_at) + self.bounds.kept

    def _all(self) -> list[Kept]:
        return [kept for folder in self._folders() if (kept := _read(folder))]

    def _folders(self) -> list[Path]:
        found = self.folder.iterdir() if self.folder.exists() else ()
        return [folder for folder in found if ID.fullmatch(folder.name)]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.folder / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # closing the file unlocks it
            yield


def _read(folder: Path) -> Kept | None:
    """Return the job in a folder; None where it is gone, or not readable."""
    files = JobFiles(folder)
    try:
        return Kept(files, files.order(), files.finished_at())
    except FileNotFoundError:
        return None
    except ValueError:
        logger.warning("a job in the store cannot be read: another version may have written it")
        return None


def _remove(folder: Path) -> None:
    gone = folder.with_name(f".old-{folder.name}")
    with suppress(FileNotFoundError):
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)
