"""`python -m benchmarks.kinds DETECTOR --web FOLDER …`: is the reason that is named the right one?

Photographs that the detector did not learn from are forged, in all kinds in turn, with the saves
that pictures go through. Of those that are then called forged, the kind that the explanation names
is compared with how the forgery was made. Prints a line per kind of forgery and writes
reports/kinds.json.
"""

from __future__ import annotations

import argparse
import functools
import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.panel.__main__ import learnt_from
from benchmarks.panel.pictures import spread
from forgery_lab.evaluation.metrics import proportion
from forgery_lab.examples.pairs import CRUDE, SIDES, prepared
from forgery_lab.examples.saving_history import SavingHistory
from forgery_lab.files import write_whole
from forgery_lab.forgeries.forging import KINDS, ForgeryRecord, forge
from forgery_lab.forgeries.pictures import Pixels, Save
from forgery_lab.processes import in_parallel
from forgery_lab.progress import shown
from forgery_lab.sources.photograph_table import known_pictures
from forgery_lab.sources.photographs import PhotoFolder, photographs_of
from forgery_lab.sources.sealed import sealed
from forgery_pyfunc.detector import Detector
from forgery_pyfunc.imaging.decoding import decode

REPORT = Path("reports/kinds.json")
SEED = 77
CHANGED = {"turn", "scale", "mirror"}
COPY, OTHER = ("copy",), ("compression", "noise")
RIGHT = {
    "copy-move, moved only": COPY,
    "copy-move, turned or scaled": COPY,
    "removal": COPY,
    "retouching by a clone stamp": COPY,
    "inpainting by patches": (*COPY, *OTHER),
    "inpainting by diffusion": OTHER,
    "other retouching": OTHER,
    "splice": OTHER,
}
"""Which named kind is right. Patches of an inpainting are copies, of some pixels each."""


@dataclass(frozen=True)
class Explaining:
    """Forges one photograph and says what a detector names; picklable."""

    detector: Path
    paths: tuple[str, ...]

    def __call__(self, number: int) -> dict[str, str | None]:
        """Return how photograph `number` was forged, the verdict, and the kind that is named."""
        rng = np.random.default_rng([SEED, number])
        donor = self.paths[(number + 37) % len(self.paths)]
        host, lender = (prepared(_pixels(path), SIDES, rng) for path in (self.paths[number], donor))
        saving = SavingHistory.drawn(rng)
        kind, crude = KINDS[number % len(KINDS)], bool(rng.random() < CRUDE)
        forgery = forge(saving.start(host), [lender], kind, rng, Save(None), crude)
        largest = int(np.clip(max(host.shape[:2]), *SIDES))
        data = saving.finish(forgery.pixels, forgery.mask, largest).data
        record = _loaded(self.detector).score(data, with_explanation=True)
        named = json.loads(record.explanation)["kind"] if record.explanation else None
        return {"made": made(forgery.record), "verdict": record.verdict, "named": named}


@functools.lru_cache
def _loaded(folder: Path) -> Detector:
    return Detector.load(folder)


def _pixels(path: str) -> Pixels:
    return decode(Path(path).read_bytes()).pixels


def made(record: ForgeryRecord) -> str:
    """Return which of `RIGHT` a forgery is."""
    operations = {operation["name"] for operation in record.operations}
    methods = {operation.get("method") for operation in record.operations}
    if record.kind == "copy-move":
        return f"copy-move, {'turned or scaled' if operations & CHANGED else 'moved only'}"
    if record.kind == "inpainting":
        return f"inpainting by {'patches' if 'exemplar' in methods else 'diffusion'}"
    if record.kind == "retouching":
        return "retouching by a clone stamp" if "stamp" in methods else "other retouching"
    return record.kind


def chosen(folders: Sequence[PhotoFolder], seen: Collection[str], most: int) -> pd.DataFrame:
    """Return photographs of all folders in turn, none that is seen, sealed or no photograph."""
    others = {key for key, one in known_pictures().items() if one.sorting != "photograph"}
    rows = photographs_of(folders, without={*seen, *sealed(), *others})
    return spread(rows, most)


def lines(rows: Sequence[dict[str, str | None]]) -> list[str]:
    """Return the lines of the table: of those called forged, what was named, and how many right."""
    table = [f"{'':30}{'made':>5}{'forged':>7}   named; right [95 %]"]
    total = Counter[bool]()
    for kind, right in RIGHT.items():
        of_kind = [row for row in rows if row["made"] == kind]
        named = [str(row["named"]) for row in of_kind if row["verdict"] == "forged"]
        total.update(name in right for name in named)
        counts = ", ".join(f"{number} {name}" for name, number in Counter(named).most_common())
        table.append(
            f"{kind:30}{len(of_kind):5}{len(named):7}   {counts or 'none'}; "
            f"{_share(sum(name in right for name in named), len(named))}"
        )
    return [*table, f"{'together':30}{len(rows):5}{total.total():7}   "
            f"{_share(total[True], total.total())}"]  # fmt: skip


def _share(right: int, number: int) -> str:
    if not number:
        return "–"
    share = proportion(right, number)
    return f"{right} of {number} [{share.low:.2f}, {share.high:.2f}]"


def main() -> None:
    """Forge, explain, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.replace("%", "%%"))
    parser.add_argument("detector", type=Path, help="folder, as `train` writes it")
    for origin in ("camera", "web"):
        parser.add_argument(f"--{origin}", type=Path, action="append", default=[],
                            help=f"folder of {origin} photographs; may be given again")  # fmt: skip
    parser.add_argument("--most", type=int, default=700, help="photographs")
    given = parser.parse_args()
    folders = [PhotoFolder(path, origin) for origin in ("camera", "web")
               for path in getattr(given, origin)]  # fmt: skip
    if not folders:
        parser.error("nothing to forge: name --camera or --web")
    photographs = chosen(folders, learnt_from([given.detector]), given.most)
    explaining = Explaining(given.detector, tuple(photographs["path"]))
    with shown("forging and explaining", "photographs") as progress:
        numbers = range(len(photographs))
        rows = list(in_parallel(explaining, numbers, chunk=4, fewest=8, progress=progress))
    for line in lines(rows):
        print(line)
    REPORT.parent.mkdir(exist_ok=True)
    write_whole(REPORT, json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
