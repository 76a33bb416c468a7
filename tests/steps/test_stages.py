"""The stages of DVC name all the code that decides their outputs."""

import ast
from pathlib import Path

import pytest
import yaml

from steps.settings.configuration import PROJECT_ROOT

DECIDES_NOTHING = {
    *(f"steps/{name}" for name in ("errors.py", "settings", "tracking")),
    *(f"forgery_lab/{name}.py" for name in ("errors", "files", "processes", "progress")),
    "forgery/model_process.py",  # a model's own code decides
    *("forgery_lab/spark", "steps/pipeline/engines.py"),  # a cluster leaves what a machine does
    "steps/pipeline/together.py",  # several processes learn what one learns
    "steps/registry/logged_model.py",  # where figures are logged, too
    "forgery_pyfunc/detector.py",  # names of files, for those who write a detector
    "forgery_pyfunc/errors.py",
}

WORK = {"train": "training", "evaluate": "evaluation"}
"""Stages whose entry point only hands its settings to this module of `steps/pipeline`."""
CODE = ("steps", "forgery_lab", "forgery_pyfunc")


def imported(path):
    """Yield the modules of the project that a module imports, also inside functions."""
    nodes = [ast.parse(path.read_text("utf-8"))]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        nodes += ast.iter_child_nodes(node)
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            place = PROJECT_ROOT / name.replace(".", "/")
            yield from (p for p in (place.with_suffix(".py"), place / "__init__.py") if p.is_file())


def only_hands_over(path):
    """Return whether a module is an entry point whose functions are a docstring and one call."""
    body = ast.parse(path.read_text("utf-8")).body
    functions = [node for node in body if isinstance(node, ast.FunctionDef)]
    rest = [node for node in body if not isinstance(node, ast.FunctionDef)]
    return all(len(function.body) == 2 for function in functions) and all(
        isinstance(node, ast.Expr | ast.Import | ast.ImportFrom) for node in rest
    )


def closure(stage):
    """Return the code behind a stage, without what decides nothing."""
    found, waiting = set(), [PROJECT_ROOT / f"steps/{stage}.py"]
    while waiting:
        path = waiting.pop()
        name = path.relative_to(PROJECT_ROOT).as_posix()
        decides = path.name != "__init__.py" or path.parent.name == "features"
        beside = {name, *(parent.as_posix() for parent in Path(name).parents)} & DECIDES_NOTHING
        if decides and not beside and name not in found:
            found.add(name)
            waiting += imported(path)
    entry = f"steps/{stage}.py"
    return found - {entry} if only_hands_over(PROJECT_ROOT / entry) else found


@pytest.fixture(scope="module")
def stages():
    """The stages of `dvc.yaml`."""
    return yaml.safe_load((PROJECT_ROOT / "dvc.yaml").read_text("utf-8"))["stages"]


@pytest.mark.parametrize("stage", ["ingest", "preprocess", "train", "evaluate"])
def test_a_stage_depends_on_the_code_behind_it(stages, stage):
    known = {Path(dep) for dep in stages[stage]["deps"]}
    code = closure(stage)
    assert {f"steps/{stage}.py", f"steps/pipeline/{WORK.get(stage)}.py"} & code
    assert not [name for name in sorted(code) if not known & {Path(name), *Path(name).parents}]
    behind = {path for name in code for path in (Path(name), *Path(name).parents)}
    needless = {dep for dep in known if dep.parts[0] in CODE} - behind
    assert not needless


@pytest.mark.parametrize("stage", ["ingest", "preprocess", "train", "evaluate"])
def test_a_stage_has_at_most_eight_dependencies(stages, stage):
    assert len(stages[stage]["deps"]) <= 8


def test_a_dependency_is_there_or_an_output_of_another_stage(stages):
    outs = {name for one in stages.values() for entry in one["outs"] for name in _names(entry)}
    deps = {name for one in stages.values() for name in one["deps"]}
    assert not [name for name in deps - outs if not (PROJECT_ROOT / name).exists()]


def _names(entry):
    return [entry] if isinstance(entry, str) else list(entry)


def test_features_of_a_stopped_stage_stay(stages):
    assert {"data/features": {"persist": True}} in stages["preprocess"]["outs"]
