"""The clock for what is kept for a stated time: it begins at the time of day and ignores its jumps.

The processes of a page share it, since they are forked from the one that imports this module first.
"""

import time
from datetime import UTC, datetime

_BEGAN = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def now() -> float:
    """Return the seconds since 1970, had the time of day not been set since the page began."""
    return _BEGAN + time.clock_gettime(time.CLOCK_BOOTTIME)


def today() -> datetime:
    """Return the same as a time in UTC."""
    return datetime.fromtimestamp(now(), UTC)
