"""The ablation benchmark on a few images of the embedded data set, one epoch, one fold."""

import json
import sys

import mlflow
import pytest

from benchmarks import ablations
from forgery_lab.data import ingestion, manifest
from forgery_lab.sources.source import Demo, Source, fetch
from steps.settings.configuration import ConfigurationManager
from steps.settings.entities import EvaluateSettings
from tests.stores import copy_store, tracking


@pytest.fixture
def workspace(tmp_path, monkeypatch, empty_store):
    """A workspace with ingested images, a tracking store, and a recipe that trains for a moment."""
    made = ConfigurationManager().workspace(tmp_path)
    root = fetch(Source.parse("demo"), made.path("raw"), demo=Demo(seed=1, count=60))
    manifest.write(ingestion.ingest(root)[0], made.path("manifest"))
    short = {"overrides": "preprocess.draws=1,preprocess.rescaled=0,train.epochs=1"}
    settings = ConfigurationManager.settings

    def shortened(self, entity, given=None):
        return settings(self, entity, short if entity is EvaluateSettings else given)

    monkeypatch.setattr(ConfigurationManager, "settings", shortened)
    uri = copy_store(empty_store, tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(tmp_path)
    with tracking(uri):
        yield made


@pytest.mark.slow
def test_sets_of_features_are_judged_out_of_fold_under_every_protocol(
    workspace, monkeypatch, capsys
):
    options = f"--workspace {workspace.root} --sets residual ela --judged 1 --draws 1"
    monkeypatch.setattr(sys, "argv", ["ablations", *options.split()])
    ablations.main()
    found = json.loads(ablations.REPORT.read_text("utf-8"))
    assert list(found) == ["residual", "ela"]
    images = len(manifest.read(workspace.path("manifest")))
    for one in found.values():
        assert list(one["protocols"])[:4] == ["B", "C", "C-shift", "C-scale"]
        assert 0 < one["protocols"]["C"]["images"] < images / 3
        assert "only the first 1 of the folds were judged" in one["notes"]
    assert found["residual"]["where"]["C"]["f1"]["value"] is not None
    assert not found["ela"]["where"]
    head, rule, first, second = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("|")
    ]
    assert len(head) == len(rule) == len(first) == len(second)
    assert (first[0], second[0]) == ("residual", "ela")
    auc = found["residual"]["protocols"]["C"]["metrics"]["auc"]
    assert first[head.index("matched")].startswith(f"{auc['value']:.3f} [{auc['low']:.3f} to ")
    assert first[head.index("blocks")]
    assert not second[head.index("blocks")]
    runs = mlflow.search_runs(experiment_names=["forgery-detector"])
    logged = runs[runs["tags.mlflow.runName"] == "ablation residual"].iloc[0]
    assert logged["metrics.matched"] == pytest.approx(auc["value"])
    assert logged["params.features"] == "residual"
    assert (runs["tags.mlflow.parentRunId"] == logged["run_id"]).sum() == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--sets", "residual,edges"], "allowed: residual"),
        (["--sets", "residual,ela"], "must be the only one"),
        (["--judged", "6"], "choose from 1, 2, 3, 4, 5"),
    ],
)
def test_what_cannot_be_measured_is_refused(given, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["ablations", *given])
    with pytest.raises(SystemExit):
        ablations.main()
    assert said in capsys.readouterr().err
