"""Evaluation beyond the defaults: other data, another model, robustness, and protocol A."""

import json
import shutil

import pytest

from forgery_lab.evaluation import report
from steps.pipeline import evaluation
from steps.settings.configuration import ConfigurationManager
from tests.conftest import write_pictures


@pytest.fixture
def with_figures_of_a(tmp_path):
    """Return a workspace in which protocol A was measured on a model that tells this of itself."""

    def write(**model):
        workspace = ConfigurationManager().workspace(tmp_path)
        folder = workspace.path("random_split") / "reports/evaluation"
        folder.mkdir(parents=True)
        figures = {"protocols": {"A": {}}, "baselines": {}, "model": model, "data": {"digest": "d"}}
        (folder / report.FIGURES).write_text(json.dumps(figures))
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
    found = {
        "protocols": {}, "baselines": {}, "left_out": [], "notes": [],
        "model": {"network": "blocks", "features": ["dct"]}, "data": {"digest": "d"},
    }  # fmt: skip
    merged = evaluation.with_protocol_a(found, with_figures_of_a(**model))
    assert ("A" in merged["protocols"]) == is_taken


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
