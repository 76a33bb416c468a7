import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.webui.servers import ROOT, free_port, process
from webui.application import create_app
from webui.settings import Settings

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the stand-in as an MLflow model."""
    folder = tmp_path_factory.mktemp("model") / "stand_in"
    subprocess.run([sys.executable, HERE / "serve_stand_in.py", folder], check=True, cwd=ROOT)
    return folder


@pytest.fixture(scope="session")
def scoring_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the scoring server's log goes."""
    return tmp_path_factory.mktemp("logs") / "scoring.log"


@pytest.fixture(scope="session")
def scoring_server(stand_in: Path, scoring_log: Path) -> Iterator[str]:
    """The URL of a real `mlflow models serve`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    serve = ["models", "serve", "-m", str(stand_in), "--env-manager", "local", "-p", str(port)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # for uvicorn
    command = [sys.executable, "-m", "mlflow", *serve]
    with process(command, f"{url}/ping", scoring_log, PATH=path):
        yield url


@pytest.fixture(scope="session")
def settings(scoring_server: str) -> Settings:
    return Settings(
        scoring_url=scoring_server,
        max_upload_mb=1,
        max_request_mb=4,
        max_pixels=2_000_000,
        max_files=4,
    )


@pytest.fixture
def web(settings: Settings) -> FlaskClient:
    """A test client of the application in front of the real scoring server."""
    return create_app(settings).test_client()


@pytest.fixture
def lonely() -> FlaskClient:
    """A test client of the application while there is no scoring server."""
    return create_app(Settings(scoring_url=f"http://127.0.0.1:{free_port()}")).test_client()
