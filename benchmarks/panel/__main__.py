"""`python -m benchmarks.panel DETECTOR [AGAINST] --casia FOLDER --camera FOLDER --web FOLDER …`.

What a detector folder finds and what it calls forged, within ten minutes on two cores, and whether
it differs from another one: a change counts when the paired interval excludes 0. Prints a table,
writes reports/panel.json and, of every picture, reports/panel.parquet; appends to
reports/panel.log.jsonl.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.panel import figures, pictures, scoring
from benchmarks.panel.figures import Line
from benchmarks.panel.pictures import HALVES, Picture
from forgery_lab.evaluation.results import Interval
from forgery_lab.export.detector_folder import DetectorFolder
from forgery_lab.files import write_whole
from forgery_lab.progress import shown
from forgery_lab.sources.photographs import PhotoFolder
from forgery_pyfunc.detector import Detector
from steps.tracking import runs

REPORT = Path("reports/panel.json")
SCORES = REPORT.with_suffix(".parquet")
LOG = REPORT.with_suffix(".log.jsonl")
EVERY = 1.0


def main() -> None:
    """Score, print and write."""
    given = arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    started = time.monotonic()
    detectors = [folder for folder in (given.detector, given.against) if folder]
    chosen = pictures.kept(chosen_pictures(given, learnt_from(detectors)), given.share)
    with shown("the panel", "pictures") as progress:
        scores = scoring.score(chosen, detectors, progress)
    of_detectors = [part.reset_index(drop=True) for _, part in scores.groupby("detector")]
    lines = figures.lines(*of_detectors)
    for line in table(lines):
        print(line)
    scores.to_parquet(write_folder() / SCORES.name)
    entry = report(given, lines, time.monotonic() - started)
    write_whole(REPORT, json.dumps(entry, indent=1) + "\n")
    with LOG.open("a", encoding="utf-8") as log:
        log.write(json.dumps(entry) + "\n")


def write_folder() -> Path:
    """Return the folder of the reports, which now exists."""
    REPORT.parent.mkdir(exist_ok=True)
    return REPORT.parent


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.replace("%", "%%"))
    parser.add_argument("detector", type=Path, help="folder, as `train` writes it")
    parser.add_argument("against", type=Path, nargs="?", help="another one, judged beside it")
    parser.add_argument("--casia", type=Path, help="CASIA-style folder")
    once = "of CASIA's source photographs; reporting: once per release"
    parser.add_argument("--half", choices=HALVES, default=HALVES[0], help=once)
    for origin in ("camera", "web"):
        parser.add_argument(f"--{origin}", type=Path, action="append", default=[],
                            help=f"folder of {origin} photographs; may be given again")  # fmt: skip
    parser.add_argument("--no-photographs", type=Path, action="append", default=[],
                        help="folder of screenshots, drawings, documents")  # fmt: skip
    parser.add_argument("--share", type=float, default=EVERY, help="of the pictures, for a glance")
    given = parser.parse_args()
    if not (given.casia or given.camera or given.web or given.no_photographs):
        parser.error("nothing to look at: name --casia, --camera, --web or --no-photographs")
    return given


def learnt_from(detectors: Iterable[Path]) -> set[str]:
    """Return the SHA-256 of all photographs that one of the networks learnt from."""
    seen: set[str] = set()
    for folder in detectors:
        training = DetectorFolder(folder, str(folder)).training
        if training is not None:
            seen |= set(training.loc[training["split"] == "train", "sha256"])
    return seen


def chosen_pictures(given: argparse.Namespace, seen: set[str]) -> list[Picture]:
    """Return the pictures that were asked for."""
    found: list[Picture] = []
    if given.casia:
        with shown("reading", "files") as progress:
            found += pictures.of_casia(given.casia, given.half, progress)
    folders = [
        PhotoFolder(path, origin) for origin in ("camera", "web") for path in getattr(given, origin)
    ]
    if folders:
        found += pictures.of_photographs(folders, seen)
    for folder in given.no_photographs:
        found += pictures.of_folder("no photographs", folder)
    return found


def report(given: argparse.Namespace, lines: Sequence[Line], seconds: float) -> dict[str, Any]:
    """Return the figures with commit, detectors and settings."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        **runs.git_commit(),
        "detector": Detector.load(given.detector).version,
        "against": Detector.load(given.against).version if given.against else None,
        "settings": {"half": given.half, "share": given.share, "seed": pictures.SEED},
        "seconds": round(seconds),
        "figures": [
            {
                "group": line.group,
                "figure": line.figure,
                "pictures": line.pictures,
                **line.interval.to_dict(),
                "difference": line.difference.to_dict() if line.difference else None,
            }
            for line in lines
        ],
    }


def table(lines: Sequence[Line]) -> list[str]:
    """Return the lines of the table; a star where a difference's interval excludes 0."""
    rows = [f"{'':34}{'figure':26}{'pictures':>9}   value [95 %]"]
    previous = ""
    for line in lines:
        name = "" if line.group == previous else line.group
        difference = "" if line.difference is None else f"   {_words(line.difference, '+')}"
        star = " *" if line.difference and _excludes_zero(line.difference) else ""
        words = f"{_words(line.interval)}{difference}{star}"
        rows.append(f"{name:34}{line.figure:26}{line.pictures:9}   {words}")
        previous = line.group
    return rows


def _words(interval: Interval, sign: str = "") -> str:
    if interval.value is None or interval.low is None or interval.high is None:
        return "undefined"
    return f"{interval.value:{sign}.3f} [{interval.low:{sign}.3f}, {interval.high:{sign}.3f}]"


def _excludes_zero(interval: Interval) -> bool:
    low, high = interval.low, interval.high
    return low is not None and high is not None and (low > 0 or high < 0)


if __name__ == "__main__":
    main()
