from typing import Annotated, Literal

import pytest
import yaml
from pydantic import Field

from forgery_pyfunc.features import FAMILIES
from steps.errors import SettingsError
from steps.settings.configuration import (
    PROJECT_ROOT,
    SHARED,
    ConfigurationManager,
    read_overrides,
)
from steps.settings.entities import (
    SETTINGS,
    Entity,
    EvaluateSettings,
    PreprocessSettings,
    TrainSettings,
    is_number,
)


@pytest.fixture
def project(tmp_path):
    """A folder with the project's own config.yaml and params.yaml, free to be changed."""
    for name in ("config.yaml", "params.yaml"):
        (tmp_path / name).write_text((PROJECT_ROOT / name).read_text("utf-8"), "utf-8")
    return tmp_path


def change(project, file, change):
    content = yaml.safe_load((project / file).read_text("utf-8"))
    change(content)
    (project / file).write_text(yaml.safe_dump(content), "utf-8")


def refusal(project, step="train", **overrides):
    with pytest.raises(SettingsError) as caught:
        ConfigurationManager(project).settings(SETTINGS[step], overrides)
    return str(caught.value)


def test_settings_come_from_params_yaml_and_share_its_seed(project):
    change(project, "params.yaml", lambda params: params.update(seed=7))
    settings = ConfigurationManager(project).settings(TrainSettings)
    assert settings.seed == 7
    assert (
        settings.epochs == yaml.safe_load((project / "params.yaml").read_text())["train"]["epochs"]
    )


def test_an_override_replaces_the_value_and_an_empty_one_does_not(project):
    manager = ConfigurationManager(project)
    assert manager.settings(TrainSettings, {"epochs": "3"}).epochs == 3
    assert (
        manager.settings(TrainSettings, {"epochs": ""}).epochs
        == manager.settings(TrainSettings).epochs
    )


def test_a_list_is_given_with_commas(project):
    given = {"features": "residual, dct"}
    settings = ConfigurationManager(project).settings(PreprocessSettings, given)
    assert settings.features == ("residual", "dct")


def test_every_feature_family_of_the_registry_is_allowed(project):
    for name in FAMILIES:
        settings = ConfigurationManager(project).settings(PreprocessSettings, {"features": name})
        assert settings.features == (name,)
    *others, last = map(repr, FAMILIES)
    allowed = f"allowed: {', '.join(others)} or {last} (feature families"
    assert allowed in refusal(project, "preprocess", features="elo")


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ("residual,elo", "preprocess.features.1 is 'elo'; allowed: 'residual', 'copymove'"),
        ("dct,dct", "allowed: each name once (feature families"),
        ("ela,dct", "allowed: ela alone, or the others"),
    ],
)
def test_feature_families_that_cannot_be_are_refused(project, given, allowed):
    assert allowed in refusal(project, "preprocess", features=given)


def test_a_truth_value_is_no_number(project):
    change(project, "params.yaml", lambda params: params["train"].update(epochs=True))
    assert "params.yaml: train.epochs is True; allowed: a number" in refusal(project)
    change(project, "params.yaml", lambda params: params["train"].update(epochs=1))
    change(project, "params.yaml", lambda params: params["evaluate"].update(robustness=True))
    assert ConfigurationManager(project).settings(EvaluateSettings).robustness is True


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (int, True),
        (float | None, True),
        (Annotated[int, Field(ge=1)] | None, True),
        (bool, False),
        (Literal["pointwise", "float"], False),
        (dict[str, int], False),
    ],
)
def test_a_number_is_told_by_its_type_and_not_by_how_that_is_written(kind, expected):
    assert is_number(kind) is expected


def test_a_truth_value_may_stand_beside_a_word_that_holds_int(project):
    class Printing(Entity):
        paper: Literal["print", True]

    assert Printing(paper=True).paper is True


def test_the_settings_of_other_steps_are_handed_in(project):
    manager = ConfigurationManager(project)
    settings = manager.settings(EvaluateSettings, {"overrides": "train.epochs=2,train.patience=1"})
    assert (settings.train.epochs, settings.train.patience) == (2, 1)
    assert settings.preprocess == manager.settings(PreprocessSettings)
    assert settings.train.learning_rate == manager.settings(TrainSettings).learning_rate
    assert not {"train", "preprocess"} & settings.model_dump().keys()


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ("train.epochz=2", "-P: unknown key train.epochz; did you mean train.epochs?"),
        ("train.epochs=many", "-P: train.epochs is 'many'"),
        ("ingest.demo_count=60", "evaluate.overrides names 'ingest'; allowed: preprocess, train"),
        ("epochs=2", "-P: evaluate.overrides has 'epochs=2'; expected step.key=value"),
    ],
)
def test_a_bad_setting_of_another_step_is_refused(project, overrides, sentence):
    assert sentence in refusal(project, "evaluate", overrides=overrides)


def test_the_settings_of_another_step_are_no_parameter(project):
    assert "unknown key evaluate.train;" in refusal(project, "evaluate", train="x")


def test_a_value_with_commas_is_one_override():
    allowed = ["train", "evaluate"]
    given = "evaluate.protocols=B,C,evaluate.draws=1"
    expected = {"evaluate": {"protocols": "B,C", "draws": "1"}}
    assert read_overrides(given, "main", allowed) == expected
    assert read_overrides(given.split(","), "main", allowed) == expected
    with pytest.raises(SettingsError, match="expected step"):
        read_overrides(("C", "train.epochs=2"), "main", allowed)


def test_settings_are_frozen(project):
    settings = ConfigurationManager(project).settings(TrainSettings)
    with pytest.raises(ValueError, match="frozen"):
        settings.epochs = 1


def test_a_misspelt_key_is_named_with_its_file_and_the_nearest_right_one(project):
    change(project, "params.yaml", lambda params: params["train"].update(epoch=3))
    message = refusal(project)
    assert "params.yaml" in message
    assert "train.epoch;" in message
    assert "did you mean train.epochs?" in message


def test_a_misspelt_section_is_named(project):
    change(project, "params.yaml", lambda params: params.update(trian={}))
    assert "did you mean train?" in refusal(project)


def test_a_misspelt_path_in_config_yaml_is_named(project):
    change(project, "config.yaml", lambda config: config["paths"].update(manifst="x"))
    assert "config.yaml: unknown key paths.manifst" in refusal(project)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("epochs", "abc", "valid integer"),
        ("epochs", "2.5", "valid integer"),
        ("epochs", "0", "greater than or equal to 1"),
        ("learning_rate", "-1", "greater than 0"),
        ("network", "resnet", "'blocks' or 'classic'"),
    ],
)
def test_a_bad_override_is_refused_with_what_is_allowed(project, key, value, allowed):
    message = refusal(project, **{key: value})
    assert message.startswith("-P: train.")
    assert repr(value) in message
    assert allowed in message


def test_a_bad_value_in_the_file_is_blamed_on_the_file(project):
    change(project, "params.yaml", lambda params: params["train"].update(epochs="many"))
    assert refusal(project).startswith("params.yaml: train.epochs is 'many'")


def test_a_missing_key_is_named(project):
    change(project, "params.yaml", lambda params: params["train"].pop("epochs"))
    assert "train.epochs is missing" in refusal(project)


def test_an_unknown_override_is_refused(project):
    assert "-P: unknown key train.epochz; did you mean train.epochs?" in refusal(
        project, epochz="1"
    )


@pytest.mark.parametrize("file", ["config.yaml", "params.yaml"])
def test_a_missing_or_broken_file_is_named(project, file):
    (project / file).write_text("a: [", "utf-8")
    assert f"{file} is not valid YAML" in refusal(project)
    (project / file).unlink()
    assert f"{file} is missing" in refusal(project)


def test_every_section_of_params_yaml_is_a_step_and_loads():
    manager = ConfigurationManager()
    for step in set(manager.params) - set(SHARED):
        fields = SETTINGS[step].parameters().items()
        given = {*manager.params[step], *SHARED}
        files = {k: "given" for k, one in fields if one.is_required() and k not in given}
        assert isinstance(manager.settings(SETTINGS[step], files), SETTINGS[step])


def test_the_workspace_can_be_moved(tmp_path):
    workspace = ConfigurationManager().workspace(tmp_path)
    assert workspace.path("manifest") == tmp_path / "data/manifest.parquet"
