"""Gives memory back to the system that glibc's allocator keeps after large pictures."""

import ctypes
from functools import cache
from typing import Any

LARGE_PIXELS = 2**20
"""To score so many takes a hundred times as long as to give back what they leave."""


def give_back(pixels: int) -> None:
    """Give back what the work on a picture of so many pixels left, where it is a large one.

    By itself the allocator gives back only the end of its memory; what large pictures leave lies
    between what small ones need, and would stay.

    Source: https://man7.org/linux/man-pages/man3/malloc_trim.3.html
    """
    if pixels >= LARGE_PIXELS and (malloc_trim := _malloc_trim()):
        malloc_trim(0)


@cache
def _malloc_trim() -> Any:
    """Return the function; None where the C library is another one."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
