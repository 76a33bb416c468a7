"""The plots of an evaluation, as inline SVG that takes its colours from the page around it."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import binary_dilation

INK = "#010203"
"""Stands for the page's text colour: `to_svg` turns it into `currentColor`."""

# Okabe and Ito's colours, told apart by colour-blind readers, on light and on dark.
COLOURS = {
    "C": "#d55e00",
    "B": "#0072b2",
    "A": "#009e73",
    "C-shift": "#cc79a7",
    "C-scale": "#e69f00",
    "control": "#7f8c8d",
}
STYLES = {"C": "-", "B": "--", "A": "-.", "C-shift": ":", "C-scale": (0, (3, 1, 1, 1))}
LABELS = {"C-shift": "C′ shifted", "C-scale": "C′ rescaled"}
_SIZE = (4.4, 3.6)
_RED = np.array([214, 39, 40])


def of_evaluation(evaluation: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the plots that the figures allow, each with title, description and SVG."""
    descriptions = {
        "roc": (
            "ROC",
            "True-positive rate against false-positive rate. The dotted diagonal is chance.",
        ),
        "precision_recall": (
            "Precision and recall",
            "At the share of forgeries of this test set; another share gives another curve.",
        ),
        "reliability": (
            "Reliability",
            "Share of forgeries (equal priors) against predicted probability, ten bins of equal "
            "mass. On the diagonal a probability means what it says.",
        ),
        "risk_coverage": (
            "Risk and coverage",
            "Share of errors when only the most certain images are decided.",
        ),
        "robustness": (
            "Robustness (F)",
            "AUC under C after one more handling; bars are 95 % intervals.",
        ),
    }
    return [
        {"name": name, "title": descriptions[name][0], "text": descriptions[name][1], "svg": svg}
        for name, drawn in figures(evaluation).items()
        if (svg := to_svg(drawn, descriptions[name][0]))
    ]


def figures(evaluation: Mapping[str, Any]) -> dict[str, Figure]:
    """Return the matplotlib figures by name."""
    drawn = {
        name: one
        for kind, name in (
            ("roc", "roc"),
            ("precision_recall", "precision_recall"),
            ("reliability", "reliability"),
            ("risk_coverage", "risk_coverage"),
        )
        if (one := _curve(evaluation, kind))
    }
    if evaluation.get("robustness"):
        drawn["robustness"] = _robustness(evaluation["robustness"])
    return drawn


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


def _curve(evaluation: Mapping[str, Any], kind: str) -> Figure | None:
    names = {
        "roc": ("fpr", "tpr", "false-positive rate", "true-positive rate"),
        "precision_recall": ("recall", "precision", "recall", "precision"),
        "reliability": ("predicted", "observed", "predicted probability", "share forged"),
        "risk_coverage": ("coverage", "risk", "coverage", "share of errors"),
    }
    x, y, x_label, y_label = names[kind]
    figure, axes = _axes(x_label, y_label)
    drawn = False
    for condition in ("A", "B", "C", "C-shift", "C-scale"):
        points = evaluation["protocols"].get(condition, {}).get("curves", {}).get(kind)
        if not points:
            continue
        if kind == "reliability":
            points = {key: [point[key] for point in points] for key in (x, y)}
            if condition not in ("A", "C"):
                continue
        drawn = True
        axes.plot(
            points[x],
            points[y],
            color=COLOURS[condition],
            linestyle=STYLES[condition],
            label=_label(evaluation, condition, kind),
            marker="o" if kind == "reliability" else None,
            markersize=4,
            linewidth=2 if condition == "C" else 1.4,
            drawstyle="steps-post" if kind == "roc" else "default",
        )
    if kind in ("roc", "reliability"):
        axes.plot([0, 1], [0, 1], color=INK, linestyle=":", linewidth=1)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, None if kind == "risk_coverage" else 1.02)
    _legend(axes)
    return figure if drawn else None


def _label(evaluation: Mapping[str, Any], condition: str, kind: str) -> str:
    name = LABELS.get(condition, condition)
    auc = evaluation["protocols"][condition]["metrics"]["auc"]["value"]
    return f"{name}, {auc:.2f}" if kind == "roc" and auc is not None else name


def _robustness(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    figure = Figure(figsize=(9.2, 3.2), layout="constrained")
    labels = {"quality": "JPEG quality", "scale": "scale", "blur": "blur, pixels"}
    for axes, (name, points) in zip(
        np.atleast_1d(figure.subplots(1, len(found), sharey=True)), found.items(), strict=True
    ):
        _plain(axes, labels[name], "AUC")
        at = [point["at"] for point in points]
        value = np.array([point["value"] for point in points], float)
        bounds = np.array([[point["low"], point["high"]] for point in points], float).T
        axes.errorbar(
            at,
            value,
            yerr=np.abs(bounds - value),
            color=COLOURS["C"],
            marker="o",
            markersize=4,
            capsize=3,
        )
        axes.axhline(0.5, color=INK, linestyle=":", linewidth=1)
        axes.set_ylim(0.3, 1.02)
        if name in ("quality", "scale"):
            axes.invert_xaxis()
    return figure
