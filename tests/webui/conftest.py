import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.webui.servers import free_port, process
from webui.application import create_app
from webui.settings import Settings

SERVE = ["models", "serve", "--env-manager", "local"]


@contextlib.contextmanager
def model_server(model: Path, log: Path, **environment: str) -> Iterator[str]:
    """The URL of a real `mlflow models serve`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # for uvicorn
    command = [sys.executable, "-m", "mlflow", *SERVE, "-m", str(model), "-p", str(port)]
    with process(command, f"{url}/ping", log, PATH=path, **environment):
        yield url


@pytest.fixture(scope="session")
def scoring_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the scoring server's log goes."""
    return tmp_path_factory.mktemp("logs") / "scoring.log"


@pytest.fixture(scope="session")
def scoring_server(stand_in: Path, scoring_log: Path) -> Iterator[str]:
    """The URL of a scoring server with the stand-in; it reads 1 MiB and 2 million pixels."""
    settings = {
        "MAX_UPLOAD_MB": "1",
        "MAX_PIXELS": "2000000",
        "FORGERY_MODEL_VERSION": "stand-in/1",
        "DECODER_SANDBOX": "on",  # as `make serve` starts it
        "PYTHONPATH": "",  # the model runs the code that was logged with it, never this tree's
    }
    with model_server(stand_in, scoring_log, **settings) as url:
        yield url


@pytest.fixture(scope="session")
def settings(scoring_server: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        results_dir=str(tmp_path_factory.mktemp("settings") / "results"),
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
