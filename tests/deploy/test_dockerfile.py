"""What the image is told at its build, without building it."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.deploy.engine import ROOT


def test_the_image_has_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (version,) = re.findall(r"^ARG VERSION=(.+)$", (ROOT / "Dockerfile").read_text("utf-8"), re.M)
    assert version == project["version"]


@pytest.mark.parametrize(
    ("origin", "source"),
    [
        ("https://a-token@example.org/a/b.git", ["https://example.org/a/b.git"]),
        ("git@example.org:a/b.git", ["git@example.org:a/b.git"]),
        ("/some/folder", []),
        ("", []),
    ],
)
def test_make_image_says_where_the_code_comes_from(
    tmp_path: Path, origin: str, source: list[str]
) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / ".venv").mkdir()
    for name in ("requirements/bootstrap.lock", "requirements/dev.lock", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    if origin:
        subprocess.run(["git", "remote", "add", "origin", origin], cwd=tmp_path, check=True)
    command = ["make", "--dry-run", "image"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"--build-arg SOURCE=(\S+)", said) == source
