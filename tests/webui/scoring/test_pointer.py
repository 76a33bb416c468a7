"""Which scoring server is asked: a fixed one, or the one that a file names."""

import os
import time
from pathlib import Path

import pytest

from serving.pointer import write_pointer
from webui.scoring import pointer as scoring_pointer
from webui.scoring.pointer import Upstream
from webui.settings import Settings


@pytest.fixture
def pointer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a file that is looked at every time."""
    monkeypatch.setattr(scoring_pointer, "SECONDS_BETWEEN_LOOKS", 0)
    return tmp_path / "scoring.json"


def test_without_a_file_it_is_the_server_of_the_settings() -> None:
    target = Upstream(Settings(scoring_url="http://127.0.0.1:7")).current()
    assert target.client.url == "http://127.0.0.1:7"
    assert (target.model_version, target.since) == (None, None)


def test_it_changes_with_the_file_and_stays_where_the_file_goes(pointer: Path) -> None:
    upstream = Upstream(Settings(scoring_pointer=str(pointer), scoring_url="http://127.0.0.1:7"))
    assert upstream.current().client.url == "http://127.0.0.1:7"
    write_pointer(pointer, 8001, "forgery-detector/1")
    first = upstream.current()
    assert (first.client.url, first.model_version) == (
        "http://127.0.0.1:8001",
        "forgery-detector/1",
    )
    assert upstream.current() is first
    write_pointer(pointer, 8002, "forgery-detector/2")
    assert upstream.current().client.url == "http://127.0.0.1:8002"
    assert upstream.current().since >= first.since
    pointer.unlink()
    assert upstream.current().model_version == "forgery-detector/2"


def test_two_changes_within_one_tick_of_the_clock_are_told_apart(pointer: Path) -> None:
    upstream = Upstream(Settings(scoring_pointer=str(pointer)))
    for port in (8001, 8002):
        write_pointer(pointer, port, "forgery-detector/1")
        os.utime(pointer, ns=(1, 1))
        assert upstream.current().client.url == f"http://127.0.0.1:{port}"


def test_the_file_is_looked_at_after_a_moment_again(
    pointer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring_pointer, "SECONDS_BETWEEN_LOOKS", 0.2)
    upstream = Upstream(Settings(scoring_pointer=str(pointer), scoring_url="http://127.0.0.1:7"))
    assert upstream.current().client.url == "http://127.0.0.1:7"
    write_pointer(pointer, 8001, "forgery-detector/1")
    assert upstream.current().client.url == "http://127.0.0.1:7"
    time.sleep(0.2)
    assert upstream.current().client.url == "http://127.0.0.1:8001"
