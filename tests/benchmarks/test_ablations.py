"""The ablation benchmark on the embedded frozen set, one epoch, one fold."""

import json
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import ablations
from forgery_lab import frozen
from forgery_pyfunc.features import FAMILIES


@pytest.fixture
def folder(tmp_path, monkeypatch):
    archive = Path(frozen.__file__).parent / "frozen_sets/demo.zip"
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def test_a_set_of_features_is_judged_out_of_fold(folder, monkeypatch, capsys):
    monkeypatch.setattr(ablations, "FAMILIES", {"residual": FAMILIES["residual"]})
    as_set = ablations.training_settings
    monkeypatch.setattr(
        ablations, "training_settings", lambda settings: replace(as_set(settings), epochs=1)
    )
    given = ["ablations", str(folder), "--sets", "residual", "--judged", "1", "--work", "work"]
    monkeypatch.setattr(sys, "argv", given)
    ablations.main()
    found = json.loads(ablations.REPORT.read_text("utf-8"))
    assert list(found) == ["residual"]
    matched, rescaled = found["residual"]["C"], found["residual"]["C-scale"]
    index = pd.read_parquet("work/index.parquet")
    assert 0 < matched["images"] == rescaled["images"] < index["id"].nunique() / 3
    for one in (matched, rescaled):
        assert 0 <= one["auc"]["low"] <= one["auc"]["value"] <= one["auc"]["high"] <= 1
    assert matched["auc"] != rescaled["auc"]
    printed = [line for line in capsys.readouterr().out.splitlines() if "C auc" in line]
    assert len(printed) == 1
    assert f"C auc {matched['auc']['value']:.3f}" in printed[0]
