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

from forgery_lab import figures, forging, ingestion, metrics, packaging, photographs, trials
from forgery_lab.histories import HistoryMatcher
from forgery_lab.pairs import Plan, prepared
from forgery_lab.progress import shown
from forgery_pyfunc.decoding import decode
from forgery_pyfunc.detector import Detector
from forgery_pyfunc.jpeg import encode

REPORT = Path("reports/release.json")
SHOWN = ("auc", "tpr_at_5_fpr", "recall", "specificity", "ece", "ece_corrected", "coverage")


def on_casia(detector: Path, data: Path, draws: int, resamples: int) -> dict[str, Any]:
    """Return the figures of C, C′, control and D on all images of a CASIA-style folder."""
    with shown("reading", "files") as progress:
        rows, _ = ingestion.ingest(data, progress=progress)
    matcher = HistoryMatcher.fit(rows, data, 0)
    masks = trials.load_masks(rows, data)
    asked = [
        trial
        for condition in ("C", "C-scale")
        for trial in trials.matched_trials(rows, data, matcher, draws, condition)
    ] + trials.control_trials(rows, data, matcher, masks, draws)
    with tempfile.TemporaryDirectory() as folder, shown("scoring", "images") as progress:
        model = Path(folder) / "model"
        packaging.save_model(detector, model)
        found = trials.predict(model, asked, masks, progress=progress)
    conditions = ("C", "C-scale", "control")
    return {
        **{one: figures.figures(found, rows, one, resamples) for one in conditions},
        "D": figures.where_figures(found, rows, "C", resamples),
    }


def on_photographs(folder: Path, detector: Path) -> dict[str, Any]:
    """Return how many photographs are called forged, as shipped and after a usual handling."""
    known = pd.read_parquet(detector / "training_manifest.parquet").set_index("sha256")["split"]
    loaded, rows = Detector.load(detector), []
    for photo in photographs.find(folder).to_dict("records"):
        split = known.get(photo["sha256"], "unknown")
        for rendition, data in _renditions(Path(photo["path"])).items():
            verdict = loaded.score(data)["verdict"]
            rows.append({**photo, "split": split, "rendition": rendition, "verdict": verdict})
    table = pd.DataFrame(rows)
    return {
        f"{origin}, {rendition}, {who}": metrics.proportion(
            int((some["verdict"] == "forged").sum()), len(some)
        )
        for (origin, rendition), part in table.groupby(["origin", "rendition"])
        for who, some in (("held out", part[part["split"] != "train"]), ("all", part))
    }


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
    given = parser.parse_args()
    found = {
        "casia": on_casia(given.detector, given.casia, given.draws, given.resamples),
        "photographs": on_photographs(given.photos, given.detector),
    }
    for line in lines(found):
        print(line)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def lines(found: dict[str, Any]) -> list[str]:
    """Return the table."""
    said = []
    for condition in ("C", "C-scale", "control"):
        one = found["casia"][condition]
        for name in SHOWN:
            if name in one["metrics"]:
                said.append(f"{condition:10}{name:32}{_estimate(one['metrics'][name])}")
        for name, part in one["parts"].items():
            said.append(f"{condition:10}{'auc, ' + name:32}{_estimate(part['auc'])}")
    for name, one in (found["casia"]["D"] or {}).items():
        if name != "images":
            said.append(f"{'D':10}{name:32}{_estimate(one)}")
    for name, one in found["photographs"].items():
        said.append(f"{'forged':10}{name:50}{_estimate(one)}")
    return said


def _estimate(one: dict[str, Any]) -> str:
    value, low, high = (one.get(key) for key in ("value", "low", "high"))
    return f"{value:.3f} [{low:.3f}, {high:.3f}]" if low is not None else f"{value}"


if __name__ == "__main__":
    main()
