"""`python -m benchmarks.ablations`: what each family of features is worth, out of fold.

For each set of families, the ingested images are judged as `evaluate -P folds=5` does, by networks
that learn as `params.yaml` says, from these features. The set "ela" stands for the field's usual
network, which takes nothing else. Prints a table in Markdown; each set, as soon as it is measured,
is in reports/ablations.json and in an MLflow run with those of its folds inside.
"""

import argparse
import json
import logging
from collections.abc import Callable
from pathlib import Path

from forgery_lab.evaluation import report, summary
from forgery_lab.evaluation.conditions import C_SCALE, C_SHIFT, CONTROL, B, C, Condition
from forgery_lab.evaluation.protocols import Options
from forgery_lab.evaluation.results import Evaluation, Interval
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
Column = Callable[[Evaluation], Interval | None]


def metric(condition: Condition, name: str = "auc") -> Column:
    """Return the column of a metric under a condition."""
    return lambda evaluation: (
        evaluation.protocols[condition].metrics.get(name)
        if condition in evaluation.protocols
        else None
    )


def part(name: str) -> Column:
    """Return the column of the AUC of a part of the images under C."""

    def column(evaluation: Evaluation) -> Interval | None:
        parts = evaluation.protocols[C].parts if C in evaluation.protocols else {}
        return parts[name].auc if name in parts else None

    return column


def heat_map(name: str) -> Column:
    """Return the column of a figure of the heat map under C."""
    return lambda evaluation: getattr(evaluation.where.get(C), name, None)


COLUMNS: dict[str, Column] = {
    "B": metric(B),
    "matched": metric(C),
    "outside textures": part("outside textures"),
    "splices": part("splices"),
    "copy-moves": part("copy-moves"),
    "rescaled": metric(C_SCALE),
    "shifted": metric(C_SHIFT),
    "control": metric(CONTROL),
    "blocks": heat_map("block_auc"),
    "pixel F1": heat_map("f1"),
    "TPR at 5 %": metric(C, "tpr_at_5_fpr"),
    "calibration error": metric(C, "ece_corrected"),
}
"""The columns of the table."""


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
    evaluations = {}
    for families in given.sets:
        with runs.started(workspace, run_name=f"ablation {families}"):
            changed = with_features(recipe, families)
            evaluation = measure(changed, workspace, options, given.judged)
            runs.log_params({"features": families, "folds_judged": given.judged})
            runs.log_metrics(
                {
                    name.replace("%", "percent"): estimate.value
                    for name, estimate in row(evaluation).items()
                    if estimate and estimate.value is not None
                }
            )
        evaluations[families] = evaluation.to_dict()
        write_whole(REPORT, json.dumps(evaluations, indent=1) + "\n")
        print(line(families, evaluation), flush=True)


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
) -> Evaluation:
    """Return the figures of all protocols, without curves."""
    with folds.models() as trained:
        predictions = folds.judge(FOLDS, recipe, workspace, options, trained, folds_judged)
    return summary.summarise(predictions, options).without_curves()


def row(evaluation: Evaluation) -> dict[str, Interval | None]:
    """Return the estimate of every column, None where there is none or it has no value."""
    estimates = {name: column(evaluation) for name, column in COLUMNS.items()}
    return {
        name: estimate if estimate and estimate.value is not None else None
        for name, estimate in estimates.items()
    }


def header() -> str:
    """Return the head of the table."""
    return f"| features | {' | '.join(COLUMNS)} |\n|{' --- |' * (len(COLUMNS) + 1)}"


def line(families: str, evaluation: Evaluation) -> str:
    """Return a row of the table, with intervals."""
    cells = [
        f"{report.figure(estimate.value, 3)} [{report.interval(estimate, 3)}]" if estimate else ""
        for estimate in row(evaluation).values()
    ]
    return f"| {families.replace(',', ', ')} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
