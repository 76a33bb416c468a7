"""Gives memory back to the system that glibc's allocator would keep."""

import ctypes
import threading
from functools import cache
from typing import Any


class Leftovers:
    """Counts work, and gives back what it left every so much of it.

    By itself the allocator gives back only the end of its memory; what large pictures leave lies
    between what small ones need, and would stay.

    Source: https://man7.org/linux/man-pages/man3/malloc_trim.3.html
    """

    def __init__(self, every: int) -> None:
        """Set after how much work memory is given back, in the unit that `add` gets."""
        self.every = every
        self.lock = threading.Lock()
        self.done = 0

    def add(self, amount: int) -> None:
        """Count work that is done and holds no memory any more."""
        with self.lock:
            self.done += amount
            is_due = self.done >= self.every
            if is_due:
                self.done = 0
        if is_due and (malloc_trim := _malloc_trim()):
            malloc_trim(0)


@cache
def _malloc_trim() -> Any:
    """Return the function; None where the C library is another one."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
