"""The plots of an evaluation, as inline SVG that takes its colours from the page around it."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import binary_dilation

from forgery_lab.evaluation.conditions import C_SCALE, C_SHIFT, A, B, C, Change
from forgery_lab.evaluation.results import Evaluation, RobustnessPoint

INK = "#010203"
"""Stands for the page's text colour: `to_svg` turns it into `currentColor`."""

# Okabe and Ito's colours, told apart by colour-blind readers, on light and on dark.
COLOURS = {A: "#009e73", B: "#0072b2", C: "#d55e00", C_SHIFT: "#cc79a7", C_SCALE: "#e69f00"}
STYLES = {A: "-.", B: "--", C: "-", C_SHIFT: ":", C_SCALE: (0, (3, 1, 1, 1))}
_SIZE = (4.4, 3.6)
_RED = np.array([214, 39, 40])


@dataclass(frozen=True)
class CurvePlot:
    """How a curve is drawn and described: its axes, their labels, title and text."""

    x: str
    y: str
    x_label: str
    y_label: str
    title: str
    text: str


CURVES = {
    "roc": CurvePlot(
        "fpr",
        "tpr",
        "false-positive rate",
        "true-positive rate",
        "ROC",
        "True-positive rate against false-positive rate. The dotted diagonal is chance.",
    ),
    "precision_recall": CurvePlot(
        "recall",
        "precision",
        "recall",
        "precision",
        "Precision and recall",
        "At the share of forgeries of this test set; another share gives another curve.",
    ),
    "reliability": CurvePlot(
        "predicted",
        "observed",
        "predicted probability",
        "share forged",
        "Reliability",
        "Share of forgeries (equal priors) against predicted probability, ten bins of equal "
        "mass. On the diagonal a probability means what it says.",
    ),
    "risk_coverage": CurvePlot(
        "coverage",
        "risk",
        "coverage",
        "share of errors",
        "Risk and coverage",
        "Share of errors when only the most certain images are decided.",
    ),
}


@dataclass(frozen=True)
class Plot:
    """A plot of the report."""

    name: str
    title: str
    text: str
    svg: str


def of_evaluation(evaluation: Evaluation) -> list[Plot]:
    """Return the plots that the figures allow."""
    plots = [
        Plot(name, how.title, how.text, to_svg(figure, how.title))
        for name, how in CURVES.items()
        if (figure := _curve(evaluation, name, how))
    ]
    if evaluation.robustness:
        title, text = (
            "Robustness (F)",
            "AUC under C after one more processing step; bars are 95 % intervals.",
        )
        plots.append(
            Plot("robustness", title, text, to_svg(_robustness(evaluation.robustness), title))
        )
    return plots


def to_svg(drawn: Figure, title: str) -> str:
    """Return the figure as an SVG element that is labelled and has the page's text colour."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": title}):
        drawn.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Ids must stay apart when several figures share one page.
    prefix = re.sub(r"\W", "", title)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)


def two_histograms(label: str, before: np.ndarray, now: np.ndarray) -> Figure:
    """Return the distributions of float[n] and float[m], in bins of their common range."""
    figure, axes = _axes(label, "share of images")
    low, high = np.quantile(np.concatenate([before, now]), [0.002, 0.998])
    bins = np.linspace(low, high if high > low else low + 1, 31)
    for values, colour, name in ((before, COLOURS[B], "reference"), (now, COLOURS[C], "current")):
        weights = np.full(len(values), 1 / len(values))
        axes.hist(
            values,
            bins.tolist(),
            weights=weights,
            histtype="step",
            color=colour,
            linewidth=1.6,
            label=name,
        )
    _legend(axes)
    return figure


def overlay(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Return uint8[H, W, 3]: the picture in grey under the heat map uint8[H, W]."""
    share = heat[..., None].astype(float) / 255
    grey = picture.mean(2, keepdims=True).repeat(3, 2) * 0.7 + 40
    colours = matplotlib.colormaps["inferno"](heat)[..., :3] * 255
    return (grey * (1 - 0.75 * share) + colours * 0.75 * share).clip(0, 255).astype(np.uint8)


def outlined(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the picture with the mask's outline in red, two pixels wide."""
    edge = binary_dilation(mask, iterations=2) & ~mask
    return np.where(edge[..., None], _RED, picture).astype(np.uint8)


def _axes(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot()
    _plain(axes, x, y)
    return figure, axes


def _plain(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.tick_params(colors=INK)
    axes.grid(alpha=0.25, color=INK, linewidth=0.5)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(INK)


def _legend(axes: Axes, **options: Any) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, labelcolor=INK, fontsize=9, **options)


def _curve(evaluation: Evaluation, name: str, how: CurvePlot) -> Figure | None:
    figure, axes = _axes(how.x_label, how.y_label)
    drawn = False
    for condition, colour in COLOURS.items():
        figures = evaluation.protocols.get(condition)
        points = figures.curves.columns().get(name) if figures and figures.curves else None
        if not figures or not points or (name == "reliability" and condition not in (A, C)):
            continue
        drawn = True
        auc = figures.auc.value if figures.auc else None
        in_legend = f", {auc:.2f}" if name == "roc" and auc is not None else ""
        axes.plot(
            points[how.x],
            points[how.y],
            color=colour,
            linestyle=STYLES[condition],
            label=condition.label + in_legend,
            marker="o" if name == "reliability" else None,
            markersize=4,
            linewidth=2 if condition == C else 1.4,
            drawstyle="steps-post" if name == "roc" else "default",
        )
    if name in ("roc", "reliability"):
        axes.plot([0, 1], [0, 1], color=INK, linestyle=":", linewidth=1)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, None if name == "risk_coverage" else 1.02)
    _legend(axes)
    return figure if drawn else None


def _robustness(robustness: Mapping[Change, Sequence[RobustnessPoint]]) -> Figure:
    figure = Figure(figsize=(9.2, 3.2), layout="constrained")
    labels = {"quality": "JPEG quality", "scale": "scale", "blur": "blur, pixels"}
    panels = np.atleast_1d(figure.subplots(1, len(robustness), sharey=True))
    for axes, (changed, points) in zip(panels, robustness.items(), strict=True):
        _plain(axes, labels[changed], "AUC")
        value = np.array([point.value for point in points], float)
        bounds = np.array([[point.low, point.high] for point in points], float).T
        axes.errorbar(
            [point.at for point in points],
            value,
            yerr=np.abs(bounds - value),
            color=COLOURS[C],
            marker="o",
            markersize=4,
            capsize=3,
        )
        axes.axhline(0.5, color=INK, linestyle=":", linewidth=1)
        axes.set_ylim(0.3, 1.02)
        if changed in ("quality", "scale"):
            axes.invert_xaxis()
    return figure
