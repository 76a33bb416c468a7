"""What the service has to reach under load, and what was seen."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel

from benchmarks.requirement import Requirement
from benchmarks.soak.load import Load, Outcome
from benchmarks.soak.memory import TOTAL, Growth
from benchmarks.soak.plan import LARGEST_DIFFERENCE

PICTURES_A_MINUTE = 1000
P99_OVER_P50 = 4.0
MEGABYTES_A_MINUTE = 1.0
SHARE_BESIDE_SLOW = 0.9
SLOW_SECONDS = 50.0
"""A slow sender has lost its connection by then: after 15 s of headers, or of a body after 30 s and
the 16 s that the slowest rate grants to the 64 KiB that are being read."""
STEADY_SECONDS = 600
"""A shorter load says too little of times and memory to fail."""


class Times(BaseModel):
    """Seconds until the answer, of the admitted requests of one size class."""

    answers: int
    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Times":
        """Return median and 99th percentile; infinite where there are fewer than two answers."""
        if len(seconds) < 2:
            return cls(answers=len(seconds), p50=math.inf, p99=math.inf)
        cuts = statistics.quantiles(seconds, n=100, method="inclusive")
        return cls(answers=len(seconds), p50=cuts[49], p99=cuts[98])

    @property
    def ratio(self) -> float:
        """How much longer the slowest take."""
        return self.p99 / self.p50 if math.isfinite(self.p50) else math.inf


def times(load: Load, sizes: Sequence[str]) -> dict[str, Times]:
    """Return the times by size class."""
    answered = [one for one in load.outcomes if one.is_answer]
    return {size: Times.of([one.seconds for one in answered if one.size == size]) for size in sizes}


def requirements(
    load: Load, by_size: Mapping[str, Times], memory: Mapping[str, Growth]
) -> Iterator[Requirement]:
    """Yield all requirements."""
    answered = [one for one in load.outcomes if one.is_answer]
    refused = [one for one in load.outcomes if one.is_refusal]
    yield _right(load, answered)
    yield _many(load, answered)
    yield _none_lost(load, answered, refused)
    yield _overloaded(load, refused)
    yield _told_when(refused)
    yield _fair(by_size)
    yield _no_growth(memory)
    yield _not_starved(load, answered)
    yield _cut_off(load)


def failed(load: Load, found: Sequence[Requirement]) -> list[Requirement]:
    """Return the requirements that are not met, those of time only if the load was long."""
    is_steady = load.seconds >= STEADY_SECONDS
    return [one for one in found if not one.met and (is_steady or not one.is_timed)]


def _right(load: Load, answered: Sequence[Outcome]) -> Requirement:
    wrong = sum(bool(one.problem) for one in answered)
    difference = max((one.difference for one in answered), default=0.0)
    return Requirement(
        what=f"answers to {load.clients} clients that differ from the offline score",
        seen=f"{wrong} of {len(answered):,}, largest |Δp| {difference:.0e}",
        to_reach=f"0: same verdict and size, |Δp| ≤ {LARGEST_DIFFERENCE:.0e}",
        met=wrong == 0 and len(answered) > 0,
    )


def _many(load: Load, answered: Sequence[Outcome]) -> Requirement:
    minutes = load.seconds / 60
    pictures = sum(one.pictures for one in answered)
    return Requirement(
        what=f"pictures whose answers were compared in {minutes:g} minutes",
        seen=f"{pictures:,}, in {len(answered):,} answers",
        to_reach=f"≥ {PICTURES_A_MINUTE * minutes:,.0f}",
        met=pictures >= PICTURES_A_MINUTE * minutes,
        is_timed=True,
    )


def _none_lost(load: Load, answered: Sequence[Outcome], refused: Sequence[Outcome]) -> Requirement:
    lost = load.sent - len(answered) - len(refused)
    return Requirement(
        what="requests lost, or answered with another status than 200, 429 and 503",
        seen=f"{lost} of {load.sent:,}",
        to_reach="0",
        met=lost == 0 and load.sent > 0,
    )


def _overloaded(load: Load, refused: Sequence[Outcome]) -> Requirement:
    """Return whether there was an overload at all: a faster machine needs more clients."""
    return Requirement(
        what="refusals (429, 503), of all that was sent",
        seen=f"{len(refused):,} of {load.sent:,}",
        to_reach="> 0: it was an overload",
        met=len(refused) > 0,
        is_timed=True,
    )


def _told_when(refused: Sequence[Outcome]) -> Requirement:
    untold = sum(one.retry_after is None for one in refused)
    return Requirement(
        what="refusals (429, 503) without `Retry-After`",
        seen=f"{untold} of {len(refused):,}",
        to_reach="0",
        met=untold == 0,
    )


def _fair(by_size: Mapping[str, Times]) -> Requirement:
    worst = max(by_size, key=lambda size: by_size[size].ratio)
    return Requirement(
        what="p99 over p50 of the admitted, in the worst size class",
        seen=f"{by_size[worst].ratio:.1f} ({worst})",
        to_reach=f"< {P99_OVER_P50:g}",
        met=by_size[worst].ratio < P99_OVER_P50,
        is_timed=True,
    )


def _no_growth(memory: Mapping[str, Growth]) -> Requirement:
    slope = memory[TOTAL].slope if memory else math.inf
    parts = ", ".join(f"{kind} {one.slope:+.2f}" for kind, one in memory.items() if kind != TOTAL)
    return Requirement(
        what="memory that all processes gain after a third of the time",
        seen=f"{slope:+.2f} MB a minute ({parts})",
        to_reach=f"≤ {MEGABYTES_A_MINUTE:g} MB a minute",
        met=slope <= MEGABYTES_A_MINUTE,
        is_timed=True,
    )


def _not_starved(load: Load, answered: Sequence[Outcome]) -> Requirement:
    """Compare the answers a second beside slow senders with those without, by when they came."""
    came = [one.at + one.seconds for one in answered]
    came = [at for at in came if at < load.seconds]
    beside = sum(load.is_slow_time(at) for at in came)
    rates = (
        beside / load.slow_seconds,
        (len(came) - beside) / (load.seconds - load.slow_seconds),
    )
    share = rates[0] / rates[1] if rates[1] else 0.0
    return Requirement(
        what=f"answers a second beside {load.slow_senders} slow senders, as a share of without",
        seen=f"{share:.2f} ({rates[0]:.1f} and {rates[1]:.1f})",
        to_reach=f"≥ {SHARE_BESIDE_SLOW:g}",
        met=share >= SHARE_BESIDE_SLOW,
        is_timed=True,
    )


def _cut_off(load: Load) -> Requirement:
    longest = max((one.seconds for one in load.slow), default=0.0)
    odd = sum(one.status not in (None, 408, 429, 503) for one in load.slow)
    return Requirement(
        what="slow requests that the server ended, and the longest of them",
        seen=f"{len(load.slow)}, {longest:.0f} s, {odd} with another status than 408, 429 or 503",
        to_reach=f"≤ {SLOW_SECONDS:g} s, 0",
        met=longest <= SLOW_SECONDS and odd == 0 and bool(load.slow),
        is_timed=True,
    )
