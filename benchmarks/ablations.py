"""`python -m benchmarks.ablations`: what each family of features is worth, out of fold.

For each set of families, the ingested images are judged as `evaluate -P folds=5` does, by networks
that learn as `params.yaml` says, from these features. The set "ela" stands for the field's usual
network, which takes nothing else. Prints a table in Markdown; each set, as soon as it is measured,
is in reports/ablations.json and in an MLflow run with those of its folds inside.
"""

import argparse
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forgery_lab.evaluation import protocols, report
from forgery_lab.evaluation.protocols import Options
from forgery_lab.files import write_whole
from forgery_pyfunc.features import channels
from steps.pipeline import folds
from steps.pipeline.folds import Recipe
from steps.settings.configuration import ConfigurationManager, Workspace
from steps.settings.entities import EvaluateSettings
from steps.tracking import runs

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
CLASSIC_TRAINING = {"network": "classic", "learning_rate": 3e-4}
"""How the usual network is trained: it learns nothing at the rate of ours."""
FOLDS = 5
COLUMNS = {
    "B": ("protocols", "B", "metrics", "auc"),
    "matched": ("protocols", "C", "metrics", "auc"),
    "outside textures": ("protocols", "C", "parts", "outside textures", "auc"),
    "splices": ("protocols", "C", "parts", "splices", "auc"),
    "copy-moves": ("protocols", "C", "parts", "copy-moves", "auc"),
    "rescaled": ("protocols", "C-scale", "metrics", "auc"),
    "shifted": ("protocols", "C-shift", "metrics", "auc"),
    "control": ("protocols", "control", "metrics", "auc"),
    "blocks": ("where", "C", "block_auc"),
    "pixel F1": ("where", "C", "f1"),
    "TPR at 5 %": ("protocols", "C", "metrics", "tpr_at_5_fpr"),
    "calibration error": ("protocols", "C", "metrics", "ece_corrected"),
}
"""Where `protocols.summarise` has the figures of the table."""


def main() -> None:
    """Measure, print and write."""
    given = arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    manager = ConfigurationManager()
    workspace, settings = manager.workspace(given.workspace), manager.settings(EvaluateSettings)
    recipe = Recipe(settings.preprocess, settings.train)
    runs.configure(manager.config.experiment)
    options = Options(
        seed=settings.seed, draws=given.draws or settings.draws, resamples=settings.bootstrap
    )
    print(header())
    found = {}
    for families in given.sets:
        with runs.started(workspace, run_name=f"ablation {families}"):
            mine = with_features(recipe, families)
            found[families] = measure(mine, workspace, options, given.judged)
            runs.log_params({"features": families, "folds_judged": given.judged})
            estimates = row(found[families]).items()
            runs.log_metrics(
                {name.replace("%", "percent"): one["value"] for name, one in estimates if one}
            )
        write_whole(REPORT, json.dumps(found, indent=1) + "\n")
        print(line(families, found[families]), flush=True)


def arguments() -> argparse.Namespace:
    """Return what was asked for; say what is allowed where that is something else."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, help="that `ingest` has filled; the project's")
    parser.add_argument("--sets", nargs="+", default=SETS, help="families, joined by commas")
    parser.add_argument(
        "--draws", type=int, choices=range(1, 21), help="histories of every judged image"
    )
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


def with_features(recipe: Recipe, families: str) -> Recipe:
    """Return the recipe with other features, and the network that takes them."""
    training = CLASSIC_TRAINING if families == CLASSIC else {"network": "blocks"}
    return Recipe(
        recipe.preprocess.model_copy(update={"features": tuple(families.split(","))}),
        recipe.train.model_copy(update=training),
    )


def measure(
    recipe: Recipe, workspace: Workspace, options: Options, folds_judged: int
) -> dict[str, Any]:
    """Return the figures of all protocols, without curves."""
    with folds.models() as trained:
        judged = folds.judge(FOLDS, recipe, workspace, options, trained, folds_judged)
    found = protocols.summarise(judged, options)
    for one in found["protocols"].values():
        one.pop("curves", None)
    return found


def row(found: Mapping[str, Any]) -> dict[str, Mapping[str, Any] | None]:
    """Return the estimate of every column, None where there is none."""
    return {name: _at(found, path) for name, path in COLUMNS.items()}


def _at(found: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any] | None:
    """Return the estimate at a path of nested mappings; None where it or its value is missing."""
    here: Any = found
    for key in path:
        here = here.get(key)
        if here is None:
            return None
    return here if here["value"] is not None else None


def header() -> str:
    """Return the head of the table."""
    return f"| features | {' | '.join(COLUMNS)} |\n|{' --- |' * (len(COLUMNS) + 1)}"


def line(families: str, found: Mapping[str, Any]) -> str:
    """Return a row of the table, with intervals."""
    cells = [
        f"{report.figure(one['value'], 3)} [{report.interval(one, 3)}]" if one else ""
        for one in row(found).values()
    ]
    return f"| {families.replace(',', ', ')} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
