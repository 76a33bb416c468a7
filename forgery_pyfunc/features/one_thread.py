"""Matrix products on one thread: a picture has the same features on every number of cores.

How a product is cut for several threads changes its last digits, and with them which way a
coefficient half-way between two quantisation steps is rounded: the probability of a picture of
three megapixels moved by 2e-4. Training and the scoring server work on one thread anyway.
"""

import functools
import threading
from typing import Any

from threadpoolctl import ThreadpoolController


class OneThread:
    """A context in which NumPy's matrix products use one thread; for any number of threads at once.

    The limit is one of the whole process: the first that enters sets it, the last that leaves
    restores what was set before.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.limit: Any = None

    def __enter__(self) -> None:
        with self.lock:
            if not self.inside:
                self.limit = _libraries().limit(limits=1, user_api="blas")
            self.inside += 1

    def __exit__(self, *_error: object) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside:
                self.limit.restore_original_limits()


@functools.cache
def _libraries() -> ThreadpoolController:
    """Return the libraries whose threads can be limited; to find them takes milliseconds."""
    return ThreadpoolController()


ONE_THREAD = OneThread()
