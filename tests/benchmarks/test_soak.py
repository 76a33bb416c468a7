"""A soak's judgement: what is wrong, lost, untold, unfair or growing is seen. No server runs."""

import json
import signal
import sys
import time

import pytest

from benchmarks.soak import memory
from benchmarks.soak.judging import Times, failed, requirements, times
from benchmarks.soak.load import Load, Outcome, SlowOutcome
from benchmarks.soak.memory import Sample, growth
from benchmarks.soak.plan import Expected, compare
from serving.supervisor import Service

SMALL, LARGE = "128×128", "2048×1536"
SECONDS = 1200.0
FORGED = Expected(verdict="forged", probability=0.9, width=128, height=96)
DECLINED = Expected(verdict="inconclusive", probability=None, width=128, height=96)


def outcome(at=0.0, size=SMALL, seconds=0.1, status=200, **changed):
    return Outcome(at=at, size=size, pictures=1, seconds=seconds, status=status, **changed)


OUTCOMES = [
    *(outcome(at=one / 20, size=(SMALL, LARGE)[one % 20 == 0]) for one in range(24_000)),
    outcome(status=429, retry_after=2),
]


def good_load(**changed):
    """A load of 20 minutes that meets everything: 20 answers a second and a refusal."""
    given = {
        "clients": 64,
        "seconds": SECONDS,
        "slow_senders": 16,
        "sent": len(OUTCOMES),
        "outcomes": OUTCOMES,
        "slow": [SlowOutcome(seconds=15, status=None), SlowOutcome(seconds=31, status=408)],
    }
    return Load(**given | changed)


def with_last(**changed):
    """A good load in which one request more was sent."""
    load = good_load()
    return load.model_copy(
        update={"sent": load.sent + 1, "outcomes": [*load.outcomes, outcome(**changed)]}
    )


def samples(slope=0.0, seconds=SECONDS):
    """Memory every 5 s that grows at the start anyway, then by so many megabytes a minute."""
    return [
        Sample(at=at, megabytes={memory.TOTAL: 900 + min(at, 100) + slope * at / 60})
        for at in range(0, int(seconds), 5)
    ]


def judged(load, slope=0.0):
    by_size = times(load, [SMALL, LARGE])
    return list(requirements(load, by_size, growth(samples(slope, load.seconds), load.seconds)))


def unmet(load, slope=0.0):
    return [one.what for one in failed(load, judged(load, slope))]


def test_a_load_that_was_answered_as_it_must_be_fails_nothing():
    assert unmet(good_load()) == []
    assert all(one.met for one in judged(good_load()))


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"problem": "answered authentic"}, "differ from the offline score"),
        ({"status": None}, "requests lost"),
        ({"status": 500}, "requests lost"),
        ({"status": 408}, "requests lost"),
        ({"status": 503}, "without `Retry-After`"),
        ({"status": 429}, "without `Retry-After`"),
    ],
)
@pytest.mark.parametrize("seconds", [60, SECONDS])
def test_a_single_fault_fails_a_load_of_any_length(changed, what, seconds):
    load = with_last(**changed).model_copy(update={"seconds": seconds})
    (found,) = unmet(load)
    assert what in found


def test_a_request_that_was_sent_and_of_which_nothing_was_heard_is_lost():
    (found,) = unmet(good_load(sent=good_load().sent + 1))
    assert found.startswith("requests lost")


def test_a_load_without_any_answer_fails():
    assert len(unmet(good_load(seconds=60, sent=0, outcomes=[]))) == 2


@pytest.mark.parametrize(
    ("load", "slope", "what"),
    [
        (good_load(), 1.1, "memory"),
        (good_load(outcomes=good_load().outcomes[-15_000:], sent=15_000), 0, "pictures whose"),
        (good_load(outcomes=good_load().outcomes[:-1], sent=24_000), 0, "of all that was sent"),
        (good_load(slow=[SlowOutcome(seconds=60, status=408)]), 0, "slow requests"),
        (good_load(slow=[SlowOutcome(seconds=1, status=500)]), 0, "slow requests"),
        (good_load(slow=[]), 0, "slow requests"),
    ],
)
def test_what_needs_minutes_fails_a_long_load_alone(load, slope, what):
    assert any(what in one for one in unmet(load, slope))
    short = load.model_copy(update={"seconds": 60})
    assert not any(what in one for one in unmet(short, slope))


def test_the_slope_is_that_after_the_warm_up():
    found = growth(samples(slope=0.5), SECONDS)[memory.TOTAL]
    assert found.slope == pytest.approx(0.5)
    assert found.most == pytest.approx(1000 + 0.5 * 1195 / 60)
    assert unmet(good_load(), slope=0.5) == []


def test_without_samples_the_memory_is_not_met():
    load = good_load()
    found = requirements(load, times(load, [SMALL, LARGE]), growth([], SECONDS))
    assert [one.what for one in found if not one.met] == [
        "memory that all processes gain after a third of the time"
    ]


def test_each_size_class_has_times_of_its_own():
    """Large pictures may take long, but not some small ones as long as these."""
    outcomes = [
        *(outcome(at=number / 20, seconds=0.1) for number in range(20_000)),
        *(outcome(at=number / 20, seconds=3, size=LARGE) for number in range(20_000)),
        outcome(status=429, retry_after=1),
    ]
    load = good_load(outcomes=outcomes, sent=len(outcomes))
    assert times(load, [SMALL, LARGE])[LARGE] == Times(answers=20_000, p50=3, p99=3)
    assert not any("p99" in one for one in unmet(load))
    late = [
        one.model_copy(update={"seconds": 0.5}) if number % 50 == 0 and one.size == SMALL else one
        for number, one in enumerate(outcomes)
    ]
    (found,) = (one for one in judged(load.model_copy(update={"outcomes": late})) if not one.met)
    assert (found.what[:3], found.seen) == ("p99", f"5.0 ({SMALL})")


def test_a_size_class_of_which_none_was_admitted_is_not_fair():
    load = good_load()
    found = list(requirements(load, times(load, [SMALL, "never"]), growth(samples(), SECONDS)))
    assert [one.seen for one in found if not one.met] == ["inf (never)"]


def test_slow_senders_send_in_every_second_slice_and_must_not_starve_others():
    load = good_load()
    assert [load.is_slow_time(at) for at in (0, 59, 60, 119, 120, 1199, 1200)] == [
        *(False, False, True, True, False, True, False)
    ]
    assert load.slow_seconds == 600
    assert load.model_copy(update={"seconds": 150.0}).slow_seconds == 60
    assert load.model_copy(update={"seconds": 100.0}).slow_seconds == 50
    starved = [
        one
        for number, one in enumerate(load.outcomes)
        if number % 5 or not load.is_slow_time(one.at)
    ]
    (found,) = unmet(load.model_copy(update={"outcomes": starved, "sent": len(starved)}))
    assert found.startswith("answers a second beside 16 slow senders")


def answer(*records):
    rows = [
        {**record.model_dump(), "model_version": "x", "error": None, "filename": "a.jpg"}
        for record in records
    ]
    return json.dumps({"predictions": rows}).encode()


def test_an_answer_like_the_offline_score_has_no_problem():
    near = FORGED.model_copy(update={"probability": 0.9 + 5e-5})
    found = compare([FORGED, DECLINED], answer(near, DECLINED))
    assert found.problem == ""
    assert found.difference == pytest.approx(5e-5)


@pytest.mark.parametrize(
    "changed",
    [
        {"verdict": "authentic"},
        {"probability": 0.9 + 2e-4},
        {"probability": None},
        {"width": 96, "height": 128},
        {"verdict": None, "probability": None, "width": None, "height": None},
    ],
)
def test_an_answer_that_differs_is_seen(changed):
    wrong = FORGED.model_copy(update=changed)
    problem = compare([DECLINED, FORGED], answer(DECLINED, wrong)).problem
    assert problem.startswith("picture 1: answered")


def test_answers_in_another_order_are_seen():
    assert compare([DECLINED, FORGED], answer(FORGED, DECLINED)).problem.startswith("picture 0")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"predictions": [1]}', answer(), answer(FORGED, FORGED)]
)
def test_an_answer_that_is_none_or_of_another_length_is_seen(body):
    assert compare([FORGED], body).problem


def test_the_memory_of_a_service_is_that_of_all_its_processes(tmp_path):
    """The service starts a process that takes 50 MB, as a server starts its workers."""
    worker = (
        "import pathlib, sys, time; held = bytearray(b'x') * 50_000_000; "
        "pathlib.Path(sys.argv[1]).touch(); time.sleep(60)"
    )
    server = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {worker!r}, sys.argv[1]])"
    )
    ready = tmp_path / "ready"
    service = Service("page", [sys.executable, "-c", server, str(ready)])
    service.start()
    try:
        deadline = time.monotonic() + 30
        while not ready.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        sample = memory.measure({"page": service, "absent": Service("absent", [])}, 3.0)
    finally:
        service.signal(signal.SIGKILL)
        service.process.wait()
    assert sample.at == 3
    assert sample.megabytes["page"] > 50
    assert sample.megabytes["absent"] == sample.megabytes[memory.DECODERS] == 0
    assert sample.megabytes[memory.TOTAL] == sample.megabytes["page"]
