"""The report of an evaluation: one self-contained HTML page, and the same as JSON and CSV."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jinja2
import numpy as np
import pandas as pd
from PIL import Image

from forgery_lab.evaluation import baselines, conditions, finds, metrics, plots, results
from forgery_lab.evaluation.mistakes import ShownImage, ShownImages
from forgery_lab.evaluation.results import (
    ConditionFigures,
    ElsewhereFigures,
    Evaluation,
    Interval,
)
from forgery_lab.files import write_whole
from forgery_pyfunc.detector import FIGURES_FILE

TEMPLATES = Path(__file__).with_name("templates")
PAGE = "report.html"

COLUMNS = {
    "auc": "AUC",
    "tpr_at_5_fpr": "TPR at 5 % FPR",
    "balanced_accuracy": "Balanced accuracy",
    "brier": "Brier",
    "ece_corrected": "Calibration error",
    "coverage": "Coverage",
}
TITLES = {"accuracy": "Accuracy", "precision": "Precision", "recall": "Recall", "f1": "F1"}
DECISIONS = {
    "at 0.5": {f"{name}_at_half": TITLES[name] for name in metrics.DECISIONS},
    "at t_hi": {name: TITLES[name] for name in metrics.DECISIONS},
}
"""The metrics of each decision, by its name: at probability 0.5 and at the upper threshold."""
WHERE = {
    "auc": "AUC",
    "f1": "F1 at 0.5",
    "iou": "IoU at 0.5",
    "best_f1": "Best F1",
    "block_auc": "AUC on the 8×8 grid",
}
_THUMBNAIL = 300


@dataclass(frozen=True)
class Tile:
    """A figure at the top of the page."""

    label: str
    value: str
    interval: str
    note: str


@dataclass(frozen=True)
class Sentence:
    """What a figure says, in words."""

    text: str
    tone: Literal["good", "bad", "plain"] = "plain"


def write(folder: Path, evaluation: Evaluation, images: ShownImages | None = None) -> None:
    """Write report.html, finds.png, figures.json and a CSV per curve into `folder`.

    The curves are named like C_roc.csv; finds.png shows up to three forgeries that were found.

    Args:
        folder: made where it is missing.
        evaluation: with `model` and `data`, as far as known.
        images: what `mistakes.worst_and_best` gave.
    """
    results.write(folder / FIGURES_FILE, evaluation)
    write_whole(folder / PAGE, render(evaluation, images or ShownImages()))
    for old in folder.glob("*.csv"):
        old.unlink()
    for name, table in curves(evaluation).items():
        write_whole(folder / f"{name}.csv", table.to_csv(index=False))
    finds.write(folder / finds.PICTURE, images.best if images else [])


def render(evaluation: Evaluation, images: ShownImages) -> str:
    """Return the page. Pictures and plots are inside it; it asks nothing of the network."""
    protocols = evaluation.protocols
    about = {"Model": evaluation.model, "Data": evaluation.data}
    template = environment().get_template("report.html.j2")
    return template.render(
        evaluation=evaluation,
        about={title: facts.to_dict() for title, facts in about.items() if facts},
        words=in_words(evaluation),
        tiles=tiles(evaluation),
        headline=conditions.C,
        by_kind=protocols.get(conditions.C, protocols.get(conditions.A)),
        columns=COLUMNS,
        decisions=DECISIONS,
        where_columns=WHERE,
        last_baseline=baselines.LAST,
        plots=plots.of_evaluation(evaluation),
        images={
            "worst": [_picture(image) for image in images.worst],
            "best": [_picture(image) for image in images.best],
        },
    )


def environment(*folders: Path) -> jinja2.Environment:
    """Return the environment of the templates here and in folders, with filters for figures."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader([TEMPLATES, *folders]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(
        figure=figure, interval=interval, bounds=bounds, percent=percent, sentence=sentence
    )
    return templates


def sentence(text: str) -> str:
    """Return the text with a capital first letter, and the rest as it is."""
    return text[:1].upper() + text[1:]


def figure(value: float | None, digits: int = 2) -> str:
    """Return a number for a table, or a dash."""
    return "–" if value is None else f"{value:.{digits}f}"


def interval(estimate: Interval | None, digits: int = 2) -> str:
    """Return "low to high" of an estimate, or nothing where it has none."""
    if estimate is None or estimate.low is None:
        return ""
    return f"{figure(estimate.low, digits)} to {figure(estimate.high, digits)}"


def bounds(estimate: Interval | None) -> str:
    """Return an interval in the few characters that a table cell has room for."""
    return interval(estimate).replace(" to ", "–")


def percent(value: float | None, digits: int = 0) -> str:
    """Return a share as a percentage, or a dash."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def tiles(evaluation: Evaluation) -> list[Tile]:
    """Return the few figures at the top."""
    shown = []
    for condition, label, note in (
        (conditions.C, "AUC, histories matched", "protocol C, the headline"),
        (conditions.B, "AUC, raw files", "protocol B: also learns who saved the file"),
        (conditions.A, "AUC, random split", "protocol A: for comparison with papers only"),
        (conditions.CONTROL, "AUC, background only", "0.5 is right"),
    ):
        auc = evaluation.auc(condition)
        if auc:
            shown.append(Tile(label, figure(auc.value), interval(auc), note))
    maps = evaluation.where.get(conditions.C)
    if maps:
        note = f"protocol D, {maps.images} forged images, cut at 0.5"
        shown.append(Tile("F1 of the heat map", figure(maps.f1.value), interval(maps.f1), note))
    for other in evaluation.elsewhere:
        alarms = other.false_positives
        if alarms.value is not None:
            shown.append(
                Tile(
                    f"False alarms, {other.name}",
                    percent(alarms.value, 1),
                    f"{percent(alarms.low, 1)} to {percent(alarms.high, 1)}",
                    f"{alarms.count} of {alarms.of} authentic images",
                )
            )
    return shown


def in_words(evaluation: Evaluation) -> list[Sentence]:
    """Return what the figures say."""
    sentences = [
        _headline_in_words(evaluation),
        _decisions_in_words(evaluation),
        _baseline_in_words(evaluation),
        _gap_in_words(evaluation),
        _control_in_words(evaluation),
        _textures_in_words(evaluation),
        _where_in_words(evaluation),
        *elsewhere_in_words(evaluation),
    ]
    return [one for one in sentences if one]


def elsewhere_in_words(evaluation: Evaluation) -> list[Sentence]:
    """Return what the figures of other data sets say (protocol E)."""
    sentences = [_elsewhere_in_words(other) for other in evaluation.elsewhere]
    return [one for one in sentences if one]


def _headline_in_words(evaluation: Evaluation) -> Sentence:
    auc = evaluation.auc(conditions.C)
    if auc is None or auc.value is None:
        return Sentence(
            "There is no honest image-level figure for this model here: protocol C was left out. "
            "What follows must not be read as one.",
            "bad",
        )
    text = (
        f"With the compression histories of the two classes matched and no source photograph "
        f"shared with training, the model separates forged from authentic images with an AUC of "
        f"{figure(auc.value)} (95 % interval {interval(auc)})."
    )
    if auc.low is not None and auc.low <= 0.5:
        return Sentence(f"{text} That cannot be distinguished from chance.", "bad")
    return Sentence(text)


def learnt(evaluation: Evaluation) -> str:
    """Return in one sentence what the model can do, for a reader who knows no protocol."""
    one = evaluation.protocols.get(conditions.C)
    auc = one.auc if one else None
    if one is None or auc is None or auc.value is None:
        return "The test images give no honest figure for this model."
    is_chance = auc.low is not None and auc.low <= 0.5
    bound = ", which may be chance" if is_chance else ""
    return (
        f"On {one.images} test images whose sources it never saw, the model tells forged from "
        f"authentic with an AUC of {figure(auc.value)} ({interval(auc)}{bound}); at "
        f"probability 0.5 it finds {percent(_value(one, 'recall_at_half'))} of the forgeries (F1 "
        f"{figure(_value(one, 'f1_at_half'))}), at t_hi, where an alarm is meant to be rarely "
        f"false, {percent(_value(one, 'recall'))}."
    )


def _value(figures: ConditionFigures, name: str) -> float | None:
    estimate = figures.metrics.get(name)
    return estimate.value if estimate else None


def _decisions_in_words(evaluation: Evaluation) -> Sentence | None:
    one = evaluation.protocols.get(conditions.C)
    if one is None or "f1_at_half" not in one.metrics:
        return None
    sides = [
        ", ".join(f"{title} {figure(_value(one, name))}" for name, title in names.items())
        + f" {where}"
        for where, names in DECISIONS.items()
    ]
    return Sentence(f"Every image decided, under C: {'; '.join(sides)}.")


def _baseline_in_words(evaluation: Evaluation) -> Sentence | None:
    gain = evaluation.against_baseline.get(conditions.C)
    beside = evaluation.baselines.get(conditions.C, {}).get(baselines.LAST)
    if not gain or gain.value is None or not beside:
        return None
    reference = figure(beside.metrics["auc"].value)
    difference = f"{gain.value:+.2f} AUC (95 % interval {interval(gain)})"
    if gain.low is not None and gain.low > 0:
        return Sentence(
            f"It beats boosted trees on whole-image pixel statistics, which reach {reference} "
            f"under the same protocol, by {difference}.",
            "good",
        )
    if gain.value > 0:
        return Sentence(
            f"The network is not shown to beat the last baseline: boosted trees on whole-image "
            f"pixel statistics reach {reference}, and the difference of {difference} may be "
            "chance.",
            "bad",
        )
    return Sentence(
        f"The network does not beat the last baseline: boosted trees on whole-image pixel "
        f"statistics reach {reference}, and the network differs from them by {difference}.",
        "bad",
    )


def _gap_in_words(evaluation: Evaluation) -> Sentence | None:
    raw = evaluation.baselines.get(conditions.B, evaluation.baselines.get(conditions.A, {}))
    value = raw["header"].metrics["auc"].value if "header" in raw else None
    if value is None:
        return None
    if value < 0.6:
        return Sentence(
            f"On the raw files the headers alone reach only {figure(value)} in this data set."
        )
    return Sentence(
        f"On the raw files a rule that sees no pixel, only the header, reaches an AUC of "
        f"{figure(value)}: high figures on raw files show which program saved a file, not "
        "whether it was forged."
    )


def _control_in_words(evaluation: Evaluation) -> Sentence | None:
    auc = evaluation.auc(conditions.CONTROL)
    if auc is None or auc.value is None or auc.low is None or auc.high is None:
        return None
    if auc.low <= 0.5 <= auc.high:
        return Sentence(
            f"Crops without a forged pixel score {figure(auc.value)} ({interval(auc)}), which "
            "agrees with 0.5: no shortcut is visible in the background.",
            "good",
        )
    if auc.value > 0.5:
        meaning = "part of the headline comes from something other than forged pixels"
    else:
        meaning = (
            "what surrounds a forgery looks less forged to the model than authentic images do, "
            "which works against the headline"
        )
    score = f"{figure(auc.value)} ({interval(auc)})"
    return Sentence(f"Crops without a forged pixel score {score} instead of 0.5: {meaning}.", "bad")


def _textures_in_words(evaluation: Evaluation) -> Sentence | None:
    headline = evaluation.protocols.get(conditions.C)
    parts = headline.parts if headline else {}
    if "outside textures" not in parts:
        return None
    outside = parts["outside textures"].auc
    text = f"Outside textures the AUC is {figure(outside.value)} ({interval(outside)})"
    if "textures" in parts:
        inside = parts["textures"].auc
        text += f", in textures {figure(inside.value)} ({interval(inside)})"
    return Sentence(f"{text}.")


def _where_in_words(evaluation: Evaluation) -> Sentence | None:
    maps = evaluation.where.get(conditions.C)
    if not maps:
        return None
    return Sentence(
        f"Inside forged images the heat map ranks forged pixels above intact ones with a mean AUC "
        f"of {figure(maps.auc.value)} ({interval(maps.auc)}); cut at 0.5 its mean F1 is "
        f"{figure(maps.f1.value)}. No shortcut of the whole image helps here."
    )


def _elsewhere_in_words(other: ElsewhereFigures) -> Sentence | None:
    alarms = other.false_positives
    if alarms.value is None or alarms.low is None or alarms.high is None:
        return None
    text = (
        f"Elsewhere, on {other.name}, {alarms.count} of {alarms.of} authentic images are "
        f"called forged ({percent(alarms.value, 1)}; with 95 % confidence at most "
        f"{percent(alarms.at_most, 1)}), {percent(other.inconclusive)} stay inconclusive."
    )
    return Sentence(
        text, "bad" if alarms.low > 0.03 else "good" if alarms.high <= 0.05 else "plain"
    )


def values(evaluation: Evaluation) -> dict[str, dict[str, float | None]]:
    """Return {protocol: {metric: value}} with counts of the decisions; the maps' are under D."""
    metrics = {
        condition.name: values_of(figures) for condition, figures in evaluation.protocols.items()
    }
    maps = evaluation.where.get(conditions.C) or next(iter(evaluation.where.values()), None)
    if maps:
        metrics["D"] = {name: getattr(maps, name).value for name in WHERE}
    return metrics


def values_of(figures: ConditionFigures) -> dict[str, float | None]:
    """Return the values of the metrics and the counts of the decisions of one condition.

    What is decided at t_hi has two names, such as `recall` and `recall_at_t_hi`.
    """
    counts = figures.confusion.to_dict() if figures.confusion else {}
    found = {name: estimate.value for name, estimate in figures.metrics.items()}
    at_t_hi = {f"{name}_at_t_hi": found[name] for name in metrics.DECISIONS if name in found}
    return {**found, **at_t_hi, **counts}


def table(evaluation: Evaluation) -> pd.DataFrame:
    """Return a row per condition: counts, and the metrics of the page with their intervals."""
    rows = []
    for condition, figures in evaluation.protocols.items():
        row: dict[str, str | int | float | None] = {
            "condition": condition.name,
            "images": figures.images,
            "forged": figures.forged,
        }
        for name in (*COLUMNS, *(name for names in DECISIONS.values() for name in names)):
            estimate = figures.metrics.get(name)
            row[name] = _rounded(estimate.value) if estimate else None
            row[f"{name} 95 %"] = interval(estimate)
        rows.append(row)
    return pd.DataFrame(rows)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def curves(evaluation: Evaluation) -> dict[str, pd.DataFrame]:
    """Return the points of each curve as tables named like "C_roc", for DVC and MLflow."""
    return {
        f"{condition.name}_{name}": pd.DataFrame(points)
        for condition, figures in evaluation.protocols.items()
        if figures.curves
        for name, points in figures.curves.columns().items()
    }


def _picture(image: ShownImage) -> dict[str, str | int | float]:
    """Return what the page shows of an image: picture, heat map and mask as one data URI."""
    picture = _small(image.picture, Image.Resampling.LANCZOS)
    sides = [picture]
    if image.heatmap is not None:
        heat = _small(image.heatmap, Image.Resampling.BILINEAR)
        sides.append(plots.overlay(picture, heat))
    if image.mask is not None:
        mask = _small(image.mask.astype(np.uint8) * 255, Image.Resampling.NEAREST)
        sides[0] = plots.outlined(sides[0], mask > 127)
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(sides, axis=1)).save(buffer, "JPEG", quality=85)
    uri = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
    return {
        "path": image.path,
        "label": image.label,
        "kind": image.kind,
        "probability": image.probability,
        "verdict": image.verdict,
        "uri": uri,
        "width": len(sides) * picture.shape[1],
        "height": picture.shape[0],
    }


def _small(array: np.ndarray, method: Image.Resampling) -> np.ndarray:
    height, width = array.shape[:2]
    scale = min(_THUMBNAIL / max(height, width), 1.0)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return np.asarray(Image.fromarray(array).resize(size, method))
