"""`python -m benchmarks.ablations CASIA`: what each family of features is worth, out of fold.

A network learns from each set of families, for each source-disjoint fold anew and as `params.yaml`
says, and scores the images of the fold: one matched history of each (protocol C), and one that was
rescaled (C′). The set "ela" stands for the field's usual network, which takes nothing else. Prints
a table in Markdown and writes reports/ablations.json. `evaluate -P folds=5` measures all protocols,
of one set of families; there histories come from the training folds alone, here from all.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
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
from forgery_pyfunc.calibration import Calibration
from forgery_pyfunc.features import FAMILIES, channels
from steps.configuration import ConfigurationManager
from steps.entities import PreprocessSettings, TrainSettings
from steps.train import training_settings

REPORT = Path("reports/ablations.json")
CLASSIC = "ela"
SETS = (
    CLASSIC,
    "residual",
    "copymove",
    "double_jpeg",
    "residual,copymove",
    "residual,double_jpeg",
    "residual,copymove,dct",
    "residual,copymove,double_jpeg",
    "residual,copymove,dct,double_jpeg",
)
CLASSIC_RATE = 3e-4
"""Learning rate of the usual network, which learns nothing at that of ours."""
FOLDS = 5
CONDITIONS = {"C": "matched", "C-scale": "rescaled"}
COLUMNS = ("auc", "outside textures", "splices", "copy-moves", "block_auc")


def main() -> None:
    """Measure, print and write."""
    given = arguments()
    manager = ConfigurationManager()
    preprocess = cast(PreprocessSettings, manager.settings("preprocess"))
    details = training_settings(cast(TrainSettings, manager.settings("train")))
    with shown("reading", "files") as progress:
        rows, _ = ingestion.ingest(given.casia, progress=progress)
    rows = splits.folds(rows, FOLDS, preprocess.seed).frame
    rows = rows[rows["fold"] >= 0].reset_index(drop=True)
    print(header())
    found = {}
    for families, store in stores(given.sets, rows, given.casia, preprocess, given.work):
        scored = pd.concat(
            [judge(store, rows, fold, preprocess.draws, details) for fold in range(given.judged)]
        )
        found[families] = summarise(scored, rows)
        print(line(families, found[families]), flush=True)
    write_whole(REPORT, json.dumps(found, indent=1) + "\n")


def arguments() -> argparse.Namespace:
    """Return what was asked for; say what is allowed where that is something else."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("casia", type=Path)
    parser.add_argument("--work", type=Path, default=Path("models/ablations"), help="for features")
    parser.add_argument("--sets", nargs="+", default=SETS, help="families, joined by commas")
    parser.add_argument(
        "--judged", type=int, default=FOLDS, choices=range(1, FOLDS + 1), help="how many folds"
    )
    given = parser.parse_args()
    for families in given.sets:
        try:
            channels(families.split(","))
        except ValueError as error:
            parser.error(f"--sets {families}: {error}")
    return given


def stores(
    sets: Sequence[str],
    rows: pd.DataFrame,
    root: Path,
    settings: PreprocessSettings,
    folder: Path,
) -> Iterator[tuple[str, FeatureStore]]:
    """Give each set with the features of every image and draw; what sets share is made once."""
    matcher = HistoryMatcher.fit(rows, root, settings.seed)
    source = ManifestSource(
        rows.assign(split="train"), root, matcher, settings.draws, max(settings.rescaled, 1)
    )
    wanted = {name for families in sets for name in families.split(",")} - {CLASSIC}
    ours = [name for name in FAMILIES if name in wanted]

    def made(families: Sequence[str]) -> FeatureStore:
        with shown(f"features {', '.join(families)}", "images") as progress:
            place, budget = folder / "-".join(families), settings.disk_budget_gb * 1e9
            return feature_store.build(source, place, families, budget, progress=progress)

    shared = made(ours) if ours else None
    for families in sets:
        if families == CLASSIC or shared is None:
            yield families, made([CLASSIC])
        else:
            yield families, shared.narrow(families.split(","))


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
    classic = store.families == (CLASSIC,)
    if classic:
        details = replace(details, learning_rate=CLASSIC_RATE)
    name = "classic" if classic else "blocks"
    model = networks.build_for(name, store.channels, details.seed)
    result = training.fit(model, train, validation, details)
    fitted = calibrating.fit_calibration(
        training.predict(result.model, validation).image,
        validation.index["label"].to_numpy(),
        validation.index["pixels"].to_numpy(),
    )
    calibration = Calibration.from_dict(fitted.calibration())
    parts = []
    for condition, draw in zip(CONDITIONS, (0, draws), strict=True):
        test = store.select((of == fold) & (store.index["draw"] == draw).to_numpy())
        scores = training.predict(result.model, test)
        probability = [
            calibration.probability(logit, pixels)
            for logit, pixels in zip(scores.image, test.index["pixels"], strict=True)
        ]
        parts.append(
            pd.DataFrame(
                {
                    "sha256": test.index["id"],
                    "condition": condition,
                    "draw": 0,
                    "probability": probability,
                    "verdict": [calibration.verdict(one) for one in probability],
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


def header() -> str:
    """Return the head of the table."""
    names = [f"{said} {name}" for said in CONDITIONS.values() for name in COLUMNS]
    return f"| features | {' | '.join(names)} |\n|{' --- |' * (len(names) + 1)}"


def line(families: str, found: dict[str, Any]) -> str:
    """Return a row of the table: both conditions, with their parts."""
    cells = [
        f"{found[condition][name]['value']:.3f}" if name in found[condition] else ""
        for condition in CONDITIONS
        for name in COLUMNS
    ]
    return f"| {families.replace(',', ', ')} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
