"""Two builds of one commit have equal layers, and what differs would be named."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import engine
from tests.deploy.conftest import NAME
from tests.deploy.layers import differences, digests

pytestmark = [pytest.mark.container, pytest.mark.timeout(1200)]

EPOCH = ("--build-arg", "SOURCE_DATE_EPOCH=1700000000", "--build-arg", "MODEL_PATH=models/v1")


@pytest.fixture(scope="module")
def first(image: str, context: Path) -> str:
    engine.build(f"{NAME}:first", context, *EPOCH)
    return f"{NAME}:first"


@pytest.fixture
def later_checkout(context: Path, tmp_path: Path) -> Iterator[Path]:
    """The same files in another folder, all of another time."""
    folder = tmp_path / "context"
    shutil.copytree(context, folder)
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (1_750_000_000, 1_750_000_000))
    return folder


def test_two_builds_of_one_commit_have_equal_layers(first: str, later_checkout: Path) -> None:
    second = first.replace(":first", ":second")
    engine.build(second, later_checkout, "--no-cache", *EPOCH)
    assert list(differences(first, second)) == []
    assert digests(first) == digests(second)
    assert len(digests(first)) > 3


def test_what_differs_is_named(first: str, tmp_path: Path) -> None:
    changed = first.replace(":first", ":changed")
    line = "RUN touch /opt/golden && rm /opt/golden/golden.png && echo > /opt/more"
    engine.derive(changed, first, tmp_path / "changed", line)
    other = first.replace(":first", ":other")
    engine.derive(other, first, tmp_path / "other", "RUN sleep 1 && echo changed > /opt/more")
    found = list(differences(changed, other))
    assert any(line.endswith("opt/golden/.wh.golden.png: only in one") for line in found)
    assert any("opt/more: size, mtime, content" in line for line in found)
