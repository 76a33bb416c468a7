"""The right to work on a job: one thread of all processes has it, until it or its process ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from webui.jobs.files import JobFiles
from webui.jobs.job import Order


class Claim:
    """A job that the current thread works on; the lock of its file `claim` is held.

    The file's content is the picture in work and how many attempts there were, so that a picture
    which ends the process cannot do so for ever.
    """

    def __init__(self, files: JobFiles, order: Order, descriptor: int) -> None:
        self.files = files
        self.order = order
        self.descriptor = descriptor

    def pending(self) -> Iterator[int]:
        """Return the numbers of the pictures that are not done, in order."""
        for number in range(len(self.order.filenames)):
            if not self.files.has_record(number):
                yield number

    def begin(self, number: int) -> int:
        """Return how many attempts at a picture there have been, with the one that begins now."""
        last, _, attempts = os.pread(self.descriptor, 20, 0).partition(b" ")
        count = 1 + (int(attempts) if last and int(last) == number else 0)
        os.pwrite(self.descriptor, b"%09d %09d" % (number, count), 0)
        return count


@contextmanager
def claimed(files: JobFiles) -> Iterator[Claim | None]:
    """Hold the claim to an unfinished job; None where it is another's, finished or gone."""
    claim = _take(files)
    try:
        yield claim
    finally:
        if claim:
            os.close(claim.descriptor)


def _take(files: JobFiles) -> Claim | None:
    """Return the claim to a job, whose lock the kernel gives up when this process dies."""
    try:
        descriptor = os.open(files.claim, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:  # it was removed
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not files.finished_at():
            return Claim(files, files.order(), descriptor)
    except (BlockingIOError, FileNotFoundError):  # it is another's, or was removed
        pass
    os.close(descriptor)
    return None
