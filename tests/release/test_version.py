"""A version is stated alike everywhere, and what is published is complete and described."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import BytesParser
from pathlib import Path

import pytest
import yaml
from packaging.metadata import Metadata

from tests.doors.interpreters import ROOT

CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
RELEASES = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)$", CHANGELOG, re.M)
PICTURES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def build(target: str, source: Path, folder: Path) -> Path:
    """Return the wheel or the source archive of a tree."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target]
    subprocess.run([*command, "--directory", folder], check=True, cwd=source, capture_output=True)
    (built,) = folder.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return built


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


def test_the_version_is_that_of_the_newest_release_in_the_changelog():
    version, date = RELEASES[0]
    assert project()["version"] == version
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert (citation["version"], citation["date-released"]) == (version, date)
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    assert re.findall(r"^ARG VERSION=(.+)$", dockerfile, re.M) == [version]


def test_the_changelog_goes_back_from_the_newest_version():
    versions = [tuple(map(int, version.split("."))) for version, _ in RELEASES]
    assert versions == sorted(set(versions), reverse=True)
    assert CHANGELOG.index("## [Unreleased]") < CHANGELOG.index(f"## [{RELEASES[0][0]}]")


def test_the_source_archive_makes_the_same_wheel(archive, wheel, tmp_path):
    with tarfile.open(archive) as content:
        content.extractall(tmp_path, filter="data")
    (tree,) = tmp_path.iterdir()
    again = build("wheel", tree, tmp_path / "dist")
    assert contents(again) == contents(wheel)


def contents(wheel: Path) -> dict[str, bytes]:
    """Return the files of a wheel."""
    with zipfile.ZipFile(wheel) as content:
        return {name: content.read(name) for name in content.namelist()}


def test_what_is_published_holds_no_picture_and_nothing_of_other_rooms(archive, wheel):
    with tarfile.open(archive) as content:
        files = [Path(*Path(name).parts[1:]) for name in content.getnames()]
    tops = {file.parts[0] for file in files}
    described = {"LICENSE", "CHANGELOG.md", "CITATION.cff", "pyproject.toml", "PKG-INFO"}
    assert tops == {"forgery", "forgery_pyfunc", *described, ".gitignore"}
    everything = [*files, *map(Path, contents(wheel))]
    assert [file for file in everything if file.suffix.lower() in PICTURES] == []


def test_the_description_is_valid_and_shows_alike_wherever_it_is_read(wheel):
    (name,) = [name for name in contents(wheel) if name.endswith("/METADATA")]
    raw = contents(wheel)[name]
    metadata = Metadata.from_email(raw, validate=True)
    assert metadata.requires_python == project()["requires-python"]
    assert metadata.license_expression == "Apache-2.0"
    message = BytesParser().parsebytes(raw)
    assert message["Description-Content-Type"] == "text/markdown"
    text = metadata.description
    assert "forgery scan photo.jpg" in text
    targets = re.findall(r"\]\(([^)]+)\)", text)
    assert [target for target in targets if not target.startswith("https://")] == []
