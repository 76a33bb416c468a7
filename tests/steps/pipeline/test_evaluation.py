"""Evaluation beyond the defaults: other data, another model, robustness, and protocol A."""

import json
import shutil

import pytest

from forgery_lab.evaluation import results
from forgery_lab.evaluation.conditions import A
from forgery_pyfunc.detector import FIGURES_FILE
from steps.pipeline import evaluation
from steps.settings.configuration import ConfigurationManager
from tests.conftest import write_pictures
from tests.lab.evaluation import made

DATA = {
    "name": "d", "digest": "d", "images": 9, "split": "source", "sources_known_by": "ids",
    "sources_on_two_sides": 0, "dropped": 0,
}  # fmt: skip


@pytest.fixture
def with_figures_of_a(tmp_path):
    """Return a workspace in which protocol A was measured on a model that tells this of itself."""

    def write(**model):
        workspace = ConfigurationManager().workspace(tmp_path)
        folder = workspace.path("random_split") / "reports/evaluation"
        folder.mkdir(parents=True)
        of_a = made.evaluation(
            protocols={"A": made.figures_of(3)}, baselines={}, model=model, data=DATA
        )
        results.write(folder / FIGURES_FILE, of_a)
        return workspace

    return write


@pytest.mark.parametrize(
    ("model", "is_taken"),
    [
        ({"network": "blocks", "features": ["dct"]}, True),
        ({"network": "classic", "features": ["dct"]}, False),
        ({"network": "blocks", "features": ["residual"]}, False),
    ],
)
def test_protocol_a_is_taken_from_the_same_network_and_features_alone(
    with_figures_of_a, model, is_taken
):
    own = made.evaluation(model={"network": "blocks", "features": ["dct"]}, data=DATA)
    merged = evaluation.with_protocol_a(own, with_figures_of_a(**model))
    assert (A in merged.protocols) == is_taken


@pytest.mark.slow
def test_other_data_another_model_and_robustness_are_measured(trained, tmp_path):
    for name in ("data", "models", "reports"):
        shutil.copytree(trained.root / name, tmp_path / name)
    photos = write_pictures(tmp_path / "photos", 3, first=70_001)
    said = trained.step(
        "evaluate", "--workspace", str(tmp_path), "--protocols", "C", "--robustness", "true",
        "--extra", f"phones:{photos}", "--against", "models:/forgery-detector@champion",
    )  # fmt: skip
    figures = json.loads((tmp_path / "reports/evaluation/figures.json").read_text())
    assert figures["elsewhere"][0]["authentic"] == 3
    assert figures["comparison"]["conditions"]["C"]["metrics"]["auc"]["value"] == 0
    assert [len(points) for points in figures["robustness"].values()] == [6, 4, 4]
    assert not (tmp_path / "reports/evaluation/B_roc.csv").exists()
    assert "Elsewhere, on phones" in said
    counts = json.loads((tmp_path / "reports/metrics.json").read_text())["C"]
    assert counts["true_positives"] + counts["false_negatives"] > 0
