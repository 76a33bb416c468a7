"""The memory of the servers' processes over time, and by how much it grows."""

import statistics
from collections.abc import Mapping, Sequence

import psutil
from pydantic import BaseModel

from forgery_pyfunc.imaging.sandbox import server as decoders
from serving.supervisor import Service

DECODERS, TOTAL = "decoders", "all"
WARM_UP = 1 / 3
"""Share of the time that is left out of the slope: threads, caches and arenas fill."""


class Sample(BaseModel):
    """Megabytes in use by kind of process, `at` so many seconds from the start.

    It is the proportional set size: what several processes share counts once.
    """

    at: float
    megabytes: dict[str, float]


class Growth(BaseModel):
    """Of one kind of process after the warm-up: mean, most, and slope a minute, in megabytes."""

    mean: float
    most: float
    slope: float


def measure(services: Mapping[str, Service], at: float) -> Sample:
    """Return what the processes of services use now, their decoders apart."""
    megabytes = dict.fromkeys((*services, DECODERS), 0.0)
    for name, service in services.items():
        if service.process is None:
            continue
        leader = psutil.Process(service.process.pid)
        for process in [leader, *leader.children(recursive=True)]:
            try:
                kind = DECODERS if decoders.__name__ in process.cmdline() else name
                megabytes[kind] += process.memory_full_info().pss / 1e6
            except psutil.NoSuchProcess:  # a decoder was replaced meanwhile
                continue
    return Sample(at=at, megabytes=megabytes | {TOTAL: sum(megabytes.values())})


def growth(samples: Sequence[Sample], seconds: float) -> dict[str, Growth]:
    """Return the growth by kind of process, over a time of so many seconds.

    The slope is that of the least-squares line through the samples after the warm-up; where there
    are fewer than two of these, nothing is returned.
    """
    late = [sample for sample in samples if WARM_UP * seconds <= sample.at <= seconds]
    if len(late) < 2:
        return {}
    minutes = [sample.at / 60 for sample in late]
    return {
        kind: Growth(
            mean=statistics.mean(values),
            most=max(values),
            slope=statistics.linear_regression(minutes, values).slope,
        )
        for kind in late[0].megabytes
        if (values := [sample.megabytes[kind] for sample in late])
    }
