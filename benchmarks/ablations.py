"""`python -m benchmarks.ablations CASIA`: what each family of features is worth, out of fold.

Features of all families are computed once. Then a network learns from each set of families, for
each source-disjoint fold anew and as `params.yaml` says, and scores the images of the fold: one
matched history of each (protocol C), and one that was rescaled (C′). Prints a table and writes
reports/ablations.json. `evaluate -P folds=5` measures all protocols, of one set of families.
"""

import argparse
import json
from pathlib import Path
from typing import Any, cast

import pandas as pd

from forgery_lab import (
    calibrating,
    feature_store,
    figures,
    ingestion,
    networks,
    splits,
    training,
)
from forgery_lab.feature_store import FeatureStore, ManifestSource
from forgery_lab.files import write_whole
from forgery_lab.histories import HistoryMatcher
from forgery_lab.progress import shown
from forgery_lab.training import TrainingSettings
from forgery_pyfunc.calibration import sigmoid
from forgery_pyfunc.features import FAMILIES
from steps.configuration import ConfigurationManager
from steps.entities import PreprocessSettings, TrainSettings
from steps.train import training_settings

REPORT = Path("reports/ablations.json")
SETS = (
    "residual",
    "copymove",
    "double_jpeg",
    "residual,copymove",
    "residual,copymove,dct",
    "residual,copymove,double_jpeg",
    "residual,copymove,dct,double_jpeg",
)
FOLDS = 5
VERDICTS = {True: "forged", False: "authentic"}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("casia", type=Path)
    parser.add_argument("--work", type=Path, default=Path("models/ablations"), help="for features")
    parser.add_argument("--sets", nargs="+", default=SETS, help="families, joined by commas")
    parser.add_argument("--judged", type=int, default=FOLDS, help="how many folds are judged")
    given = parser.parse_args()
    manager = ConfigurationManager()
    preprocess = cast(PreprocessSettings, manager.settings("preprocess"))
    details = training_settings(cast(TrainSettings, manager.settings("train")))
    with shown("reading", "files") as progress:
        rows, _ = ingestion.ingest(given.casia, progress=progress)
    rows = splits.folds(rows, FOLDS, preprocess.seed).frame
    rows = rows[rows["fold"] >= 0].reset_index(drop=True)
    store = features(rows, given.casia, preprocess, given.work)
    found = {}
    for families in given.sets:
        narrow = store.narrow(families.split(","))
        scored = pd.concat(
            [judge(narrow, rows, fold, preprocess.draws, details) for fold in range(given.judged)]
        )
        found[families] = summarise(scored, rows)
        print(line(families, found[families]), flush=True)
    write_whole(REPORT, json.dumps(found, indent=1) + "\n")


def features(
    rows: pd.DataFrame, root: Path, settings: PreprocessSettings, folder: Path
) -> FeatureStore:
    """Return the features of all families that stand on blocks, of every image and draw."""
    matcher = HistoryMatcher.fit(rows, root, settings.seed)
    source = ManifestSource(
        rows.assign(split="train"), root, matcher, settings.draws, max(settings.rescaled, 1)
    )
    families = [name for name, family in FAMILIES.items() if family.on_blocks]
    with shown("features", "images") as progress:
        return feature_store.build(
            source, folder, families, 2 * settings.disk_budget_gb * 1e9, progress=progress
        )


def judge(
    store: FeatureStore, rows: pd.DataFrame, fold: int, draws: int, details: TrainingSettings
) -> pd.DataFrame:
    """Train without a fold, and return what the network says of it.

    Columns as `figures.figures` reads them, and `block_auc` of the fold's forgeries.
    """
    of = rows.set_index("sha256")["fold"].loc[store.index["id"]].to_numpy()
    first_of_kind = store.index["draw"].isin([0, draws]).to_numpy()
    chooses = of == (fold + 1) % FOLDS
    train = store.select((of != fold) & ~chooses)
    validation = store.select(chooses & first_of_kind)
    model = networks.build_for("blocks", store.channels, details.seed)
    result = training.fit(model, train, validation, details)
    calibration = calibrating.fit_calibration(
        training.predict(result.model, validation).image,
        validation.index["label"].to_numpy(),
        (validation.index["width"] * validation.index["height"]).to_numpy(),
    )
    parts = []
    for condition, draw in (("C", 0), ("C-scale", draws)):
        test = store.select((of == fold) & (store.index["draw"] == draw).to_numpy())
        scores = training.predict(result.model, test)
        probability = sigmoid(scores.image / calibration.temperature + calibration.bias)
        forged = probability >= calibration.t_hi
        parts.append(
            pd.DataFrame(
                {
                    "sha256": test.index["id"],
                    "condition": condition,
                    "draw": 0,
                    "probability": probability,
                    "verdict": [VERDICTS[one] for one in forged],
                    "error": None,
                    "block_auc": training.validation_scores(scores, test).get("val_block_auc"),
                    "fold": fold,
                }
            )
        )
    return pd.concat(parts)


def summarise(scored: pd.DataFrame, rows: pd.DataFrame) -> dict[str, Any]:
    """Return AUC with intervals, by part, and the mean over folds of the AUC of blocks."""
    found = {}
    for condition, mine in scored.groupby("condition"):
        one = figures.figures(scored, rows, str(condition))
        found[str(condition)] = {
            "images": one["images"],
            "auc": one["metrics"]["auc"],
            **{part: figure["auc"] for part, figure in one["parts"].items()},
        }
        if mine["block_auc"].notna().all():
            of_folds = mine.groupby("fold")["block_auc"].first()
            found[str(condition)]["block_auc"] = {"value": float(of_folds.mean())}
    return found


def line(families: str, found: dict[str, Any]) -> str:
    """Return a row of the table: both conditions, with their parts."""
    cells = [
        f"{condition} {name} {one[name]['value']:.3f}"
        for condition, one in found.items()
        for name in ("auc", "outside textures", "splices", "copy-moves", "block_auc")
        if name in one
    ]
    return f"{families:36}" + ", ".join(cells)


if __name__ == "__main__":
    main()
