import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from forgery_pyfunc.turns import Turns


def hold(turns: Turns, seconds: float = 0.01) -> float:
    """Return when a turn ended that computes for so long, without letting others run."""
    with turns:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pass
    return time.monotonic()


def test_one_image_does_not_wait_for_a_whole_batch():
    turns, batch_runs = Turns(1), threading.Event()

    def batch() -> list[float]:
        ends = []
        for _ in range(30):
            ends.append(hold(turns))
            batch_runs.set()
        return ends

    with ThreadPoolExecutor(1) as threads:
        ends = threads.submit(batch)
        batch_runs.wait()
        came = time.monotonic()
        end = hold(turns)
    ahead = sum(came < other < end for other in ends.result())
    assert ahead <= 2  # the one at work, and one that may have ended just before


@pytest.mark.parametrize("number", [1, 3])
def test_never_more_than_so_many_at_once(number):
    turns, lock, inside, most = Turns(number), threading.Lock(), 0, 0

    def work(_: int) -> None:
        nonlocal inside, most
        with turns:
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.001)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(200)))
    assert most == number
    assert turns.free == number


def test_a_turn_that_fails_is_handed_on():
    turns = Turns(1)
    with pytest.raises(ValueError, match="this one"), turns:
        raise ValueError("this one")
    assert turns.free == 1
    hold(turns, 0)
