"""`python -m benchmarks.declined DETECTOR`: which pictures get no verdict, and which are forged.

Of photographs, few may be declined; of screenshots, drawings, charts and documents, few may be
called forged. Prints a line per source with exact 95 % intervals, a star where the detector's
classifier learnt from it, and writes reports/declined.json.
"""

from __future__ import annotations

import argparse
import functools
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from forgery_lab.evaluation import metrics
from forgery_lab.export.detector_folder import Description
from forgery_lab.files import write_whole
from forgery_lab.processes import in_parallel
from forgery_lab.progress import shown
from forgery_lab.sources import labelled_pictures
from forgery_lab.sources.labelled_pictures import LabelledPicture
from forgery_pyfunc.detector import Detector
from forgery_pyfunc.errors import ImageError

REPORT = Path("reports/declined.json")
MOST_OF_A_SOURCE = 300


@dataclass(frozen=True)
class Judging:
    """Says what a detector makes of one picture; picklable."""

    detector: Path

    def __call__(self, picture: LabelledPicture) -> dict[str, object]:
        """Return the verdict, and whether the picture was declined; both None for a bad file."""
        row = {"source": picture.source, "is_photograph": picture.is_photograph}
        try:
            record = _loaded(self.detector).score(picture.path)
        except ImageError as error:
            return row | {"path": str(picture.path), "verdict": None, "reason": str(error)}
        return row | {
            "path": str(picture.path), "verdict": record.verdict, "reason": record.reason,
        }  # fmt: skip


@functools.lru_cache
def _loaded(folder: Path) -> Detector:
    return Detector.load(folder)


def main() -> None:
    """Score, print and write."""
    given = arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    pictures = labelled_pictures.at_most(chosen_pictures(given), given.most)
    with shown("scoring", "pictures") as progress:
        judging = Judging(given.detector)
        rows = pd.DataFrame(in_parallel(judging, pictures, given.workers, progress=progress))
    taught = {one["source"] for one in Description.read(given.detector).photographs
              if one["learnt_from"]}  # fmt: skip
    for line in lines(rows, taught):
        print(line)
    write_whole(REPORT, json.dumps(rows.to_dict("records"), indent=1) + "\n")


def chosen_pictures(given: argparse.Namespace) -> list[LabelledPicture]:
    """Return the pictures that were asked for."""
    found: list[LabelledPicture] = []
    if given.pictures:
        found += labelled_pictures.of_table(given.pictures)
    if given.drawn:
        found += labelled_pictures.of_drawn(given.drawn)
    for is_photograph, folders in ((True, given.photographs), (False, given.others)):
        for folder in folders:
            found += labelled_pictures.of_folder(folder, folder.name, is_photograph)
    return found


def lines(rows: pd.DataFrame, taught: set[str]) -> list[str]:
    """Return the table: photographs, then the others, each by source and together."""
    table = [f"{'':32}{'pictures':>9}   {'declined [95 %]':26}called forged [95 %]"]
    for is_photograph, title in ((True, "photographs"), (False, "others")):
        kind = rows[(rows["is_photograph"] == is_photograph) & rows["verdict"].notna()]
        for source, part in kind.groupby("source"):
            table.append(_line(f"{source}{' *' if source in taught else ''}", part))
        if len(kind):
            table.append(_line(f"all {title}", kind))
            unseen = kind[~kind["source"].isin(taught)]
            table.append(_line(f"{title} of sources not learnt from", unseen))
    return table


def _line(title: str, part: pd.DataFrame) -> str:
    declined = _share(part["reason"].notna())
    return f"{title:32}{len(part):9}   {declined:26}{_share(part['verdict'] == 'forged')}"


def _share(which: Sequence[bool] | pd.Series) -> str:
    share = metrics.proportion(int(sum(which)), len(which))
    if share.value is None or share.low is None or share.high is None:
        return "undefined"
    return f"{share.count} = {share.value:.1%} [{share.low:.1%}, {share.high:.1%}]"


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.replace("%", "%%"))
    parser.add_argument("detector", type=Path, help="folder, as `train` writes it")
    parser.add_argument("--pictures", type=Path, help="the sorted pictures, laid out")
    parser.add_argument("--drawn", type=Path, help="what `benchmarks.no_photographs` drew")
    for name in ("photographs", "others"):
        parser.add_argument(f"--{name}", type=Path, action="append", default=[],
                            help="folder; its name is the source; may be given again")  # fmt: skip
    parser.add_argument("--most", type=int, default=MOST_OF_A_SOURCE, help="of one source")
    parser.add_argument("--workers", type=int, help="processes; by default one per core")
    given = parser.parse_args()
    if not (given.pictures or given.drawn or given.photographs or given.others):
        parser.error("nothing to look at: name --pictures, --drawn, --photographs or --others")
    return given


if __name__ == "__main__":
    main()
