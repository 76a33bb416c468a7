"""The Pythons that the package supports, and where this machine has them."""

import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]


def supported() -> list[str]:
    """Return the Pythons that the package's metadata allows, as "3.x", oldest first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    allowed = SpecifierSet(project["requires-python"])
    return [f"3.{minor}" for minor in range(30) if f"3.{minor}.0" in allowed]


def find(python: str) -> Path | None:
    """Return an interpreter of that version that runs and can make environments."""
    code = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
    for place in places(python):
        done = subprocess.run([place, "-c", code], capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.strip() == python:
            return place
    return None


def places(python: str) -> Iterator[Path]:
    """Yield where such an interpreter may be: on the path, and every version that pyenv has."""
    if on_path := shutil.which(f"python{python}"):
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob(f"versions/{python}.*/bin/python{python}"), reverse=True)
