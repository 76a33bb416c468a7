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


@pytest.fixture
def folder(tmp_path, monkeypatch):
    archive = Path(frozen.__file__).parent / "frozen_sets/demo.zip"
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def test_a_set_of_features_is_judged_out_of_fold(folder, monkeypatch, capsys):
    as_set = ablations.training_settings
    monkeypatch.setattr(
        ablations, "training_settings", lambda settings: replace(as_set(settings), epochs=1)
    )
    options = "--sets residual ela --judged 1 --work work"
    monkeypatch.setattr(sys, "argv", ["ablations", str(folder), *options.split()])
    ablations.main()
    found = json.loads(ablations.REPORT.read_text("utf-8"))
    assert list(found) == ["residual", "ela"]
    assert "block_auc" not in found["ela"]["C"]
    matched, rescaled = found["residual"]["C"], found["residual"]["C-scale"]
    index = pd.read_parquet("work/residual/index.parquet")
    assert 0 < matched["images"] == rescaled["images"] < index["id"].nunique() / 3
    for one in (matched, rescaled):
        assert 0 <= one["auc"]["low"] <= one["auc"]["value"] <= one["auc"]["high"] <= 1
    assert matched["auc"] != rescaled["auc"]
    head, rule, first, second = [
        line.split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("|")
    ]
    assert len(head) == len(rule) == len(first) == len(second)
    assert (first[1].strip(), second[1].strip()) == ("residual", "ela")
    assert first[2].strip() == f"{matched['auc']['value']:.3f}"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--sets", "residual,edges"], "allowed are residual"),
        (["--sets", "residual,ela"], "must stand alone"),
        (["--judged", "6"], "choose from 1, 2, 3, 4, 5"),
    ],
)
def test_what_cannot_be_measured_is_refused(given, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["ablations", "casia", *given])
    with pytest.raises(SystemExit):
        ablations.main()
    assert said in capsys.readouterr().err
