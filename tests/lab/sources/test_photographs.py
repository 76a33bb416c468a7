"""Photographs of the two public sources, which are served here by a server of this machine."""

import functools
import hashlib
import http.server
import threading
import zipfile
from dataclasses import dataclass

import numpy as np
import pytest

from forgery_lab.errors import DataError
from forgery_lab.forgeries import scenes
from forgery_lab.sources import photographs
from tests.conftest import encoded


@dataclass(frozen=True)
class Local(photographs.PhotoSource):
    """A source whose archive lies on a server of this machine."""

    url: str = ""


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    return [encoded(scenes.render("nat", rng, 96, 128), quality=90) for _ in range(4)]


@pytest.fixture
def asked(tmp_path, pictures, monkeypatch):
    """Serve two archives of two photographs each; what was asked for is in the list."""
    served, asked = tmp_path / "served", []
    served.mkdir()
    for name, some in (("cameras", pictures[:2]), ("web", pictures[2:])):
        with zipfile.ZipFile(served / f"{name}.zip", "w") as archive:
            for number, data in enumerate(some):
                archive.writestr(f"repository-1/{name}/{number}.JPG", data)
            archive.writestr("repository-1/README.md", "words")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    handler = functools.partial(Handler, directory=served)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{running.server_port}"
        sources = tuple(
            Local(folder, "somebody/something", "0" * 40, "free", url=f"{root}/{name}.zip")
            for folder, name in (("photos", "cameras"), ("photos_web", "web"))
        )
        monkeypatch.setattr(photographs, "SOURCES", sources)
        yield asked
        running.shutdown()


def digests(data):
    return {hashlib.sha256(one).hexdigest() for one in data}


def held(folder):
    return {
        source.folder: digests(path.read_bytes() for path in (folder / source.folder).iterdir())
        for source in photographs.SOURCES
    }


def test_photographs_are_fetched_once(tmp_path, asked, pictures):
    folder = photographs.fetch(tmp_path / "photographs", digests(pictures))
    assert held(folder) == {
        "photos": digests(pictures[:2]),
        "photos_web": digests(pictures[2:]),
    }
    assert sorted(path.name for path in folder.iterdir()) == ["photos", "photos_web"]
    before = list(asked)
    assert photographs.fetch(folder, digests(pictures)) == folder
    assert asked == before


def test_photographs_that_nobody_wants_are_left_out(tmp_path, asked, pictures):
    folder = photographs.fetch(tmp_path / "photographs", digests(pictures[1:3]))
    assert held(folder) == {"photos": digests(pictures[1:2]), "photos_web": digests(pictures[2:3])}


def test_what_a_stopped_fetch_left_is_made_whole(tmp_path, asked, pictures):
    folder = photographs.fetch(tmp_path / "photographs", digests(pictures))
    next((folder / "photos").iterdir()).write_bytes(b"half")
    for path in (folder / "photos_web").iterdir():
        path.unlink()
    (folder / "photos_web").rmdir()
    photographs.fetch(folder, digests(pictures))
    assert set().union(*held(folder).values()) == digests(pictures)


def test_a_photograph_that_no_source_holds_is_named(tmp_path, asked, pictures):
    with pytest.raises(DataError, match=r"1 of 5 photographs are not in .* SHA-256 ffff"):
        photographs.fetch(tmp_path / "photographs", {*digests(pictures), "f" * 64})
    assert not (tmp_path / "photographs" / "photos").exists()
