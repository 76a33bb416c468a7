"""`python -m benchmarks.release CASIA PHOTOS`: the shipped detector on all of a CASIA-style folder.

CASIA is in no way part of its training, so every image counts, not a test split alone. Beside it
the share of photographs called forged: those of the part that was held out from training, and of
all, which includes what the network learnt from. Prints a table, writes reports/release.json.
"""

import argparse
import hashlib
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from forgery import SHIPPED
from forgery_lab.data import ingestion
from forgery_lab.evaluation import conditions, metrics, model_card, results, summary, trials
from forgery_lab.evaluation.protocols import Options, Predictions, disjoint_trials
from forgery_lab.evaluation.results import ElsewhereFigures, Evaluation, Interval
from forgery_lab.examples.histories import HistoryMatcher
from forgery_lab.examples.pairs import SIDES, prepared
from forgery_lab.export import pyfunc
from forgery_lab.export.detector_folder import Description, DetectorFolder
from forgery_lab.files import write_whole
from forgery_lab.forgeries.pictures import sized
from forgery_lab.progress import shown
from forgery_lab.sources import photographs
from forgery_pyfunc.detector import ATTRIBUTION_FILE, CARD_FILE, FIGURES_FILE, Detector
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.jpeg_encoder import encode
from steps.settings.configuration import ConfigurationManager
from steps.settings.entities import EvaluateSettings

REPORT = Path("reports/release.json")
SEED = 0
"""Of histories and resamples."""
SHOWN = (
    "auc", "tpr_at_5_fpr", *metrics.DECISIONS, *(f"{name}_at_half" for name in metrics.DECISIONS),
    "specificity", "ece", "ece_corrected", "coverage",
)  # fmt: skip


def on_casia(detector: Path, data: Path, options: Options) -> Evaluation:
    """Return the evaluation of C, C′, control and D on all images of a CASIA-style folder."""
    with shown("reading", "files") as progress:
        rows, _ = ingestion.ingest(data, progress=progress)
    matcher = HistoryMatcher.fit(rows, data, options.seed)
    masks = trials.load_masks(rows, data)
    asked = disjoint_trials(rows, data, matcher, masks, options)
    with tempfile.TemporaryDirectory() as folder, shown("scoring", "images") as progress:
        model = Path(folder) / "model"
        pyfunc.save_model(detector, model)
        scored = trials.predict(model, asked, masks, options.workers, progress=progress)
    none = pd.DataFrame(columns=["baseline", *scored.columns])
    notes = [f"all {len(rows)} images of {data.name} were scored, in {options.draws} draws"]
    predictions = Predictions({conditions.B: rows}, matcher, scored, none, [], notes)
    return summary.summarise(predictions, options)


def on_photographs(folder: Path, detector: Path) -> list[ElsewhereFigures]:
    """Return how many photographs are called forged, as shipped and after a usual handling."""
    training = DetectorFolder(detector, str(detector)).training
    seen = set() if training is None else set(training.loc[training["split"] == "train", "sha256"])
    loaded, rows = Detector.load(detector), []
    for photo in photographs.find(folder).to_dict("records"):
        held_out = photo["sha256"] not in seen
        for rendition, data in _renditions(Path(photo["path"])).items():
            verdict = loaded.score(data).verdict
            source = photo["source"] if photo["origin"] == "web" else "camera"
            row = {"source": source, "rendition": rendition, "verdict": verdict}
            rows += [{**row, "which": "all"}] + [{**row, "which": "held out"}] * held_out
    groups = pd.DataFrame(rows).groupby(["source", "rendition", "which"])["verdict"]
    return [
        ElsewhereFigures(
            name=f"photographs ({', '.join(map(str, names))})",
            images=len(verdicts),
            false_positives=metrics.proportion(int((verdicts == "forged").sum()), len(verdicts)),
            inconclusive=float((verdicts == "inconclusive").mean()),
        )
        for names, verdicts in groups
    ]


def _renditions(path: Path) -> dict[str, bytes]:
    data = path.read_bytes()
    pixels = decode(data).pixels
    rng = np.random.default_rng(int(hashlib.sha256(data).hexdigest()[:8], 16))
    small = sized(pixels, rng, (500, 1000))[0]
    return {
        "as shipped": data,
        "reduced or cropped": encode(small, quality=int(rng.integers(75, 96))),
        "cut out": encode(prepared(pixels, SIDES, rng), quality=int(rng.integers(75, 96))),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("casia", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--detector", type=Path, default=SHIPPED)
    parser.add_argument("--draws", type=int, help="by default as `evaluate`")
    parser.add_argument("--resamples", type=int, help="by default as `evaluate`")
    parser.add_argument("--write", action="store_true", help="into the detector's card, too")
    given = parser.parse_args()
    evaluating = ConfigurationManager().settings(EvaluateSettings)
    options = Options(
        seed=SEED,
        draws=given.draws or evaluating.draws,
        resamples=given.resamples or evaluating.bootstrap,
    )
    evaluation = on_casia(given.detector, given.casia, options).model_copy(
        update={"elsewhere": on_photographs(given.photos, given.detector)}
    )
    for line in lines(evaluation):
        print(line)
    results.write(REPORT, evaluation)
    if given.write:
        write(evaluation, given.detector)


def write(evaluation: Evaluation, detector: Path) -> None:
    """Put the figures into the detector's folder, and into its model card."""
    results.write(detector / FIGURES_FILE, evaluation.without_curves())
    listed = (detector / ATTRIBUTION_FILE).is_file()
    card = model_card.render(Description.read(detector), evaluation, listed=listed)
    write_whole(detector / CARD_FILE, card)


def lines(evaluation: Evaluation) -> list[str]:
    """Return the table."""
    table = []
    for condition, figures in evaluation.protocols.items():
        estimates = {name: figures.metrics[name] for name in SHOWN if name in figures.metrics}
        estimates |= {f"auc, {name}": part.auc for name, part in figures.parts.items()}
        table += [f"{condition.name:10}{name:32}{_words(one)}" for name, one in estimates.items()]
    maps = evaluation.where.get(conditions.C)
    if maps:
        table += [
            f"{'D':10}{name:32}{_words(getattr(maps, name))}" for name in trials.WHERE_COLUMNS
        ]
    for other in evaluation.elsewhere:
        table.append(f"{'forged':10}{other.name:56}{_words(other.false_positives)}")
    return table


def _words(estimate: Interval) -> str:
    if estimate.value is None or estimate.low is None:
        return f"{estimate.value}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


if __name__ == "__main__":
    main()
