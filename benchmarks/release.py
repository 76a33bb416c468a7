"""`python -m benchmarks.release CASIA PHOTOS`: the shipped detector on all of a CASIA-style folder.

CASIA is in no way part of its training, so every image counts, not a test split alone. Beside it
the share of photographs called forged: those of the part that was held out from training, and of
all, which includes what the network learnt from. Prints a table, writes reports/release.json.
"""

import argparse
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forgery_lab.data import ingestion
from forgery_lab.evaluation import metrics, model_card, protocols, report, trials
from forgery_lab.evaluation.protocols import Judged, Options
from forgery_lab.examples.histories import HistoryMatcher
from forgery_lab.examples.pairs import Plan, prepared
from forgery_lab.export import pyfunc
from forgery_lab.files import write_whole
from forgery_lab.forgeries import forging
from forgery_lab.progress import shown
from forgery_lab.sources import photographs
from forgery_pyfunc.detector import MANIFEST_FILE, Detector, read_description
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.jpeg import encode

REPORT = Path("reports/release.json")
SHOWN = ("auc", "tpr_at_5_fpr", "recall", "specificity", "ece", "ece_corrected", "coverage")


def on_casia(detector: Path, data: Path, options: Options) -> dict[str, Any]:
    """Return the evaluation of C, C′, control and D on all images of a CASIA-style folder."""
    with shown("reading", "files") as progress:
        rows, _ = ingestion.ingest(data, progress=progress)
    matcher = HistoryMatcher.fit(rows, data, options.seed)
    masks = trials.load_masks(rows, data)
    asked = protocols.disjoint_trials(rows, data, matcher, masks, options)
    with tempfile.TemporaryDirectory() as folder, shown("scoring", "images") as progress:
        model = Path(folder) / "model"
        pyfunc.save_model(detector, model)
        found = trials.predict(model, asked, masks, options.workers, progress=progress)
    none = pd.DataFrame(columns=["baseline", *found.columns])
    notes = [f"all {len(rows)} images of {data.name} were scored, in {options.draws} draws"]
    return protocols.summarise(Judged({"B": rows}, matcher, found, none, [], notes), options)


def on_photographs(folder: Path, detector: Path) -> list[dict[str, Any]]:
    """Return how many photographs are called forged, as shipped and after a usual handling."""
    known = pd.read_parquet(detector / MANIFEST_FILE).set_index("sha256")["split"]
    loaded, rows = Detector.load(detector), []
    for photo in photographs.find(folder).to_dict("records"):
        held_out = known.get(photo["sha256"]) != "train"
        for rendition, data in _renditions(Path(photo["path"])).items():
            verdict = loaded.score(data).verdict
            row = {"origin": photo["origin"], "rendition": rendition, "verdict": verdict}
            rows += [{**row, "which": "all"}] + [{**row, "which": "held out"}] * held_out
    groups = pd.DataFrame(rows).groupby(["origin", "rendition", "which"])["verdict"]
    return [
        {
            "name": f"photographs ({', '.join(names)})",
            "images": len(said),
            "false_positives": metrics.proportion(int((said == "forged").sum()), len(said)),
            "inconclusive": float((said == "inconclusive").mean()),
        }
        for names, said in groups
    ]


def _renditions(path: Path) -> dict[str, bytes]:
    data = path.read_bytes()
    pixels = decode(data).pixels
    rng = np.random.default_rng(int(hashlib.sha256(data).hexdigest()[:8], 16))
    small = forging.sized(pixels, rng, (500, 1000))[0]
    return {
        "as shipped": data,
        "reduced or cropped": encode(small, quality=int(rng.integers(75, 96))),
        "cut out": encode(prepared(pixels, Plan().sides, rng), quality=int(rng.integers(75, 96))),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("casia", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--detector", type=Path, default=Path("release"))
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--write", action="store_true", help="into the detector's card, too")
    given = parser.parse_args()
    options = Options(draws=given.draws, resamples=given.resamples)
    found = on_casia(given.detector, given.casia, options)
    found["elsewhere"] = on_photographs(given.photos, given.detector)
    for line in lines(found):
        print(line)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    if given.write:
        write(found, given.detector)


def write(found: dict[str, Any], detector: Path) -> None:
    """Put the figures into the detector's folder, and into its model card."""
    for one in found["protocols"].values():
        del one["curves"]
    write_whole(detector / report.FIGURES, json.dumps(found, indent=1) + "\n")
    description = read_description(detector)
    card = model_card.render(description, found, description.get("data"))
    write_whole(detector / model_card.FILE, card)


def lines(found: dict[str, Any]) -> list[str]:
    """Return the table."""
    said = []
    for condition, one in found["protocols"].items():
        figures = {name: one["metrics"][name] for name in SHOWN if name in one["metrics"]}
        figures |= {f"auc, {name}": part["auc"] for name, part in one["parts"].items()}
        said += [f"{condition:10}{name:32}{_estimate(one)}" for name, one in figures.items()]
    for name, one in found["where"].get("C", {}).items():
        if name != "images":
            said.append(f"{'D':10}{name:32}{_estimate(one)}")
    for one in found["elsewhere"]:
        said.append(f"{'forged':10}{one['name']:56}{_estimate(one['false_positives'])}")
    return said


def _estimate(one: dict[str, Any]) -> str:
    value, low, high = (one.get(key) for key in ("value", "low", "high"))
    return f"{value:.3f} [{low:.3f}, {high:.3f}]" if low is not None else f"{value}"


if __name__ == "__main__":
    main()
