"""The report of an evaluation: one self-contained HTML page, and the same as JSON and CSV."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from PIL import Image

from forgery_lab.evaluation import baselines, plots
from forgery_lab.files import write_whole

TEMPLATES = Path(__file__).with_name("templates")
PAGE = "report.html"
FIGURES = "figures.json"

COLUMNS = {
    "auc": "AUC",
    "tpr_at_5_fpr": "TPR at 5 % FPR",
    "balanced_accuracy": "Balanced accuracy",
    "accuracy": "Accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "brier": "Brier",
    "ece_corrected": "Calibration error",
    "coverage": "Coverage",
}
WHERE = {
    "auc": "AUC",
    "f1": "F1 at 0.5",
    "iou": "IoU at 0.5",
    "best_f1": "Best F1",
    "block_auc": "AUC on the 8×8 grid",
}
NAMES = {
    "A": "A",
    "B": "B",
    "C": "C",
    "C-shift": "C′ shifted",
    "C-scale": "C′ rescaled",
    "control": "Control",
}
_OPTIONAL: dict[str, Any] = {
    "model": None,
    "data": None,
    "elsewhere": [],
    "comparison": None,
    "against_baseline": {},
}
_THUMBNAIL = 300


def write(
    folder: Path,
    evaluation: Mapping[str, Any],
    examples: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> None:
    """Write report.html, figures.json and a CSV per curve (such as C_roc.csv) into `folder`.

    Args:
        folder: made where it is missing.
        evaluation: what `protocols.summarise` gave, with `model` and `data` (see `render`).
        examples: what `protocols.examples` gave.
    """
    write_whole(folder / FIGURES, json.dumps(evaluation, indent=1) + "\n")
    write_whole(folder / PAGE, render(evaluation, examples or {}))
    for old in folder.glob("*.csv"):
        old.unlink()
    for name, table in curves(evaluation).items():
        write_whole(folder / f"{name}.csv", table.to_csv(index=False))


def render(
    evaluation: Mapping[str, Any], examples: Mapping[str, Sequence[Mapping[str, Any]]]
) -> str:
    """Return the page. Pictures and plots are inside it; it asks nothing of the network.

    `evaluation["model"]` (name, version, network, features, calibration, trained_on) and
    `evaluation["data"]` (name, images, split) are shown as they are; both may be missing.
    """
    template = environment().get_template("report.html.j2")
    return template.render(
        evaluation={**_OPTIONAL, **evaluation},
        words=in_words(evaluation),
        tiles=tiles(evaluation),
        columns=COLUMNS,
        where_columns=WHERE,
        names=NAMES,
        last_baseline=baselines.LAST,
        plots=plots.of_evaluation(evaluation),
        examples={name: [_picture(one) for one in some] for name, some in examples.items()},
    )


def environment() -> jinja2.Environment:
    """Return the templates' environment, with the filters that print figures."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(
        figure=figure, interval=interval, bounds=bounds, percent=percent, sentence=sentence
    )
    return found


def sentence(text: str) -> str:
    """Return the text with a capital first letter, and the rest as it is."""
    return text[:1].upper() + text[1:]


def figure(value: float | None, digits: int = 2) -> str:
    """Return a number for a table, or a dash."""
    return "–" if value is None else f"{value:.{digits}f}"


def interval(estimate: Mapping[str, Any] | None, digits: int = 2) -> str:
    """Return "low to high" of an estimate, or nothing where it has none."""
    if not estimate or estimate.get("low") is None:
        return ""
    return f"{estimate['low']:.{digits}f} to {estimate['high']:.{digits}f}"


def bounds(estimate: Mapping[str, Any] | None) -> str:
    """Return an interval in the few characters that a table cell has room for."""
    return interval(estimate).replace(" to ", "–")


def percent(value: float | None, digits: int = 0) -> str:
    """Return a share as a percentage, or a dash."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def headline(evaluation: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the AUC estimate of protocol C, or None where C was left out."""
    return evaluation["protocols"].get("C", {}).get("metrics", {}).get("auc")


def tiles(evaluation: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the few figures at the top: label, value, interval and a note."""
    protocols = evaluation["protocols"]
    found = []
    for key, label, note in (
        ("C", "AUC, histories matched", "protocol C, the headline"),
        ("B", "AUC, raw files", "protocol B: also learns who saved the file"),
        ("A", "AUC, random split", "protocol A: for comparison with papers only"),
        ("control", "AUC, background only", "0.5 is right"),
    ):
        auc = protocols.get(key, {}).get("metrics", {}).get("auc")
        if auc:
            value, ends = figure(auc["value"]), interval(auc)
            found.append({"label": label, "value": value, "interval": ends, "note": note})
    where = evaluation["where"].get("C")
    if where:
        found.append(
            {
                "label": "F1 of the heat map",
                "value": figure(where["f1"]["value"]),
                "interval": interval(where["f1"]),
                "note": f"protocol D, {where['images']} forged images, cut at 0.5",
            }
        )
    for other in evaluation.get("elsewhere", []):
        alarms = other["false_positives"]
        if alarms["value"] is not None:
            found.append(
                {
                    "label": f"False alarms, {other['name']}",
                    "value": percent(alarms["value"], 1),
                    "interval": f"{percent(alarms['low'], 1)} to {percent(alarms['high'], 1)}",
                    "note": f"{alarms['count']} of {alarms['of']} authentic images",
                }
            )
    return found


def in_words(evaluation: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return what the figures say, as sentences with a `tone`: good, bad or plain."""
    said = [
        _headline_in_words(evaluation),
        _baseline_in_words(evaluation),
        _gap_in_words(evaluation),
        _control_in_words(evaluation),
        _textures_in_words(evaluation),
        _where_in_words(evaluation),
        *(_elsewhere_in_words(other) for other in evaluation.get("elsewhere", [])),
    ]
    return [one for one in said if one]


def _auc(evaluation: Mapping[str, Any], condition: str) -> dict[str, Any] | None:
    return evaluation["protocols"].get(condition, {}).get("metrics", {}).get("auc")


def _headline_in_words(evaluation: Mapping[str, Any]) -> dict[str, str]:
    auc = headline(evaluation)
    if auc is None or auc["value"] is None:
        text = (
            "There is no honest image-level figure for this model here: protocol C was left out. "
            "What follows must not be read as one."
        )
        return {"tone": "bad", "text": text}
    chance = auc["low"] is not None and auc["low"] <= 0.5
    text = (
        f"With the compression histories of the two classes matched and no source photograph "
        f"shared with training, the model separates forged from authentic images with an AUC of "
        f"{figure(auc['value'])} (95 % interval {interval(auc)})."
    )
    if chance:
        return {"tone": "bad", "text": f"{text} That cannot be told from chance."}
    return {"tone": "plain", "text": text}


def _baseline_in_words(evaluation: Mapping[str, Any]) -> dict[str, str] | None:
    gain = evaluation.get("against_baseline", {}).get("C")
    beside = evaluation["baselines"].get("C", {}).get(baselines.LAST)
    if not gain or not beside:
        return None
    reference = figure(beside["metrics"]["auc"]["value"])
    difference = f"{gain['value']:+.2f} AUC (95 % interval {interval(gain)})"
    if gain["low"] is not None and gain["low"] > 0:
        text = (
            f"It beats boosted trees on whole-image pixel statistics, which reach {reference} "
            f"under the same protocol, by {difference}."
        )
        return {"tone": "good", "text": text}
    if gain["value"] > 0:
        text = (
            f"The network is not shown to beat the last baseline: boosted trees on whole-image "
            f"pixel statistics reach {reference}, and the difference of {difference} may be chance."
        )
        return {"tone": "bad", "text": text}
    text = (
        f"The network does not beat the last baseline: boosted trees on whole-image pixel "
        f"statistics reach {reference}, and the network stands at {difference} beside them."
    )
    return {"tone": "bad", "text": text}


def _gap_in_words(evaluation: Mapping[str, Any]) -> dict[str, str] | None:
    header = evaluation["baselines"].get("B", evaluation["baselines"].get("A", {})).get("header")
    if not header or header["metrics"]["auc"]["value"] is None:
        return None
    value = header["metrics"]["auc"]["value"]
    if value < 0.6:
        text = f"On the raw files the headers alone reach only {figure(value)} in this data set."
        return {"tone": "plain", "text": text}
    text = (
        f"On the raw files a rule that sees no pixel, only the header, reaches an AUC of "
        f"{figure(value)}: high figures on raw files show which program saved a file, not "
        "whether it was forged."
    )
    return {"tone": "plain", "text": text}


def _control_in_words(evaluation: Mapping[str, Any]) -> dict[str, str] | None:
    auc = _auc(evaluation, "control")
    if not auc or auc["low"] is None:
        return None
    if auc["low"] <= 0.5 <= auc["high"]:
        text = (
            f"Crops without a forged pixel score {figure(auc['value'])} ({interval(auc)}), which "
            "agrees with 0.5: no shortcut shows in the background."
        )
        return {"tone": "good", "text": text}
    if auc["value"] > 0.5:
        meaning = "part of the headline comes from something other than forged pixels"
    else:
        meaning = (
            "what surrounds a forgery looks less forged to the model than authentic images do, "
            "which works against the headline"
        )
    found = f"{figure(auc['value'])} ({interval(auc)})"
    text = f"Crops without a forged pixel score {found} instead of 0.5: {meaning}."
    return {"tone": "bad", "text": text}


def _textures_in_words(evaluation: Mapping[str, Any]) -> dict[str, str] | None:
    parts = evaluation["protocols"].get("C", {}).get("parts", {})
    if "outside textures" not in parts:
        return None
    outside, inside = parts["outside textures"], parts.get("textures")
    text = f"Outside textures the AUC is {figure(outside['auc']['value'])}"
    text += f" ({interval(outside['auc'])})"
    if inside:
        text += f", in textures {figure(inside['auc']['value'])} ({interval(inside['auc'])})"
    return {"tone": "plain", "text": text + "."}


def _where_in_words(evaluation: Mapping[str, Any]) -> dict[str, str] | None:
    where = evaluation["where"].get("C")
    if not where:
        return None
    text = (
        f"Inside forged images the heat map ranks forged pixels above intact ones with a mean AUC "
        f"of {figure(where['auc']['value'])} ({interval(where['auc'])}); cut at 0.5 its mean F1 is "
        f"{figure(where['f1']['value'])}. No shortcut of the whole image helps here."
    )
    return {"tone": "plain", "text": text}


def _elsewhere_in_words(other: Mapping[str, Any]) -> dict[str, str] | None:
    alarms = other["false_positives"]
    if alarms["value"] is None:
        return None
    tone = "bad" if alarms["low"] > 0.03 else "good" if alarms["high"] <= 0.05 else "plain"
    text = (
        f"Elsewhere, on {other['name']}, {alarms['count']} of {alarms['of']} authentic images are "
        f"called forged ({percent(alarms['value'], 1)}; with 95 % confidence at most "
        f"{percent(alarms['at_most'], 1)}), {percent(other['inconclusive'])} stay inconclusive."
    )
    return {"tone": tone, "text": text}


def values(evaluation: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """Return {protocol: {metric: value}} with counts of the decisions; the maps' are under D."""
    metrics = {
        condition: {
            **{name: estimate["value"] for name, estimate in one["metrics"].items()},
            **one.get("confusion", {}),
        }
        for condition, one in evaluation["protocols"].items()
    }
    where = evaluation["where"]
    maps = where.get("C") or next(iter(where.values()), None)
    if maps:
        metrics["D"] = {name: part["value"] for name, part in maps.items() if name != "images"}
    return metrics


def curves(evaluation: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Return the points of each curve as tables named like "C_roc", for DVC and MLflow."""
    return {
        f"{condition}_{name}": pd.DataFrame(points)
        for condition, one in evaluation["protocols"].items()
        for name, points in one.get("curves", {}).items()
        if points
    }


def _picture(example: Mapping[str, Any]) -> dict[str, Any]:
    """Return an example with its picture, heat map and mask as one data URI."""
    picture = _small(example["picture"], Image.Resampling.LANCZOS)
    sides = [picture]
    if example["heatmap"] is not None:
        heat = _small(example["heatmap"], Image.Resampling.BILINEAR)
        sides.append(plots.overlay(picture, heat))
    if example["mask"] is not None:
        mask = _small(example["mask"].astype(np.uint8) * 255, Image.Resampling.NEAREST)
        sides[0] = plots.outlined(sides[0], mask > 127)
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(sides, axis=1)).save(buffer, "JPEG", quality=85)
    uri = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
    kept = {name: example[name] for name in ("path", "label", "kind", "probability", "verdict")}
    return {**kept, "uri": uri, "width": len(sides) * picture.shape[1], "height": picture.shape[0]}


def _small(array: np.ndarray, method: Image.Resampling) -> np.ndarray:
    height, width = array.shape[:2]
    scale = min(_THUMBNAIL / max(height, width), 1.0)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return np.asarray(Image.fromarray(array).resize(size, method))
