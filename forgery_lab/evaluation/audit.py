"""How much of the label of a data set can be told without looking at the pictures.

Rules and boosted trees that see the file but never its pixels are cross-validated, with no shared
source or near-duplicate between folds. What they reach, a detector may reach without having
learnt anything about forgery.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import ExifTags, Image
from sklearn.model_selection import StratifiedGroupKFold

from forgery_lab.data import folders, splits
from forgery_lab.data.splits.graph import near_duplicate_pairs
from forgery_lab.errors import DataError
from forgery_lab.evaluation import baselines, metrics, report
from forgery_lab.evaluation.eligibility import host
from forgery_lab.evaluation.metrics import ScoredImages
from forgery_lab.evaluation.results import Estimate
from forgery_lab.examples.histories import read
from forgery_lab.files import write_whole
from forgery_lab.progress import Progress

RULES = {
    "extension": "file extension",
    "size": "width and height in pixels",
    "bytes": "bytes of the file, and bytes per pixel",
    "tables": "which quantisation tables the JPEG has",
    "header": "all header fields: tables, subsampling, markers, process",
    "exif": "EXIF and similar: which fields, make, model, software",
    "category": "category in the file name",
    "everything": "all of these together, boosted trees",
}
FOLDS = 5
RESAMPLES = 1000
"""Behind every interval."""
USUAL_FRACTIONS = (0.70, 0.15, 0.15)
"""Train, validation and test shares of the random split whose leak is stated."""
TELLING = ((0.95, "nearly all"), (0.80, "much"), (0.65, "some"))
"""AUC from which so much of the label can be told, by the lower end of the interval."""

_LEAST_PER_CLASS = 10
_TEXT_TAGS = ("Make", "Model", "Software")
PAGE = "audit.html"
DATA = "audit.json"


@dataclass(frozen=True)
class Finding:
    """What one rule tells of the label, cross-validated.

    `accuracy` is balanced; `example` says the rule in words where it is simple enough.
    """

    rule: str
    title: str
    auc: Estimate
    accuracy: Estimate
    example: str = ""


@dataclass(frozen=True)
class Audit:
    """All that an audit found; plain values but for the findings.

    Attributes:
        data: name of the folder.
        classes: images read per class; the second is the one taken as forged.
        verdict: one sentence in plain words.
        telling: "nearly all", "much", "some" or "little".
        findings: per rule, most telling first.
        in_sample_table_accuracy: of labelling by quantisation table, as papers would state it.
        duplicates: byte-identical and near-duplicate pairs, within and across the classes.
        sources: what the file names say about shared source photographs.
        left_out: files that could not be read.
        advice: what to do about it, sentences.
        notes: how it was done.
    """

    data: str
    classes: dict[str, int]
    verdict: str
    telling: str
    findings: list[Finding]
    in_sample_table_accuracy: float | None
    duplicates: dict[str, int]
    sources: dict[str, Any]
    left_out: list[dict[str, str]]
    advice: list[str]
    notes: list[str] = field(default_factory=list)


def audit(
    folder: Path,
    seed: int,
    resamples: int = RESAMPLES,
    workers: int = 2,
    progress: Progress | None = None,
) -> Audit:
    """Return the audit of a folder with two classes of images.

    Args:
        folder: with Au/ and Tp/, or any two subfolders of images.
        seed: of folds, trees and resamples.
        resamples: behind every interval.
        workers: processes that read files.
        progress: called with files read and files in all.

    Raises:
        DataError: there are not two classes, or too few images that can be read.
    """
    found, forged = folders.two_classes(folder)
    names = sorted(found, key=lambda name: name == forged)
    files = [path for name in names for path in found[name]]
    labels = [int(name == forged) for name in names for _ in found[name]]
    frame, left_out = folders.describe(files, labels, folder, workers, progress)
    counts = {name: int((frame["label"] == i).sum()) for i, name in enumerate(names)}
    for name, number in counts.items():
        if number < _LEAST_PER_CLASS:
            raise DataError(
                f"{folder}: {name} has {number} images that can be read; an audit needs "
                f"{_LEAST_PER_CLASS} of each class"
            )
    frame = frame.sort_values("sha256", ignore_index=True)
    findings = sorted(
        (_finding(rule, scores, frame) for rule, scores in _judge(frame, folder, seed, resamples)),
        key=lambda finding: -(finding.auc.value or 0),
    )
    telling = _telling(findings)
    duplicates = _duplicates(frame)
    sources = _sources(frame, seed)
    return Audit(
        data=folder.resolve().name,
        classes=counts,
        verdict=_verdict(telling, findings),
        telling=telling,
        findings=findings,
        in_sample_table_accuracy=_in_sample(frame),
        duplicates=duplicates,
        sources=sources,
        left_out=left_out,
        advice=_advice(telling, duplicates, sources),
        notes=[
            f"{FOLDS}-fold cross-validation; images that share a source or are near-duplicates "
            "are in one fold",
            f"sources identified by: {sources['basis']}",
            f"{forged} was taken as the class of forgeries; the figures are the same the other "
            "way round",
        ],
    )


def to_json(result: Audit) -> str:
    """Return the audit as JSON."""
    return json.dumps(asdict(result), indent=1, default=Estimate.to_dict)


def to_html(result: Audit) -> str:
    """Return the audit as one self-contained page."""
    template = report.environment().get_template("audit.html.j2")
    return template.render(audit=result, rules=RULES)


def write(folder: Path, result: Audit) -> None:
    """Write audit.html and audit.json into `folder`, which is made where it is missing."""
    write_whole(folder / PAGE, to_html(result))
    write_whole(folder / DATA, to_json(result) + "\n")


def _judge(
    frame: pd.DataFrame, root: Path, seed: int, resamples: int
) -> list[tuple[str, dict[str, Estimate]]]:
    """Return each rule with its estimates of AUC and balanced accuracy, out of fold."""
    label = frame["label"].to_numpy() == 1
    source = metrics.codes(host(frame))
    features = _features(frame, root)
    parts = list(_parts(frame, seed))
    found = []
    for rule in RULES:
        if rule == "category" and not (frame["category"] != "").any():
            continue
        probability = np.full(len(frame), 0.5)
        for learn, judge in parts:
            if rule in features:
                probability[judge] = baselines.boosted_trees(
                    features[rule][learn], label[learn], features[rule][judge], seed
                )
            else:
                values = _values(frame, rule)
                probability[judge] = baselines.rates(
                    values.iloc[learn], label[learn], values.iloc[judge]
                ).clip(0, 1)
        scores = ScoredImages.at_threshold(label, probability, 0.5, source)
        found.append((rule, metrics.estimate([scores], resamples, seed)))
    return found


def _parts(frame: pd.DataFrame, seed: int) -> Any:
    groups = frame["group"].to_numpy(str)
    number = min(FOLDS, *(frame.loc[frame["label"] == c, "group"].nunique() for c in (0, 1)))
    if number < 2:
        raise DataError(
            "all images of a class share one source or are near-duplicates, so nothing can be "
            "cross-validated"
        )
    folds = StratifiedGroupKFold(number, shuffle=True, random_state=seed)
    return folds.split(np.zeros(len(frame)), frame["label"], groups)


def _features(frame: pd.DataFrame, root: Path) -> dict[str, np.ndarray]:
    """Return float32[n, features] of the rules that need trees."""
    files = [partial(read, root / path) for path in frame["path"]]
    header = baselines.extract(files, ("header",), workers=1)["header"]
    exif = _exif(frame, root)
    area = (frame["width"] * frame["height"]).to_numpy(float)
    size = frame[["width", "height"]].to_numpy(np.float32)
    length = np.column_stack([frame["bytes"], frame["bytes"] / area]).astype(np.float32)
    plain = np.column_stack([_numbers(frame, rule) for rule in ("extension", "tables", "category")])
    everything = np.column_stack([header, exif, size, length, plain]).astype(np.float32)
    return {
        "header": header,
        "exif": exif,
        "size": size,
        "bytes": length,
        "everything": everything,
    }


def _exif(frame: pd.DataFrame, root: Path) -> np.ndarray:
    """Return float32[n, k]: which tags there are, and numbers for make, model and software."""
    tags = [_tags(root / path) for path in frame["path"]]
    known = sorted({name for one in tags for name in one})
    present = [[float(name in one) for name in known] for one in tags]
    texts = [
        metrics.codes([one.get(name, "") for one in tags]).astype(float) for name in _TEXT_TAGS
    ]
    counts = [float(len(one)) for one in tags]
    return np.column_stack([np.array(present).reshape(len(tags), -1), *texts, counts]).astype(
        np.float32
    )


def _tags(path: Path) -> dict[str, str]:
    """Return the names and texts of EXIF tags, and which other metadata a file carries."""
    try:
        with Image.open(path) as image:
            found = {
                ExifTags.TAGS.get(tag, str(tag)): str(value)[:64]
                for tag, value in image.getexif().items()
            }
            for name in ("icc_profile", "dpi", "photoshop", "comment", "Software"):
                if name in image.info:
                    found.setdefault(name, "")
    except Exception:  # damaged metadata of many kinds: the file then has none
        return {}
    return found


def _values(frame: pd.DataFrame, rule: str) -> pd.Series:
    if rule == "extension":
        return baselines.with_extension(frame, matched=False)["extension"]
    if rule == "tables":
        return frame["jpeg_tables"].fillna("none: " + frame["format"])
    return frame[rule]


def _numbers(frame: pd.DataFrame, rule: str) -> np.ndarray:
    return metrics.codes(_values(frame, rule).astype(str))


def _finding(rule: str, estimates: dict[str, Estimate], frame: pd.DataFrame) -> Finding:
    return Finding(
        rule,
        RULES[rule],
        estimates["auc"],
        estimates["balanced_accuracy"],
        _example(rule, frame),
    )


def _example(rule: str, frame: pd.DataFrame) -> str:
    """Return the most one-sided frequent value of a simple rule, in words."""
    if rule not in ("extension", "tables", "category"):
        return ""
    values = _values(frame, rule)
    overall = float(frame["label"].mean())
    found = [
        (str(value), float(labels.mean()), len(labels))
        for value, labels in frame["label"].groupby(values)
        if len(labels) >= max(5, len(frame) // 50)
    ]
    if not found:
        return ""
    value, mean, number = max(found, key=lambda one: abs(one[1] - overall) * one[2])
    name = {"extension": f".{value}", "tables": f"tables {value}"}.get(rule, value)
    return f"{name}: {mean:.0%} of {number} images are forged (of all images {overall:.0%})"


def _in_sample(frame: pd.DataFrame) -> float | None:
    """Return the share of images right by the commoner label of their quantisation table."""
    if frame["jpeg_tables"].isna().all():
        return None
    counts = pd.crosstab(_values(frame, "tables"), frame["label"])
    return float(counts.max(axis=1).sum() / len(frame))


def _duplicates(frame: pd.DataFrame) -> dict[str, int]:
    label = frame["label"].to_numpy()
    pairs = near_duplicate_pairs(frame)
    same = frame["sha256"].to_numpy()[pairs] if len(pairs) else np.zeros((0, 2), str)
    identical = same[:, 0] == same[:, 1]
    across = label[pairs[:, 0]] != label[pairs[:, 1]]
    return {
        "identical_across_classes": int((identical & across).sum()),
        "identical_within_a_class": int((identical & ~across).sum()),
        "near_duplicates_across_classes": int((~identical & across).sum()),
        "near_duplicates_within_a_class": int((~identical & ~across).sum()),
    }


def _sources(frame: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Return how many sources there are, and how far a random split would leak."""
    shuffled = splits.assign(frame, "random", USUAL_FRACTIONS, seed).report
    return {
        "basis": shuffled.basis,
        "known": int(sum(len(ids) > 0 for ids in frame["source_ids"])),
        "groups": shuffled.components.number,
        "largest_group": shuffled.components.largest[0],
        "leak_of_a_random_split": (
            shuffled.disjoint.share_of_last_sides_forgeries_with_a_source_in_the_first
        ),
    }


def _telling(findings: Sequence[Finding]) -> str:
    surest = max((finding.auc.low or 0.0 for finding in findings), default=0.0)
    return next((word for least, word in TELLING if surest >= least), "little")


def _verdict(telling: str, findings: Sequence[Finding]) -> str:
    best = findings[0]
    figure = f"an AUC of {report.figure(best.auc.value)} ({report.interval(best.auc)})"
    if telling == "little":
        return (
            "Little of the label can be predicted without looking at the pictures: the most "
            f"telling rule, {best.title}, reaches {figure}."
        )
    simple = next((one for one in findings if one.rule != "everything"), best)
    rule = f"the most telling single one ({simple.title}) gives {report.figure(simple.auc.value)}"
    return (
        f"{telling.capitalize()} of the label can be predicted without looking at a single pixel: "
        f"what the files say about themselves gives {figure}; {rule}. A detector trained on these "
        "files may have learnt that, and nothing about forgery."
    )


def _advice(telling: str, duplicates: dict[str, int], sources: dict[str, Any]) -> list[str]:
    found = []
    if telling != "little":
        found.append(
            "Match the compression histories of the two classes before training and testing "
            "(protocol C), and report raw figures only beside matched ones."
        )
    if duplicates["identical_across_classes"]:
        found.append(
            f"{duplicates['identical_across_classes']} pairs of byte-identical files carry both "
            "labels: at least one label of each pair is wrong."
        )
    if sources["leak_of_a_random_split"] > 0.05:
        found.append(
            "Split by source, not at random: in a random split "
            f"{sources['leak_of_a_random_split']:.0%} of the test forgeries share a source or a "
            "near-duplicate with a training image."
        )
    if not sources["known"]:
        found.append(
            "The names contain no source ids, so only near-duplicates could be kept apart; sources "
            "shared in other ways were not detected."
        )
    return found
