"""The stages of DVC name all the code that decides their outputs."""

import ast
from pathlib import Path

import pytest
import yaml

from steps.settings.configuration import PROJECT_ROOT

DECIDES_NOTHING = {
    *(f"steps/{name}" for name in ("errors.py", "settings", "tracking")),
    *(f"forgery_lab/{name}.py" for name in ("errors", "files", "progress")),
    "forgery_lab/data/manifest_figures.py",
    "forgery_pyfunc/detector.py",  # names of files, for those who write a detector
    "forgery_pyfunc/errors.py",
}


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
    return found


@pytest.mark.parametrize("stage", ["ingest", "preprocess", "train", "evaluate"])
def test_a_stage_depends_on_the_code_behind_it(stage):
    stages = yaml.safe_load((PROJECT_ROOT / "dvc.yaml").read_text("utf-8"))["stages"]
    known = {Path(dep) for dep in stages[stage]["deps"]}
    code = closure(stage)
    assert f"steps/{stage}.py" in code
    assert not [name for name in sorted(code) if not known & {Path(name), *Path(name).parents}]
    mine = {str(dep) for dep in known if dep.suffix == ".py"} - {
        "forgery_lab/evaluation/scoring_child.py"
    }
    assert mine <= code


def test_features_of_a_stopped_stage_stay():
    stages = yaml.safe_load((PROJECT_ROOT / "dvc.yaml").read_text("utf-8"))["stages"]
    assert {"data/features": {"persist": True}} in stages["preprocess"]["outs"]
