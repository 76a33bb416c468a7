"""The wheel, empty environments with it, a server started from the checkout, and pictures."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from forgery.client import Client
from forgery_pyfunc.contract import Record
from serving.services import LOOPBACK, scoring_server, web_page
from tests.conftest import encoded, picture
from tests.doors import environments, pictures
from tests.doors.environments import Environment
from tests.doors.interpreters import ROOT, supported
from tests.webui.servers import free_port, process


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """The wheel in the folder that DIST names (what is about to be published), else a new one."""
    folder = Path(os.environ.get("DIST") or tmp_path_factory.mktemp("dist"))
    if "DIST" not in os.environ:
        build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
        subprocess.run([*build, "--directory", folder], check=True, cwd=ROOT, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel.resolve()


@pytest.fixture(scope="session", params=supported())
def environment(request, wheel, tmp_path_factory) -> Environment:
    """An environment of each Python with the wheel, resolved anew as for a user."""
    made = environments.make(request.param, tmp_path_factory.mktemp(f"python{request.param}"))
    install = [
        made.folder / "bin/python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--only-binary",
        ":all:",
    ]
    subprocess.run([*install, wheel], check=True)
    return made


@pytest.fixture(scope="session")
def photo() -> bytes:
    """A photograph of 640 × 480 pixels: smooth colours, an edge and a little noise."""
    return encoded(picture(640, 480), quality=92)


@pytest.fixture
def desk(tmp_path, photo) -> Path:
    """A folder with what the documents' commands name: photo.jpg, and PHOTOS with four files."""
    (tmp_path / "last-time").touch()
    (tmp_path / "photo.jpg").write_bytes(photo)
    (tmp_path / "PHOTOS/holiday").mkdir(parents=True)
    for number, name in enumerate(("a.jpg", "b.png", "holiday/c.tif", "holiday/d.webp")):
        layout = {"jpg": "JPEG", "tif": "TIFF"}.get(name[-3:], name[2:].rpartition(".")[2].upper())
        pixels = picture(320, 240, seed=number)
        (tmp_path / "PHOTOS" / name).write_bytes(encoded(pixels, layout))
    return tmp_path


@dataclass(frozen=True)
class Server:
    """The page in front of a scoring server."""

    url: str

    def answer(self, data: bytes) -> Record:
        """Return the answer for one image."""
        (record,) = Client(self.url).score([data])
        return record


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    """The page in front of a scoring server, both of the checkout, with the shipped detector."""
    folder = tmp_path_factory.mktemp("server")
    save = "import pathlib, sys, forgery, forgery_lab.export.pyfunc as pyfunc\n"
    save += "pyfunc.save_model(forgery.SHIPPED, pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", save, folder / "model"], check=True, cwd=ROOT)
    port, scoring_port = free_port(), free_port()
    scoring = scoring_server(str(folder / "model"), scoring_port, workers=2)
    page = web_page(LOOPBACK, port, scoring_port, folder / "pointer.json")
    url = f"http://{LOOPBACK}:{port}"
    with (
        process(scoring.command, scoring.ping, folder / "scoring.log", **scoring.environment),
        process(page.command, f"{url}/readyz", folder / "page.log", **page.environment),
    ):
        yield Server(url)


@pytest.fixture(scope="session")
def answers(server, photo, tmp_path_factory) -> dict[Path, Record]:
    """The pictures of `tests/doors/pictures.py` and the photo, with the server's answers."""
    made = tmp_path_factory.mktemp("photo") / "photo.jpg"
    made.write_bytes(photo)
    files = [made, *pictures.cases(), *pictures.of_packages()]
    return {file: server.answer(file.read_bytes()) for file in files}
