"""What `main` decides before it starts any step."""

import errno
import os

import pytest

from steps import main
from steps.errors import SettingsError
from steps.settings.configuration import ConfigurationManager
from steps.settings.entities import EvaluateSettings, MainSettings


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("train.epochs=many", "-P: train.epochs is 'many'"),
        ("promote.margn=1", "did you mean promote.margin"),
        ("preprocess.features=elo", "preprocess.features.0 is 'elo'"),
    ],
)
def test_a_bad_override_is_found_before_any_step_starts(override, sentence):
    with pytest.raises(SettingsError, match=sentence):
        main.planned(MainSettings(overrides=override))


def test_every_step_gets_its_own_overrides():
    given = MainSettings(steps="ingest,train", source="demo", overrides="train.epochs=2")
    assert main.planned(given) == {"ingest": {"source": "demo"}, "train": {"epochs": "2"}}


def test_a_step_that_works_with_the_settings_of_others_gets_theirs_too():
    given = MainSettings(
        steps="preprocess,evaluate",
        overrides="train.epochs=2,preprocess.features=residual,dct,evaluate.folds=5",
    )
    parameters = main.planned(given)
    assert parameters["preprocess"] == {"features": "residual,dct"}
    assert parameters["evaluate"] == {
        "folds": "5",
        "overrides": "preprocess.features=residual,dct,train.epochs=2",
    }
    settings = ConfigurationManager().settings(EvaluateSettings, parameters["evaluate"])
    assert settings.train.epochs == 2
    assert settings.preprocess.features == ("residual", "dct")


@pytest.mark.parametrize("steps", ["serve", "main", "trian"])
def test_a_step_that_it_cannot_run_is_named_with_those_that_it_can(steps):
    with pytest.raises(SettingsError, match=rf"main\.steps names '{steps}'; allowed: ingest, pre"):
        main.planned(MainSettings(steps=steps))


def test_outputs_are_copied_where_no_hard_link_can_be(tmp_path, monkeypatch):
    def no_link(source, target):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    workspace = ConfigurationManager().workspace(tmp_path / "here")
    (workspace.path("raw") / "Au").mkdir(parents=True)
    (workspace.path("raw") / "Au/a.jpg").write_bytes(b"picture")
    workspace.path("manifest").write_bytes(b"rows")
    monkeypatch.setattr(os, "link", no_link)
    main.link_outputs(workspace, tmp_path / "there")
    assert (tmp_path / "there/data/raw/Au/a.jpg").read_bytes() == b"picture"
    assert (tmp_path / "there/data/manifest.parquet").read_bytes() == b"rows"
