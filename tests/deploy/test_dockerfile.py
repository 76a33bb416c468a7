"""What the image is told at its build, without building it."""

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.engine import ROOT

ROOMS = {path.parent.name for path in ROOT.glob("*/__init__.py")}


def copied_rooms() -> set[str]:
    """Return the packages that the image gets."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    return set(re.findall(r"^COPY (\w+) \1$", text, re.M))


def test_the_image_has_every_room_that_its_own_import() -> None:
    copied = copied_rooms()
    assert {"deploy", "serving", "webui"} <= copied < ROOMS
    for room in copied:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.module:
                    names = [node.module]
                missing = {name.split(".")[0] for name in names} & ROOMS - copied
                assert not missing, f"{path} imports {missing}"


def test_engines_agree_on_the_order_of_the_files_in_the_layer() -> None:
    """Some sort whole paths and some folder by folder; `x.py` beside `x/` is where these differ."""
    command = ["git", "ls-files", *sorted(copied_rooms())]
    files = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    paths = files.stdout.splitlines()
    assert len(paths) > 100
    assert sorted(paths) == sorted(paths, key=lambda path: path.split("/"))


def test_the_build_context_has_what_the_image_copies() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert allowed == copied_rooms() | {"requirements/serve.lock", "models"}


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
