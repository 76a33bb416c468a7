"""`python -m benchmarks.sealed make PHOTOS… OUT`, `python -m benchmarks.sealed score DETECTOR OUT`.

LOOK AT IT ONCE PER RELEASE, AND NEVER TUNE ON IT. The set tells whether a detector works outside of
its own generator: 152 forgeries of originals whose makes are never trained on, by tools that have
nothing in common with the generator, and as many authentic pictures with the same saves. Whoever
changes a recipe because of a figure seen here has spent the test. `make` draws everything from a
fixed seed, so the set is made anew where it is missing; README.md lists the tools it needs.

`score` prints one table, by kind and by tool, and writes reports/sealed.json. Forgeries of
originals that the detector learnt from are left out and counted.
"""

from __future__ import annotations

import argparse
import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.panel import figures, scoring
from benchmarks.panel.__main__ import table as printed
from benchmarks.panel.figures import Line
from benchmarks.sealed import table
from forgery_lab.export.detector_folder import DetectorFolder
from forgery_lab.files import write_whole
from forgery_lab.progress import shown
from forgery_pyfunc.detector import Detector
from steps.tracking import runs

REPORT = Path("reports/sealed.json")


def main() -> None:
    """Make the set or score it."""
    given = arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    if given.command == "make":
        make(given.photos, given.out)
    else:
        score(given.detector, given.out)


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="write the set")
    making.add_argument("photos", type=Path, nargs="+", help="folders with the originals")
    scored = commands.add_parser("score", help="once per release")
    scored.add_argument("detector", type=Path, help="folder, as `train` writes it")
    for command in (making, scored):
        command.add_argument("out", type=Path, help="folder of the set")
    return parser.parse_args()


def make(photos: list[Path], out: Path) -> None:
    """Write the set; name the tools that this machine lacks."""
    from benchmarks.sealed import making  # needs OpenCV, which scoring does not

    for one in making.missing():
        print(f"left out, not installed: {one}")
    with shown("the sealed set", "forgeries") as progress:
        made = making.make(photos, out, progress)
    counts = made.groupby(["kind", "tool"], sort=False).size().reset_index(name="forgeries")
    for row in counts.to_dict("records"):
        print(f"{row['kind']:18}{row['tool']:36}{row['forgeries']:4}")
    print(f"{len(made)} forgeries of {made['host'].nunique()} originals in {out}")


def score(detector: Path, out: Path) -> None:
    """Print and write the figures of a detector."""
    whole = table.read(out)
    made = table.without(whole, learnt(detector))
    if left := len(whole) - len(made):
        print(f"left out: {left} forgeries of originals that this detector learnt from")
    with shown("the sealed set", "pictures") as progress:
        scores = scoring.score(table.pictures(made, out), [detector], progress)
    lines = figures.lines(table.groups(scores, made))
    for line in printed(lines):
        print(line)
    entry = report(detector, made, lines)
    write_whole(REPORT, json.dumps(entry | {"left_out": left}, indent=1) + "\n")


def learnt(detector: Path) -> frozenset[str]:
    """Return the SHA-256 of all photographs that a detector was trained or adjusted on."""
    training = DetectorFolder(detector, str(detector)).training
    return frozenset() if training is None else frozenset(training["sha256"])


def report(detector: Path, made: pd.DataFrame, lines: list[Line]) -> dict[str, Any]:
    """Return the figures with commit and detector."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        **runs.git_commit(),
        "detector": Detector.load(detector).version,
        "forgeries": len(made),
        "originals": int(made["host"].nunique()),
        "figures": [
            {
                "group": line.group,
                "figure": line.figure,
                "pictures": line.pictures,
                **line.interval.to_dict(),
            }
            for line in lines
        ],
    }


if __name__ == "__main__":
    main()
