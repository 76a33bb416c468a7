"""The promotion gate: is a model sound, and not worse than the one it would replace?

Challenger and champion score the frozen test set under protocol C, each in a process of its own,
and one question decides: does the paired difference of AUC, with its interval over source
photographs, stay above minus the margin? Guard rails stand beside it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from forgery_lab.evaluation import conditions, metrics, scoring
from forgery_lab.evaluation.eligibility import has_classes, host
from forgery_lab.evaluation.figures import draws_of
from forgery_lab.evaluation.metrics import ScoredImages
from forgery_lab.evaluation.results import Difference, Proportion
from forgery_lab.evaluation.scoring import Ask
from forgery_lab.evaluation.trials import PREDICTION_COLUMNS, Trial, matched_trials, prediction
from forgery_lab.examples.histories import HistoryMatcher
from forgery_lab.export.detector_folder import DetectorFolder
from forgery_lab.progress import Progress
from forgery_lab.promotion import contract_check
from forgery_lab.promotion import frozen_set as frozen_sets
from forgery_lab.promotion.frozen_set import FrozenSet
from forgery_pyfunc.errors import ModelError

CONDITION = conditions.C
TIMED_IMAGES = 24
RESAMPLES, CALIBRATION_RESAMPLES = 2000, 500
"""Behind the interval of the difference of AUC, and behind those of the calibration errors."""
MOST_UNSCORED = 0.02
"""Share of the images that the champion scored which the challenger may leave without a score."""


@dataclass(frozen=True)
class PromotionLimits:
    """The limits that a challenger has to meet.

    Attributes:
        margin: of AUC by which it may be worse than the champion.
        least_sources: source photographs below which the evidence is insufficient.
        false_alarms: share of authentic images called forged.
        calibration_error: `ece_corrected`.
        latency_ratio: its time per image over the champion's.
        megabytes: of the model's folder.
    """

    margin: float
    least_sources: int
    false_alarms: float
    calibration_error: float
    latency_ratio: float
    megabytes: float


@dataclass(frozen=True)
class Line:
    """One line of the comparison; a refusal is a sentence, or None where the limit is met.

    Without a limit, it is there to be known. `name` is that of its figures, such as
    `champion.recall_at_half`; by default it follows from `what`.
    """

    what: str
    champion: float
    challenger: float
    limit: str = ""
    refusal: str | None = None
    name: str = ""

    @property
    def key(self) -> str:
        """Return the name of the line's figures."""
        return self.name or self.what.replace(" ", "_").replace(",", "")


@dataclass(frozen=True)
class Judgement:
    """What the gate says: the reasons of a refusal, what else is to be known, the comparison.

    It is lasting unless a model could not be asked, which may have reasons outside the model.
    """

    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()
    figures: dict[str, float] = field(default_factory=dict)
    lasting: bool = True

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against the challenger."""
        return not self.refusals

    @property
    def reason(self) -> str:
        """One sentence."""
        if self.refusals:
            return "; ".join(self.refusals)
        alone = "it is sound, and there was none to compare it with"
        return "it is not worse, and meets every limit" if self.lines else alone

    def table(self) -> str:
        """Return the comparison as text, a line per figure."""
        head = f"{'':24}{'champion':>12}{'challenger':>12}  limit"
        rows = [
            f"{one.what:24}{one.champion:12.3f}{one.challenger:12.3f}  {one.limit}".rstrip()
            + (": EXCEEDED" if one.refusal else "")
            for one in self.lines
        ]
        return "\n".join([head, *rows, *self.notes])

    def markdown(self) -> str:
        """Return the comparison as a Markdown table with its notes; nothing was compared: empty."""
        if not self.lines:
            return ""
        head = ["| | champion | challenger | limit |", "| --- | ---: | ---: | --- |"]
        rows = [
            f"| {one.what} | {one.champion:.3f} | {one.challenger:.3f} | {one.limit}"
            f"{', **exceeded**' if one.refusal else ''} |"
            for one in self.lines
        ]
        return "\n".join([*head, *rows, *(f"\n{note}" for note in self.notes)])

    def to_json(self) -> str:
        """Return everything as JSON; what is not a number is null."""
        values = {"passed": self.passed, "reason": self.reason, **asdict(self)}
        return json.dumps(_finite(values), indent=1)


def judge(
    challenger: DetectorFolder,
    champion: DetectorFolder | None,
    frozen: FrozenSet,
    limits: PromotionLimits,
    seed: int,
    draws: int,
    progress: Progress | None = None,
) -> Judgement:
    """Return whether the challenger may replace the champion.

    Without a champion, it must be sound and must not have seen the frozen set. A model that
    cannot be loaded, or dies, is refused and never raised.
    """
    notes: list[str] = []
    try:
        refusals, notes = leaks(challenger, champion, frozen)
        if refusals:
            return Judgement(tuple(refusals), tuple(notes))
        with ExitStack() as stack:
            ask = stack.enter_context(opened(challenger))
            faults = contract_check.faults(challenger.path, ask)
            if faults or champion is None:
                return Judgement(tuple(faults), tuple(notes))
            asks = (stack.enter_context(opened(champion)), ask)
            predictions = answers(asks, trials(frozen, seed, draws), progress)
            seconds = latencies(asks, trials(frozen, seed, 1)[:TIMED_IMAGES])
    except ModelError as error:
        return Judgement((str(error),), tuple(notes), lasting=False)
    sizes = champion.megabytes, challenger.megabytes
    return compare(predictions, frozen.frame, seconds, sizes, limits, seed, notes)


@contextmanager
def opened(model: DetectorFolder) -> Iterator[Ask]:
    """Yield what asks a model for records; what is wrong with it is told by its name.

    Raises:
        ModelError: it cannot be loaded, its process died, or it answers with odd values.
    """

    def ask_checked(images: list[bytes], **params: Any) -> list[dict[str, Any]]:
        records = ask(images, **params)
        odd = next((odd for record in records if (odd := contract_check.odd_value(record))), None)
        if odd:
            raise ModelError(f"{model.name} breaks the contract: {odd}")
        return records

    try:
        with scoring.opened(model.path) as ask:
            yield ask_checked
    except ModelError as error:
        message = str(error).replace(f"the model {model.path}", model.name)
        raise ModelError(message.replace(str(model.path), model.name)) from error


def leaks(
    challenger: DetectorFolder, champion: DetectorFolder | None, frozen: FrozenSet
) -> tuple[list[str], list[str]]:
    """Return refusals and notes about models that learnt from the frozen set, or may have.

    Raises:
        ModelError: the challenger's training manifest cannot be read.
    """
    refusals = []
    if challenger.training is not None:
        if found := _seen(challenger, frozen):
            refusals.append(f"{found}, so it cannot be judged")
    elif champion is not None:
        refusals.append(
            f"{challenger.name} has no training manifest, so it cannot be shown that the "
            "frozen test set is new to it"
        )
    return refusals, _notes(champion, frozen) if champion is not None else []


def _notes(champion: DetectorFolder, frozen: FrozenSet) -> list[str]:
    try:
        if champion.training is None:
            return [f"{champion.name} has no training manifest; it may know the frozen set"]
        found = _seen(champion, frozen)
    except ModelError as error:
        return [f"{error}; it may know the frozen set"]
    return [f"{found}: the comparison favours it"] if found else []


def _seen(model: DetectorFolder, frozen: FrozenSet) -> str:
    """Return how the model's training touched the frozen set, empty where it did not."""
    training = model.training
    if training is None:
        return ""
    codes = frozen_sets.touching(training, frozen.frame)
    counts = codes[codes != ""].value_counts()
    if counts.empty:
        return ""
    by_code = ", ".join(f"{count} as {code}" for code, count in counts.items())
    touching = f"{counts.sum()} images that touch the frozen test set ({by_code})"
    return f"{model.name} learnt from {touching}"


def trials(frozen: FrozenSet, seed: int, draws: int) -> list[Trial]:
    """Return the frozen images with matched histories."""
    matcher = HistoryMatcher.fit(frozen.frame, frozen.root, seed)
    return matched_trials(frozen.frame, frozen.root, matcher, draws)


def answers(
    asks: Sequence[Ask], shown: Sequence[Trial], progress: Progress | None = None
) -> list[pd.DataFrame]:
    """Return a frame of predictions for each model; all see the same bytes at the same time."""
    rows: list[list[dict[str, Any]]] = [[] for _ in asks]
    with ThreadPoolExecutor(len(asks)) as pool:
        for start in range(0, len(shown), scoring.BATCH):
            batch = shown[start : start + scoring.BATCH]
            images = [trial.rendition() for trial in batch]
            found = pool.map(lambda ask, images=images: ask(images), asks)
            for of_model, records in zip(rows, found, strict=True):
                of_model += [prediction(*pair) for pair in zip(batch, records, strict=True)]
            if progress:
                progress(start + len(batch), len(shown))
    return [pd.DataFrame(of_model, columns=[*PREDICTION_COLUMNS]) for of_model in rows]


def latencies(asks: Sequence[Ask], shown: Sequence[Trial]) -> list[float]:
    """Return the median seconds per image of each model, asked in turn within one minute."""
    seconds: list[list[float]] = [[] for _ in asks]
    for turn, trial in enumerate(shown):
        image = trial.rendition()
        for model in range(len(asks)) if turn % 2 else reversed(range(len(asks))):
            start = time.perf_counter()
            asks[model]([image])
            seconds[model].append(time.perf_counter() - start)
    return [median(one) for one in seconds]


def compare(
    predictions: Sequence[pd.DataFrame],
    rows: pd.DataFrame,
    seconds: Sequence[float],
    megabytes: Sequence[float],
    limits: PromotionLimits,
    seed: int,
    notes: Sequence[str] = (),
) -> Judgement:
    """Return the judgement on figures of champion and challenger, in this order everywhere.

    Args:
        predictions: of each, on `rows` under protocol C.
        rows: manifest rows; images that one of the two could not score count for neither, and
            the challenger may have hardly more of them.
        seconds: per image.
        megabytes: of the model's folder.
        limits: that the challenger has to meet.
        seed: of the bootstrap.
        notes: what else is to be known.
    """
    scored = [set(draws_of(one, rows, CONDITION)[1]["sha256"]) for one in predictions]
    missed = len(scored[0] - scored[1]), len(scored[0])
    common = rows[rows["sha256"].isin(scored[0] & scored[1])]
    sources = len(set(host(common))) if len(common) else 0
    if sources < limits.least_sources or not has_classes(common):
        missing = _missed(*missed).refusal
        return Judgement(
            (
                *([missing] if missing else []),
                f"insufficient evidence: {sources} source photographs ({len(common)} images) that "
                f"both models could score, and {limits.least_sources} are needed",
            ),
            tuple(notes),
        )
    draws = [draws_of(one, common, CONDITION)[0] for one in predictions]
    difference = metrics.compare(draws[0], draws[1], RESAMPLES, seed)["auc"]
    lines = (
        _missed(*missed),
        _auc(draws, difference, limits.margin),
        _false_alarms([one[0] for one in draws], limits.false_alarms),
        _calibration(draws, limits.calibration_error, seed),
        _latency(seconds, limits.latency_ratio),
        _size(megabytes, limits.megabytes),
        *_decisions(draws),
    )
    low, high = _number(difference.low), _number(difference.high)
    basis = (
        f"{len(common)} images of {sources} source photographs under protocol {CONDITION.name}; "
        f"difference of AUC {_number(difference.value):+.3f}, 95 % {low:+.3f} … {high:+.3f}"
    )
    values = {f"{who}.{line.key}": getattr(line, who)
              for line in lines for who in ("champion", "challenger")}  # fmt: skip
    values.update({"images": len(common), "sources": sources})
    values.update({"difference.low": low, "difference.high": high})
    refusals = tuple(line.refusal for line in lines if line.refusal)
    return Judgement(refusals, (basis, *notes), lines, values)


def _missed(count: int, of: int) -> Line:
    share = count / of if of else 0.0
    refusal = None
    if share > MOST_UNSCORED:
        refusal = (
            f"the challenger could not score {count} of the {of} images that the champion scored "
            f"({share:.1%}); the limit is {MOST_UNSCORED:.0%}"
        )
    return Line("not scored", 0.0, share, f"at most {MOST_UNSCORED:g}", refusal)


def _decisions(draws: Sequence[Sequence[ScoredImages]]) -> list[Line]:
    """Return accuracy, precision, recall and F1 at probability 0.5 and at t_hi, for information."""
    measured = [[metrics.measure(one) for one in model] for model in draws]
    lines = []
    for where, suffix in (("0.5", "_at_half"), ("t_hi", "")):
        for name in metrics.DECISIONS:
            champion, challenger = (
                float(np.mean([one[name + suffix] for one in model])) for model in measured
            )
            what = f"{'F1' if name == 'f1' else name} at {where}"
            key = f"{name}{suffix or '_at_t_hi'}"
            lines.append(Line(what, champion, challenger, name=key))
    return lines


def _auc(draws: Sequence[Sequence[ScoredImages]], difference: Difference, margin: float) -> Line:
    champion, challenger = (
        float(np.mean([metrics.measure(one)["auc"] for one in model])) for model in draws
    )
    low, high = _number(difference.low), _number(difference.high)
    refusal = None
    if not low >= -margin:
        verb = "is worse" if challenger - champion < -margin else "is not shown to be as good"
        refusal = (
            f"the challenger {verb}: AUC {challenger:.3f} against {champion:.3f}, and the 95 % "
            f"interval of the difference, {low:+.3f} … {high:+.3f}, goes below -{margin:g}"
        )
    return Line("AUC", champion, challenger, f"not more than {margin:g} worse", refusal)


def _false_alarms(models: Sequence[ScoredImages], limit: float) -> Line:
    rates = [_alarms(scores) for scores in models]
    champion, challenger = (_number(rate.value) for rate in rates)
    alarms = rates[1]
    refusal = None
    if alarms.low is not None and alarms.low > limit:
        refusal = (
            f"the challenger calls {challenger:.1%} of the authentic photographs forged "
            f"({alarms.count} of {alarms.of}, at least {alarms.low:.1%}); the limit is {limit:.1%}"
        )
    return Line("false alarms", champion, challenger, f"at most {limit:g}", refusal)


def _alarms(scores: ScoredImages) -> Proportion:
    alarms = scores.forged & scores.decided & ~scores.label
    return metrics.proportion(int(alarms.sum()), int((~scores.label).sum()))


def _calibration(draws: Sequence[Sequence[ScoredImages]], limit: float, seed: int) -> Line:
    errors = [
        metrics.estimate(model, CALIBRATION_RESAMPLES, seed)["ece_corrected"] for model in draws
    ]
    champion, challenger = (_number(error.value) for error in errors)
    low = _number(errors[1].low)
    refusal = None
    if low > limit:
        refusal = (
            f"the challenger's calibration error is {challenger:.3f}, at least {low:.3f}; the "
            f"limit is {limit:g}"
        )
    return Line("calibration error", champion, challenger, f"at most {limit:g}", refusal)


def _latency(seconds: Sequence[float], limit: float) -> Line:
    champion, challenger = (1000 * one for one in seconds)
    refusal = None
    if challenger > limit * champion:
        refusal = (
            f"the challenger takes {challenger:.0f} ms for an image, the champion "
            f"{champion:.0f} ms; the limit is {limit:g} times as long"
        )
    return Line("ms per image", champion, challenger, f"at most {limit:g} times", refusal)


def _size(megabytes: Sequence[float], limit: float) -> Line:
    refusal = None
    if megabytes[1] > limit:
        refusal = f"the challenger takes {megabytes[1]:.0f} MB; the limit is {limit:g}"
    return Line("MB", megabytes[0], megabytes[1], f"at most {limit:g}", refusal)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _finite(value: Any) -> Any:
    """Return nested values with None for NaN, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and np.isnan(value) else value
