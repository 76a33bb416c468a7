import re

import yaml

from steps.settings.configuration import PROJECT_ROOT
from steps.settings.entities import SETTINGS
from steps.settings.mlproject import render


def test_the_file_is_what_the_entities_say():
    assert (PROJECT_ROOT / "MLproject").read_text("utf-8").strip() == render().strip()


def test_every_entry_point_passes_all_its_parameters_to_its_step():
    project = yaml.safe_load(render())
    assert set(project["entry_points"]) == set(SETTINGS)
    for step, entry in project["entry_points"].items():
        assert set(entry["parameters"]) == {*SETTINGS[step].parameters(), "workspace"}
        assert set(re.findall(r"\{(\w+)\}", entry["command"])) == set(entry["parameters"])


def test_a_parameter_states_the_default_that_it_has_without_params_yaml():
    lines = {line.split(":")[0].strip(): line for line in render().splitlines() if "{" in line}
    assert lines["count"].endswith("images to make, half of them authentic; default 200")
    assert lines["steps"].endswith("default ingest,preprocess,train,evaluate,register,promote")
    assert "; default" not in lines["learning_rate"]
    assert "type: float" in lines["count"]
    assert "type" not in lines["history"]


def test_conda_yaml_pins_what_the_lock_pins():
    lock = (PROJECT_ROOT / "requirements/pipeline.lock").read_text("utf-8")
    locked = {line.strip() for line in re.findall(r"^([\w.-]+(?:\[.+\])?==[^\\]+)", lock, re.M)}
    conda = yaml.safe_load((PROJECT_ROOT / "conda.yaml").read_text("utf-8"))
    pins = conda["dependencies"][-1]["pip"]
    assert set(pins) == locked
    assert conda["dependencies"][:2] == ["python=3.11", "pip"]


def test_the_locks_agree_and_are_hashed():
    names = {}
    for lock in ("dev", "pipeline", "serve"):
        text = (PROJECT_ROOT / f"requirements/{lock}.lock").read_text("utf-8")
        for name, version in re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^ ;\\]+)", text, re.M):
            assert names.setdefault(name, version) == version
        assert text.count("==") <= text.count("--hash=sha256:")
        assert "://" not in text
