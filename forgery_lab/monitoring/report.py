"""The report on a window of a prediction log: one self-contained HTML page, and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from forgery_lab.evaluation import plots
from forgery_lab.evaluation.plots import Plot
from forgery_lab.evaluation.report import environment, percent
from forgery_lab.files import write_whole
from forgery_lab.monitoring import drift
from forgery_lab.monitoring.drift import Comparison, Drift, Limits
from forgery_lab.monitoring.performance import Performance
from forgery_lab.monitoring.window import Window

TEMPLATES = Path(__file__).with_name("templates")
PAGE, DATA = "drift.html", "drift.json"
SHOWN = 30
"""Comparisons on the page beside those that drifted; all are in the JSON file."""
_PLOTS = 6


@dataclass(frozen=True)
class Monitored:
    """All that was found about a window.

    Attributes:
        reference, current: the windows.
        drift: between them.
        limits: that decided.
        performance: expected in the reference and in the current window, where it can be told.
    """

    reference: Window
    current: Window
    drift: Drift
    limits: Limits
    performance: tuple[Performance | None, Performance | None]


def verdict(found: Monitored) -> str:
    """Return in one sentence whether there is an alarm, and of what."""
    drifted = found.drift.drifted
    if not drifted:
        return f"no drift is found in {len(found.drift.comparisons)} comparisons"
    first = "; ".join(in_words(one) for one in drifted[:3])
    return f"{len(drifted)} of {len(found.drift.comparisons)} comparisons drift: {first}" + (
        "; …" if len(drifted) > 3 else ""
    )


def in_words(one: Comparison) -> str:
    """Return what a comparison shows."""
    if one.wasserstein is None:
        return f"{one.title}, {percent(one.before, 1)} before and {percent(one.now, 1)} now"
    return f"{one.title}, {one.before:.3g} on average before and {one.now:.3g} now"


def metrics(found: Monitored) -> dict[str, float]:
    """Return the main figures by the names of MLflow metrics."""
    numbers = [one for one in found.drift.comparisons if one.wasserstein is not None]
    values = {
        "drift.alarm": float(bool(found.drift.drifted)),
        "drift.drifted": len(found.drift.drifted),
        "drift.comparisons": len(found.drift.comparisons),
        "drift.largest_psi": max(one.psi for one in found.drift.comparisons),
        "drift.largest_shift": max(one.shift for one in found.drift.comparisons),
    }
    for one in numbers:
        if one.name in ("probability", "pixels", "quality", "photograph"):
            values[f"{one.name}.psi"] = one.psi
            values[f"{one.name}.ks"] = one.shift
            values[f"{one.name}.wasserstein"] = one.wasserstein or 0.0
    for side, window in (("reference", found.reference), ("current", found.current)):
        values[f"{side}.images"] = len(window.frame)
        values[f"{side}.lost"] = window.lost
        for name in drift.OUTCOMES:
            values[f"{side}.{name}"] = float(drift.outcome(window.frame, name).mean())
    for side, figures in zip(("reference", "current"), found.performance, strict=True):
        if figures:
            for name in ("share_forged", "tpr", "fpr", "auc"):
                values[f"{side}.expected.{name}"] = getattr(figures, name).value
    return {name: value for name, value in values.items() if np.isfinite(value)}


def write(folder: Path, found: Monitored) -> None:
    """Write drift.html and drift.json into `folder`, which is made where it is missing."""
    write_whole(folder / PAGE, to_html(found))
    write_whole(folder / DATA, to_json(found) + "\n")


def to_json(found: Monitored) -> str:
    """Return all comparisons and figures as JSON; a number that is infinite is null."""
    content = {
        "verdict": verdict(found),
        "metrics": metrics(found),
        "limits": asdict(found.limits),
        "comparisons": [asdict(one) for one in found.drift.comparisons],
        "not_compared": found.drift.not_compared,
        "expected": [asdict(one) if one else None for one in found.performance],
    }
    return json.dumps(_finite(content), indent=1, default=lambda interval: interval.to_dict())


def to_html(found: Monitored) -> str:
    """Return the page; its plots are inside it, and it asks nothing of the network."""
    comparisons = found.drift.comparisons
    number = max(SHOWN, len(found.drift.drifted))
    template = environment(TEMPLATES).get_template("drift.html.j2")
    return template.render(
        found=found,
        verdict=verdict(found),
        shown=comparisons[:number],
        left=len(comparisons) - min(number, len(comparisons)),
        outcomes=[one for one in comparisons if one.group == "outcomes"],
        plots=[_plot(one, found) for one in _plotted(found.drift)],
    )


def _plotted(found: Drift) -> list[Comparison]:
    """Return the numbers to draw: probabilities, and what drifted most surely."""
    numbers = [one for one in found.comparisons if one.wasserstein is not None]
    first = [one for one in numbers if one.name == "probability"]
    return [*first, *(one for one in numbers if one not in first)][:_PLOTS]


def _plot(one: Comparison, found: Monitored) -> Plot:
    frames = [drift.with_pixels(window.frame) for window in (found.reference, found.current)]
    before, now = (frame[one.name].dropna().to_numpy(float) for frame in frames)
    drawn = plots.two_histograms(one.title, before, now)
    return Plot(one.name, one.title, in_words(one), plots.to_svg(drawn, one.title))


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
