"""The queue for heavy work: who waits, in which order, and what those are told who may not."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.deploy.engine import wait_until
from webui.errors import ApiError
from webui.scoring.turns import Turns, waiting_places


def make(number=2, patience=2.0, places=100):
    return Turns(number, patience, threading.BoundedSemaphore(places))


def work(turns, seconds, pictures=1):
    with turns.turn(pictures):
        time.sleep(seconds)


def test_nobody_waits_while_a_turn_is_free():
    turns = make()
    with turns.turn():
        assert turns.expected_wait() == 0


def test_nobody_is_refused_while_the_wait_is_bearable():
    turns = make()
    with ThreadPoolExecutor(30) as threads:
        for request in [threads.submit(work, turns, 0.05) for _ in range(30)]:
            request.result()  # 0.75 s in all


def test_the_wait_is_expected_from_the_queue_and_the_last_pictures():
    turns = make(number=1, patience=100)
    work(turns, 0.2, pictures=2)
    with turns.turn(pictures=3):
        assert turns.expected_wait() == pytest.approx(0.3, rel=0.3)


def test_who_waits_passes_by_a_batch_at_work():
    turns = make(number=2)
    work(turns, 0.1)
    with turns.turn(pictures=100), turns.turn():
        assert turns.expected_wait() == pytest.approx(0.1, rel=0.3)


def test_work_that_lasts_longer_than_before_is_noticed_while_it_lasts():
    turns = make(number=1, patience=0.1)
    work(turns, 0.001)
    with turns.turn():
        time.sleep(0.3)
        with pytest.raises(ApiError) as refusal, turns.turn():
            pass
    assert refusal.value.code == "too_many_requests"
    assert refusal.value.retry_after == pytest.approx(0.3, rel=0.3)


def test_who_is_told_to_come_back_gets_a_turn_then():
    turns = make(number=1, patience=1.25)
    work(turns, 0.5)
    with ThreadPoolExecutor(3) as threads:
        queue = [threads.submit(work, turns, 0.5)]
        wait_until(lambda: turns.working, "the first has no turn")
        queue += [threads.submit(work, turns, 0.5) for _ in range(2)]
        wait_until(lambda: len(turns.waiting) == 2, "the others do not wait")
        with pytest.raises(ApiError) as refusal, turns.turn():
            pass
        time.sleep(refusal.value.retry_after)
        work(turns, 0)
    assert [request.result() for request in queue] == [None] * 3


def test_a_refusal_takes_a_moment_unless_the_places_are_needed():
    for places, least, most in ((1, 0.25, 5), (0, 0, 0.2)):
        turns = make(number=1, patience=0.1, places=places)
        with turns.turn():
            turns.working.copy().pop().started -= 100
            started = time.monotonic()
            with pytest.raises(ApiError):
                turns.check_room()
            assert least <= time.monotonic() - started < most


def test_first_come_first_served():
    turns, numbers, order = make(number=1), [], []

    def note(number):
        with turns.turn():
            order.append(number)

    with ThreadPoolExecutor(5) as threads, turns.turn():
        for number in range(5):
            threads.submit(note, number)
            wait_until(lambda: len(turns.waiting) == len(numbers) + 1, "it does not wait")
            numbers.append(number)
    assert order == [0, 1, 2, 3, 4]


def test_who_can_wait_gets_a_turn_only_when_nobody_else_wants_it():
    turns, order = make(number=1), []

    def note(name, turn):
        with turn():
            order.append(name)

    with ThreadPoolExecutor(4) as threads, turns.turn():
        threads.submit(note, "job", turns.idle_turn)
        for number in range(3):
            threads.submit(note, number, turns.turn)
            wait_until(lambda count=number: len(turns.waiting) > count, "it does not wait")
    assert order == [0, 1, 2, "job"]


def test_who_has_waited_twice_the_patience_goes_and_leaves_its_place():
    turns = make(number=1, patience=0.05, places=1)
    with turns.turn():
        for _ in range(2):
            turns.working.copy().pop().started = time.monotonic()  # as if it had just begun
            with pytest.raises(ApiError), turns.turn():
                pass
            assert not turns.waiting
    work(turns, 0)


@pytest.mark.parametrize(("threads", "turns", "places"), [(256, 10, 184), (16, 10, 4), (2, 10, 0)])
def test_those_who_wait_leave_threads_free(threads, turns, places):
    assert waiting_places(threads, turns)._value == places
