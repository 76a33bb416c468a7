"""Whether the images and scores of one window are distributed as those of another.

Every number is compared by the two-sample Kolmogorov-Smirnov test, every share by Fisher's exact
test. Their p-values are corrected for how many there are (Bonferroni), so a window without drift
raises an alarm with at most the probability asked for, however the columns depend on each other.
The population stability index and the Wasserstein distance say how large a difference is.

Images are taken to be independent of each other. Many nearly equal pictures of one sender are not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from forgery_lab.errors import DataError
from forgery_pyfunc.prediction_log.line import MEANS

Group = Literal["inputs", "scores", "outcomes"]

LEAST_VALUES = 50
"""A column with fewer values in one of the windows is not compared."""
COMMON = 12
"""The most frequent values of a text in the reference that are counted each; then the rest."""
REST = "other"

_BINS = 10
_NUMBERS = {
    "pixels": "pixels, in doublings",
    "quality": "JPEG quality",
    "photograph": "probability of being a photograph",
}
_TEXTS = {"format": "format", "table_hash": "quantisation tables"}


@dataclass(frozen=True)
class Limits:
    """When there is an alarm, and what is compared at all.

    Attributes:
        alarm_rate: probability of an alarm for a window without drift, at most.
        least_reference, least_current: images that a window needs.
        least_shift: a column whose distributions differ by less raises no alarm, however sure
            the difference is; see `Comparison.shift`.
    """

    alarm_rate: float
    least_reference: int
    least_current: int
    least_shift: float


@dataclass(frozen=True)
class Comparison:
    """One column, or one of its values, in both windows.

    Attributes:
        name: as metrics call it.
        title: in words.
        group: "inputs", "scores" or "outcomes".
        images: with a value, in the reference and in the current window.
        before, now: mean of the numbers, or share of the images.
        shift: the largest difference of both distribution functions (the Kolmogorov-Smirnov
            distance), or the difference of both shares; 0 to 1.
        psi: population stability index over tenths of the reference; below 0.1 is usually called
            small, above 0.25 large.
        wasserstein: distance in standard deviations of the reference, None for shares.
        p: of the test, corrected for the number of comparisons.
        drifted: whether it raises the alarm.
    """

    name: str
    title: str
    group: Group
    images: tuple[int, int]
    before: float
    now: float
    shift: float
    psi: float
    wasserstein: float | None
    p: float
    drifted: bool = False


@dataclass(frozen=True)
class Drift:
    """All comparisons of two windows, those most surely different first."""

    comparisons: tuple[Comparison, ...]
    not_compared: tuple[str, ...]

    @property
    def drifted(self) -> tuple[Comparison, ...]:
        """Those that raise the alarm."""
        return tuple(one for one in self.comparisons if one.drifted)


@dataclass(frozen=True)
class _Numbers:
    name: str
    title: str
    group: Group
    values: tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class _Share:
    name: str
    title: str
    group: Group
    counts: tuple[int, int]
    images: tuple[int, int]


def compare(reference: pd.DataFrame, current: pd.DataFrame, limits: Limits) -> Drift:
    """Return the drift between two windows of a log.

    Raises:
        DataError: a window has too few images; the message has the number needed.
    """
    for name, frame, least in (
        ("reference", reference, limits.least_reference),
        ("current", current, limits.least_current),
    ):
        if len(frame) < least:
            raise DataError(
                f"the {name} window has {len(frame)} images; at least {least} are needed"
            )
    numbers = list(_numbers(reference, current))
    enough = [one for one in numbers if min(map(len, one.values)) >= LEAST_VALUES]
    compared = [_compare_numbers(one) for one in enough]
    compared += [_compare_share(one) for one in _shares(reference, current)]
    judged = [_judged(one, len(compared), limits) for one in compared]
    return Drift(
        tuple(sorted(judged, key=lambda one: (one.p, -one.shift))),
        tuple(one.title for one in numbers if one not in enough),
    )


def _judged(one: Comparison, number: int, limits: Limits) -> Comparison:
    corrected = min(1.0, one.p * number)
    drifted = corrected <= limits.alarm_rate and one.shift >= limits.least_shift
    return Comparison(**{**vars(one), "p": corrected, "drifted": drifted})


def _numbers(reference: pd.DataFrame, current: pd.DataFrame) -> Iterator[_Numbers]:
    frames = [with_pixels(frame) for frame in (reference, current)]

    def column(name: str, title: str, group: Group) -> _Numbers:
        one, other = (frame[name].dropna().to_numpy(float) for frame in frames)
        return _Numbers(name, title, group, (one, other))

    yield column("probability", "probability of being forged", "scores")
    for name, title in _NUMBERS.items():
        yield column(name, title, "inputs")
    for name in reference.columns:
        if name.startswith(MEANS) and name in current.columns:
            yield column(name, f"mean of {name.removeprefix(MEANS)}", "inputs")


def with_pixels(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the window with the column `pixels`, the binary logarithm of their number."""
    return frame.assign(pixels=np.log2(frame["width"] * frame["height"].astype(float)))


def _shares(reference: pd.DataFrame, current: pd.DataFrame) -> Iterator[_Share]:
    frames = (reference, current)
    images = (len(reference), len(current))
    for name, title in OUTCOMES.items():
        one, other = (int(outcome(frame, name).sum()) for frame in frames)
        yield _Share(name, title, "outcomes", (one, other), images)
    for name, title in _TEXTS.items():
        common = reference[name].value_counts().index[:COMMON]
        known = [frame[name].dropna() for frame in frames]
        of = (len(known[0]), len(known[1]))
        for value in (*common, REST):
            one, other = (
                int((~texts.isin(common) if value == REST else texts == value).sum())
                for texts in known
            )
            if min(of) >= LEAST_VALUES and one + other:
                yield _Share(f"{name}.{value}", f"{title}: {value}", "inputs", (one, other), of)


OUTCOMES = {
    "forged": "called forged",
    "inconclusive": "in the grey band",
    "declined": "declined: read, not judged",
    "failed": "could not be read",
}
"""What becomes of an image, beside being called authentic."""


def outcome(frame: pd.DataFrame, name: str) -> pd.Series:
    """Return which images of a window have one of `OUTCOMES`, bool[n]."""
    return {
        "forged": frame["verdict"] == "forged",
        "inconclusive": (frame["verdict"] == "inconclusive") & frame["reason"].isna(),
        "declined": frame["reason"].notna(),
        "failed": frame["error"].notna(),
    }[name]


def _compare_numbers(one: _Numbers) -> Comparison:
    before, now = one.values
    test = stats.ks_2samp(before, now, method="asymp")
    spread = float(before.std())
    distance = stats.wasserstein_distance(before, now)
    return Comparison(
        one.name,
        one.title,
        one.group,
        (len(before), len(now)),
        float(before.mean()),
        float(now.mean()),
        float(test.statistic),
        psi(before, now),
        float(distance / spread) if spread else (math.inf if distance else 0.0),
        float(test.pvalue),
    )


def _compare_share(one: _Share) -> Comparison:
    (before, now), (of, of_now) = one.counts, one.images
    table = [[before, of - before], [now, of_now - now]]
    return Comparison(
        one.name,
        one.title,
        one.group,
        one.images,
        before / of,
        now / of_now,
        abs(before / of - now / of_now),
        _stability(np.array(table[0]), np.array(table[1])),
        None,
        float(stats.fisher_exact(table).pvalue),
    )


def psi(reference: np.ndarray, current: np.ndarray) -> float:
    """Return the population stability index over tenths of the reference, float[n], float[m].

    Source: Siddiqi, *Credit Risk Scorecards*, 2006.
    """
    inner = np.unique(np.quantile(reference, np.linspace(0, 1, _BINS + 1)[1:-1]))
    counts = [
        np.bincount(np.searchsorted(inner, values, "left"), minlength=len(inner) + 1)
        for values in (reference, current)
    ]
    return _stability(*counts)


def _stability(reference: np.ndarray, current: np.ndarray) -> float:
    """Return the index of two histograms; half an image more in each bin keeps it finite."""
    before, now = ((counts + 0.5) / (counts + 0.5).sum() for counts in (reference, current))
    return float(((now - before) * np.log(now / before)).sum())
