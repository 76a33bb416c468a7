"""The servers that command and client talk to are those of the page's tests."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from tests.webui.conftest import scoring_log, scoring_server, settings  # noqa: F401
from tests.webui.pictures import picture
from webui.application import create_app
from webui.settings import Settings


@pytest.fixture(scope="session")
def front_end(settings: Settings) -> Iterator[str]:  # noqa: F811
    """The URL of the application on a real port."""
    server = make_server("127.0.0.1", 0, create_app(settings), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep").mkdir()
    (tmp_path / "dark.jpg").write_bytes(picture(20))
    (tmp_path / "deep" / "bright.PNG").write_bytes(picture(240, "PNG"))
    (tmp_path / "notes.txt").write_text("not searched for")
    return tmp_path
