import contextlib
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
    """The URL of a scoring server with the stand-in."""
    with model_server(stand_in, scoring_log) as url:
        yield url


@pytest.fixture(scope="session")
def detector_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a scoring server with a real detector: features, ONNX, calibration, heat map.

    Its network is not trained: by the calibration every picture is forged with about 0.73, and
    the map shows where there is less texture. It reads 1 MiB and 2 million pixels.
    """
    folder = tmp_path_factory.mktemp("detector")
    save = [sys.executable, "-m", "tests.webui.save_detector", folder / "model"]
    subprocess.run(save, check=True, cwd=ROOT)
    limits = {"MAX_UPLOAD_MB": "1", "MAX_PIXELS": "2000000"}
    # Without PYTHONPATH the model runs the code that was logged with it, never this tree's.
    with model_server(folder / "model", folder / "log", PYTHONPATH="", **limits) as url:
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
